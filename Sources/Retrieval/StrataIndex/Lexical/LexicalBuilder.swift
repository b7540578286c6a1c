// Owns how the words of chunks become the lexical part of a segment, from text or by merging.

/// Counts the words of chunks, then sorts them into a ``LexicalSegment``.
struct LexicalBuilder {
  private let analyzer: Analyzer
  private let titleWeight: Int

  private var lengths: [UInt32] = []
  private var chunkTermStarts = [0]
  private var chunkTerms: [UInt32] = []
  private var chunkCounts: [UInt16] = []

  /// Words as they are written, so that each distinct one is stemmed once.
  private var words = ByteStringTable()
  /// Term of each word; -1 for stop words.
  private var termOfWord: [Int32] = []
  private var terms = ByteStringTable()
  /// Occurrences of each term in the chunk at hand, and which are not 0.
  private var counts: [UInt32] = []
  private var touched: [UInt32] = []

  init(analyzer: Analyzer, titleWeight: Int) {
    self.analyzer = analyzer
    self.titleWeight = titleWeight
  }

  /// Adds the next chunk; positions count from 0.
  mutating func add(title: String, body: String) {
    let length = count(title, weight: titleWeight) + count(body, weight: 1)
    for term in touched {
      chunkTerms.append(term)
      chunkCounts.append(UInt16(clamping: counts[Int(term)]))
      counts[Int(term)] = 0
    }
    touched.removeAll(keepingCapacity: true)
    chunkTermStarts.append(chunkTerms.count)
    lengths.append(UInt32(clamping: length))
  }

  /// Counts the terms of `text` and returns how many there are.
  private mutating func count(_ text: String, weight: Int) -> Int {
    guard weight > 0, !text.isEmpty else { return 0 }
    var length = 0
    Analyzer.forEachWord(in: text) { bytes in
      let (word, isNewWord) = words.insert(bytes)
      if isNewWord {
        let term = analyzer.term(of: bytes).map { $0.withUnsafeBufferPointer { terms.insert($0) } }
        if term?.isNew == true { counts.append(0) }
        termOfWord.append(term.map { Int32($0.index) } ?? -1)
      }
      let term = Int(termOfWord[word])
      guard term >= 0 else { return }
      if counts[term] == 0 { touched.append(UInt32(term)) }
      counts[term] += UInt32(weight)
      length += weight
    }
    return length
  }

  consuming func build() -> LexicalSegment {
    let order = (0..<terms.count).sorted { terms[$0].lexicographicallyPrecedes(terms[$1]) }
    var dictionary = TermDictionary()
    var renumbered = [UInt32](repeating: 0, count: order.count)
    for (new, old) in order.enumerated() {
      dictionary.append(terms[old])
      renumbered[old] = UInt32(new)
    }
    for index in chunkTerms.indices { chunkTerms[index] = renumbered[Int(chunkTerms[index])] }
    return LexicalSegment(
      lengths: lengths, terms: dictionary, chunkTermStarts: chunkTermStarts, chunkTerms: chunkTerms,
      chunkCounts: chunkCounts)
  }
}

extension LexicalSegment {
  /// The chunks of several segments that are live, in order.
  static func merge(_ parts: [(segment: LexicalSegment, live: [UInt64], statistics: LexicalStatistics)])
    -> LexicalSegment
  {
    let merged = mergeDictionaries(parts)
    var lengths: [UInt32] = []
    var chunkTermStarts = [0]
    var chunkTerms: [UInt32] = []
    var chunkCounts: [UInt16] = []
    for (part, renumbered) in zip(parts, merged.renumbered) {
      let segment = part.segment
      let countsByChunk = segment.countsByChunk()
      for position in 0..<segment.count where part.live.testBit(position) {
        let range = segment.chunkTermStarts[position]..<segment.chunkTermStarts[position + 1]
        for index in range {
          chunkTerms.append(renumbered[Int(segment.chunkTerms[index])])
          chunkCounts.append(countsByChunk[index])
        }
        chunkTermStarts.append(chunkTerms.count)
        lengths.append(segment.lengths[position])
      }
    }
    return LexicalSegment(
      lengths: lengths, terms: merged.dictionary, chunkTermStarts: chunkTermStarts, chunkTerms: chunkTerms,
      chunkCounts: chunkCounts)
  }

  /// The terms that live chunks use, and for each part the new number of each old term.
  private static func mergeDictionaries(
    _ parts: [(segment: LexicalSegment, live: [UInt64], statistics: LexicalStatistics)]
  ) -> (dictionary: TermDictionary, renumbered: [[UInt32]]) {
    var dictionary = TermDictionary()
    var renumbered = parts.map { [UInt32](repeating: 0, count: $0.segment.terms.count) }
    var heads = [Int](repeating: 0, count: parts.count)
    while true {
      var smallest: ArraySlice<UInt8>?
      for (part, head) in zip(parts, heads) where head < part.segment.terms.count {
        let term = part.segment.terms[head]
        if smallest.map({ term.lexicographicallyPrecedes($0) }) ?? true { smallest = term }
      }
      guard let smallest else { return (dictionary, renumbered) }
      var isUsed = false
      for index in parts.indices where heads[index] < parts[index].segment.terms.count {
        let head = heads[index]
        guard parts[index].segment.terms[head].elementsEqual(smallest) else { continue }
        renumbered[index][head] = UInt32(dictionary.count)
        isUsed = isUsed || parts[index].statistics.documentFrequency(of: head, in: parts[index].segment) > 0
        heads[index] += 1
      }
      if isUsed { dictionary.append(smallest) }
    }
  }

  /// The occurrences of each entry of `chunkTerms`, which only the postings keep.
  private func countsByChunk() -> [UInt16] {
    // Postings of a term rise by position, so walking chunks in order meets each term's postings in order.
    var next = postingStarts
    return chunkTerms.map { term in
      defer { next[Int(term)] += 1 }
      return postingCounts[next[Int(term)]]
    }
  }
}
