// Owns how the words of chunks become the lexical part of a segment.

/// Numbers the words of chunks as they come, then sorts them into a ``LexicalSegment``.
struct LexicalBuilder {
  private let analyzer: TermStream
  private let titleWeight: Int

  /// Terms of all chunks in the order of the text; ``noTerm`` for a stop word.
  private var tokens: [UInt32] = []
  /// Where the tokens of chunk i start; one more than there are chunks.
  private var chunkStarts = [0]
  /// How many tokens of chunk i are in its title.
  private var titleTokens: [UInt32] = []
  private var titleLengths: [UInt32] = []
  private var bodyLengths: [UInt32] = []

  /// Words as they are written, so that each distinct one is stemmed once.
  private var words = TermTable()
  private var termOfWord: [UInt32] = []
  private var terms = TermTable()

  private static let noTerm = UInt32.max

  init(analyzer: Analyzer, titleWeight: Int) {
    self.analyzer = TermStream(analyzer)
    self.titleWeight = titleWeight
  }

  /// Adds the next chunk; positions count from 0.
  mutating func add(title: String, body: String) {
    titleLengths.append(titleWeight > 0 ? add(title) : 0)
    titleTokens.append(UInt32(clamping: tokens.count - chunkStarts[chunkStarts.count - 1]))
    bodyLengths.append(add(body))
    chunkStarts.append(tokens.count)
  }

  /// Adds the terms of `text` and returns how many there are.
  private mutating func add(_ text: String) -> UInt32 {
    guard !text.isEmpty else { return 0 }
    var length: UInt32 = 0
    Analyzer.forEachWord(in: text, folded: analyzer.foldsFirst) { bytes in
      let (word, isNew) = words.insert(bytes)
      if isNew {
        termOfWord.append(
          analyzer.withTerm(of: bytes) { UInt32(terms.insert($0).index) } ?? Self.noTerm)
      }
      let term = termOfWord[word]
      tokens.append(term)
      if term != Self.noTerm { length &+= 1 }
    }
    return min(length, UInt32(Int32.max) / 2048)
  }

  consuming func build() -> LexicalSegment {
    let termCount = terms.count
    let runs = runsByTerm(termCount)
    let weight = UInt32(max(1, titleWeight))
    let lengths = Column(zip(titleLengths, bodyLengths).map { $0 * weight + $1 })
    var writer = PostingsWriter(lengths: lengths, titleWeight: Int(weight))
    var chunks: [UInt32] = []
    chunks.reserveCapacity(tokens.count)
    runs.places.withUnsafeBufferPointer { places in
      for term in 0..<termCount {
        let range = runs.starts[term]..<runs.starts[term + 1]
        Self.write(UnsafeBufferPointer(rebasing: places[range]), titleTokens, &writer) { chunks.append($0) }
      }
    }
    let postings = writer.finish()
    return LexicalSegment(
      terms: terms.dictionary(), postings: postings, lengths: lengths, titleLengths: Column(titleLengths),
      bodyLengths: Column(bodyLengths), titleWeight: weight,
      chunkTerms: ChunkTerms(chunkCount: lengths.count, chunks: chunks, frequencies: postings.frequencies))
  }

  /// All tokens as `chunk << 32 | place in the chunk`, those of term 0 first, by counting.
  private borrowing func runsByTerm(_ termCount: Int) -> (starts: [Int], places: [UInt64]) {
    var starts = [Int](repeating: 0, count: termCount + 2)
    for token in tokens where token != Self.noTerm { starts[Int(token) + 2] += 1 }
    for term in 0..<termCount { starts[term + 2] += starts[term + 1] }
    let total = starts[termCount + 1]
    let places = [UInt64](unsafeUninitializedCapacity: total) { places, count in
      starts.withUnsafeMutableBufferPointer { starts in
        tokens.withUnsafeBufferPointer { tokens in
          for chunk in titleTokens.indices {
            let start = chunkStarts[chunk]
            for index in start..<chunkStarts[chunk + 1] where tokens[index] != Self.noTerm {
              let next = starts[Int(tokens[index]) + 1]
              starts[Int(tokens[index]) + 1] = next + 1
              places[next] = UInt64(chunk) << 32 | UInt64(index - start)
            }
          }
        }
      }
      count = total
    }
    starts.removeLast()
    return (starts, places)
  }

  /// Groups the places of one term by chunk.
  @inline(__always)
  private static func write(
    _ places: UnsafeBufferPointer<UInt64>, _ titleTokens: [UInt32], _ writer: inout PostingsWriter,
    _ each: (UInt32) -> Void
  ) {
    var frequency = 0
    var previous = UInt64.max
    for place in places where place >> 32 != previous {
      previous = place >> 32
      frequency += 1
    }
    writer.beginTerm(mostPostings: frequency)
    var index = 0
    while index < places.count {
      let chunk = UInt32(places[index] >> 32)
      let title = titleTokens[Int(chunk)]
      var posting = PostingsWriter.Posting(position: chunk, count: 0, titleCount: 0)
      var last: UInt32 = 0
      while index < places.count, UInt32(places[index] >> 32) == chunk {
        var place = UInt32(truncatingIfNeeded: places[index])
        if place < title {
          posting.titleCount += 1
        } else {
          // A place between title and body, so that no phrase leads from one to the other.
          place += 1
        }
        posting.count += 1
        writer.addOccurrence(gap: place - last)
        last = place
        index += 1
      }
      writer.add(posting)
      each(chunk)
    }
    writer.endTerm()
  }
}
