// Owns the words of one immutable batch of chunks: terms, postings, lengths. Knows nothing about ids or readers.

/// The lexical part of a ``Segment``. Positions count from 0 in the order in which chunks were added.
///
/// The postings are there the other way round as well (`terms of a chunk`), which makes a delete exact and cheap.
struct LexicalSegment: Sendable {
  /// Terms of each chunk, title counted `titleWeight` times.
  let lengths: [UInt32]
  let terms: TermDictionary
  /// Where the postings of term i start; one more than there are terms.
  let postingStarts: [Int]
  let postingPositions: [UInt32]
  /// Occurrences, at most 65,535.
  let postingCounts: [UInt16]
  /// Most occurrences of term i in a chunk, and the length of the shortest chunk that has it: together they bound what
  /// the term can add to a score.
  let mostOccurrences: [UInt16]
  let shortestLengths: [UInt32]
  /// Where the distinct terms of chunk i start in `chunkTerms`; one more than there are chunks.
  let chunkTermStarts: [Int]
  let chunkTerms: [UInt32]

  /// How many chunks there are.
  var count: Int { lengths.count }

  /// Turns the terms of each chunk into the chunks of each term by a counting sort.
  init(
    lengths: [UInt32], terms: TermDictionary, chunkTermStarts: [Int], chunkTerms: [UInt32], chunkCounts: [UInt16]
  ) {
    var postingStarts = [Int](repeating: 0, count: terms.count + 1)
    for term in chunkTerms { postingStarts[Int(term) + 1] += 1 }
    for term in 0..<terms.count { postingStarts[term + 1] += postingStarts[term] }
    var next = postingStarts
    var mostOccurrences = [UInt16](repeating: 0, count: terms.count)
    var shortestLengths = [UInt32](repeating: .max, count: terms.count)
    var positions = [UInt32](repeating: 0, count: chunkTerms.count)
    var counts = [UInt16](repeating: 0, count: chunkTerms.count)
    for position in lengths.indices {
      for index in chunkTermStarts[position]..<chunkTermStarts[position + 1] {
        let term = Int(chunkTerms[index])
        positions[next[term]] = UInt32(position)
        counts[next[term]] = chunkCounts[index]
        next[term] += 1
        mostOccurrences[term] = max(mostOccurrences[term], chunkCounts[index])
        shortestLengths[term] = min(shortestLengths[term], lengths[position])
      }
    }
    self.lengths = lengths
    self.terms = terms
    self.postingStarts = postingStarts
    postingPositions = positions
    postingCounts = counts
    self.mostOccurrences = mostOccurrences
    self.shortestLengths = shortestLengths
    self.chunkTermStarts = chunkTermStarts
    self.chunkTerms = chunkTerms
  }

  func termsOfChunk(_ position: Int) -> ArraySlice<UInt32> {
    chunkTerms[chunkTermStarts[position]..<chunkTermStarts[position + 1]]
  }
}

/// What BM25 needs to know about the chunks of a ``LexicalSegment`` that were not removed.
struct LexicalStatistics: Sendable {
  /// Sum of the lengths of the live chunks.
  private(set) var length: Int
  /// Removed chunks per term; empty while nothing was removed.
  private var removedFrequencies: [UInt32] = []

  /// Of a segment from which nothing was removed.
  init(_ segment: LexicalSegment) { length = segment.lengths.reduce(0) { $0 + Int($1) } }

  /// How many live chunks have the term.
  func documentFrequency(of term: Int, in segment: LexicalSegment) -> Int {
    let all = segment.postingStarts[term + 1] - segment.postingStarts[term]
    return removedFrequencies.isEmpty ? all : all - Int(removedFrequencies[term])
  }

  /// Takes out a live chunk.
  mutating func remove(_ position: Int, from segment: LexicalSegment) {
    length -= Int(segment.lengths[position])
    if removedFrequencies.isEmpty { removedFrequencies = [UInt32](repeating: 0, count: segment.terms.count) }
    for term in segment.termsOfChunk(position) { removedFrequencies[Int(term)] += 1 }
  }
}
