// Owns one immutable batch of indexed chunks: terms, postings, vectors. Knows nothing about deletes or readers.
import StrataCore

/// Chunks indexed together and never changed. Positions count from 0 in the order they were added.
///
/// Postings are plain arrays, one run of rising positions per term; the same information the other way round (`terms
/// of a chunk`) makes a delete exact and cheap.
final class Segment: Sendable {
  let ids: [Int64]
  let documents: [String]
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
  /// Row-major [chunks, dimension]; empty when no chunk has a vector. A chunk without one has a row of zeros.
  let vectors: [Float]
  let hasVector: [UInt64]

  var count: Int { ids.count }

  init(
    ids: [Int64], documents: [String], lengths: [UInt32], terms: TermDictionary, postingStarts: [Int],
    postingPositions: [UInt32], postingCounts: [UInt16], mostOccurrences: [UInt16], shortestLengths: [UInt32],
    chunkTermStarts: [Int], chunkTerms: [UInt32],
    vectors: [Float], hasVector: [UInt64]
  ) {
    self.ids = ids
    self.documents = documents
    self.lengths = lengths
    self.terms = terms
    self.postingStarts = postingStarts
    self.postingPositions = postingPositions
    self.postingCounts = postingCounts
    self.mostOccurrences = mostOccurrences
    self.shortestLengths = shortestLengths
    self.chunkTermStarts = chunkTermStarts
    self.chunkTerms = chunkTerms
    self.vectors = vectors
    self.hasVector = hasVector
  }

  func termsOfChunk(_ position: Int) -> ArraySlice<UInt32> {
    chunkTerms[chunkTermStarts[position]..<chunkTermStarts[position + 1]]
  }
}

/// A segment as of one moment: which of its chunks are still there, who may read them, and exact statistics.
struct SegmentView: Sendable {
  let serial: UInt64
  let segment: Segment
  /// Chunks that were not removed.
  var live: [UInt64]
  var liveCount: Int
  /// Sum of the lengths of the live chunks.
  var liveLength: Int
  /// Removed chunks per term; empty while nothing was removed.
  var removedFrequencies: [UInt32] = []
  var readers: [Reader: PositionSet] = [:]

  init(serial: UInt64, segment: Segment) {
    self.serial = serial
    self.segment = segment
    live = [UInt64](repeating: 0, count: (segment.count + 63) / 64)
    for position in 0..<segment.count { live.setBit(position) }
    liveCount = segment.count
    liveLength = segment.lengths.reduce(0) { $0 + Int($1) }
  }

  /// How many live chunks have the term.
  func documentFrequency(_ term: Int) -> Int {
    let all = segment.postingStarts[term + 1] - segment.postingStarts[term]
    return removedFrequencies.isEmpty ? all : all - Int(removedFrequencies[term])
  }

  mutating func remove(_ position: Int, readers keys: [Reader]) {
    guard live.testBit(position) else { return }
    live.clearBit(position)
    liveCount -= 1
    liveLength -= Int(segment.lengths[position])
    if removedFrequencies.isEmpty { removedFrequencies = [UInt32](repeating: 0, count: segment.terms.count) }
    for term in segment.termsOfChunk(position) { removedFrequencies[Int(term)] += 1 }
    removeReaders(keys, at: position)
  }

  mutating func addReaders(_ keys: [Reader], at position: Int) {
    for key in keys { readers[key, default: .sparse([])].insert(position, capacity: segment.count) }
  }

  mutating func removeReaders(_ keys: [Reader], at position: Int) {
    for key in keys {
      readers[key]?.remove(position)
      if readers[key]?.isEmpty == true { readers[key] = nil }
    }
  }
}
