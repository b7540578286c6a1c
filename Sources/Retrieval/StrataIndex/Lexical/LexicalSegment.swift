// Owns the words of one immutable batch of chunks: terms, postings, lengths. Knows nothing about ids or readers.
import CStrataKernels

/// The lexical part of a ``Segment``. Positions count from 0 in the order in which chunks were added.
///
/// The postings are there the other way round as well (`terms of a chunk`), which makes a delete exact and cheap.
final class LexicalSegment: Sendable {
  let terms: TermDictionary
  let postings: Postings
  /// Terms of each chunk, those of the title counted ``titleWeight`` times; at most `Int32.max`.
  let lengths: Column<UInt32>
  let titleLengths: Column<UInt32>
  let bodyLengths: Column<UInt32>
  /// How many times an occurrence in the title counts.
  let titleWeight: UInt32
  let chunkTerms: ChunkTerms
  let unpacked = UnpackedLists()

  /// How many postings there are.
  let postingCount: Int
  /// How many chunks there are.
  var count: Int { lengths.count }

  init(
    terms: TermDictionary, postings: Postings, lengths: Column<UInt32>, titleLengths: Column<UInt32>,
    bodyLengths: Column<UInt32>, titleWeight: UInt32, chunkTerms: ChunkTerms
  ) {
    self.terms = terms
    self.postings = postings
    self.lengths = lengths
    self.titleLengths = titleLengths
    self.bodyLengths = bodyLengths
    self.titleWeight = titleWeight
    self.chunkTerms = chunkTerms
    postingCount = postings.frequencies.reduce(0) { $0 + Int($1) }
  }

  func lengths(of field: LexicalField?) -> Column<UInt32> {
    switch field {
    case nil: lengths
    case .title: titleLengths
    case .body: bodyLengths
    }
  }
}

/// The parts of a chunk that queries can name.
public enum LexicalField: String, Sendable, Hashable, CaseIterable, Codable {
  /// Document title and headings.
  case title
  case body
}

/// What BM25 needs to know about the chunks of a ``LexicalSegment`` that were not removed.
struct LexicalStatistics: Sendable {
  /// Sums of the lengths of the live chunks.
  private(set) var length = 0
  private(set) var titleLength = 0
  private(set) var bodyLength = 0
  /// Removed chunks per term; empty while nothing was removed.
  private var removedFrequencies: [UInt32] = []

  /// Of a segment from which nothing was removed.
  init(_ segment: LexicalSegment) {
    for value in segment.lengths.buffer { length += Int(value) }
    for value in segment.titleLengths.buffer { titleLength += Int(value) }
    for value in segment.bodyLengths.buffer { bodyLength += Int(value) }
  }

  func length(of field: LexicalField?) -> Int {
    switch field {
    case nil: length
    case .title: titleLength
    case .body: bodyLength
    }
  }

  /// How many live chunks have the term.
  func documentFrequency(of term: Int, in segment: LexicalSegment) -> Int {
    let all = Int(segment.postings.frequencies[term])
    return removedFrequencies.isEmpty ? all : max(0, all - Int(removedFrequencies[term]))
  }

  /// Takes out a live chunk.
  mutating func remove(_ position: Int, from segment: LexicalSegment) {
    length -= Int(segment.lengths[position])
    titleLength -= Int(segment.titleLengths[position])
    bodyLength -= Int(segment.bodyLengths[position])
    if removedFrequencies.isEmpty { removedFrequencies = [UInt32](repeating: 0, count: segment.terms.count) }
    var removed: [UInt32] = []
    swap(&removed, &removedFrequencies)
    segment.chunkTerms.forEachTerm(of: position) { removed[$0] &+= 1 }
    swap(&removed, &removedFrequencies)
  }
}
