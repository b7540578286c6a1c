// Owns how chunks become a segment, from text or by merging segments.

/// Collects chunks, then sorts them into a ``Segment``.
struct SegmentBuilder {
  private let analyzer: Analyzer
  private let titleWeight: Int
  private let dimension: Int?

  private var ids: [Int64] = []
  private var documents: [String] = []
  private var lengths: [UInt32] = []
  private var chunkTermStarts = [0]
  private var chunkTerms: [UInt32] = []
  private var chunkCounts: [UInt16] = []
  private var vectors: [Float] = []
  private var vectorPositions: [Int] = []

  /// Words as they are written, so that each distinct one is stemmed once.
  private var words = ByteStringTable()
  /// Term of each word; -1 for stop words.
  private var termOfWord: [Int32] = []
  private var terms = ByteStringTable()
  /// Occurrences of each term in the chunk at hand, and which are not 0.
  private var counts: [UInt32] = []
  private var touched: [UInt32] = []

  init(analyzer: Analyzer, titleWeight: Int, dimension: Int?) {
    self.analyzer = analyzer
    self.titleWeight = titleWeight
    self.dimension = dimension
  }

  mutating func add(_ entry: IndexEntry) {
    let length = count(entry.title, weight: titleWeight) + count(entry.body, weight: 1)
    for term in touched {
      chunkTerms.append(term)
      chunkCounts.append(UInt16(clamping: counts[Int(term)]))
      counts[Int(term)] = 0
    }
    touched.removeAll(keepingCapacity: true)
    chunkTermStarts.append(chunkTerms.count)
    if let vector = entry.vector, let dimension {
      let missing = ids.count * dimension - vectors.count
      if missing > 0 { vectors.append(contentsOf: repeatElement(0, count: missing)) }
      vectors.append(contentsOf: vector)
      vectorPositions.append(ids.count)
    }
    ids.append(entry.id)
    documents.append(entry.document)
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

  /// The segment, or nil when nothing was added.
  consuming func build() -> Segment? {
    guard !ids.isEmpty else { return nil }
    let order = (0..<terms.count).sorted { terms[$0].lexicographicallyPrecedes(terms[$1]) }
    var dictionary = TermDictionary()
    var renumbered = [UInt32](repeating: 0, count: order.count)
    for (new, old) in order.enumerated() {
      dictionary.append(terms[old])
      renumbered[old] = UInt32(new)
    }
    for index in chunkTerms.indices { chunkTerms[index] = renumbered[Int(chunkTerms[index])] }
    var hasVector = [UInt64](repeating: 0, count: (ids.count + 63) / 64)
    for position in vectorPositions { hasVector.setBit(position) }
    if !vectors.isEmpty, let dimension {
      vectors.append(contentsOf: repeatElement(0, count: ids.count * dimension - vectors.count))
    }
    return Self.assemble(
      ids: ids, documents: documents, lengths: lengths, dictionary: dictionary, chunkTermStarts: chunkTermStarts,
      chunkTerms: chunkTerms, chunkCounts: chunkCounts, vectors: vectors, hasVector: hasVector)
  }

  /// One segment with the live chunks of several, in order; nil when none is live.
  static func merge(_ views: [SegmentView], dimension: Int?) -> Segment? {
    let merged = mergeDictionaries(views)
    var ids: [Int64] = []
    var documents: [String] = []
    var lengths: [UInt32] = []
    var chunkTermStarts = [0]
    var chunkTerms: [UInt32] = []
    var chunkCounts: [UInt16] = []
    var vectors: [Float] = []
    var hasVector = [UInt64](repeating: 0, count: (views.reduce(0) { $0 + $1.liveCount } + 63) / 64)
    let anyVectors = views.contains { !$0.segment.vectors.isEmpty }
    for (view, renumbered) in zip(views, merged.renumbered) {
      let segment = view.segment
      let countsByChunk = segment.countsByChunk()
      for position in 0..<segment.count where view.live.testBit(position) {
        let range = segment.chunkTermStarts[position]..<segment.chunkTermStarts[position + 1]
        for index in range {
          chunkTerms.append(renumbered[Int(segment.chunkTerms[index])])
          chunkCounts.append(countsByChunk[index])
        }
        chunkTermStarts.append(chunkTerms.count)
        if anyVectors, let dimension {
          if segment.vectors.isEmpty {
            vectors.append(contentsOf: repeatElement(0, count: dimension))
          } else {
            vectors.append(contentsOf: segment.vectors[(position * dimension)..<((position + 1) * dimension)])
            if segment.hasVector.testBit(position) { hasVector.setBit(ids.count) }
          }
        }
        ids.append(segment.ids[position])
        documents.append(segment.documents[position])
        lengths.append(segment.lengths[position])
      }
    }
    guard !ids.isEmpty else { return nil }
    return assemble(
      ids: ids, documents: documents, lengths: lengths, dictionary: merged.dictionary,
      chunkTermStarts: chunkTermStarts, chunkTerms: chunkTerms, chunkCounts: chunkCounts, vectors: vectors,
      hasVector: hasVector)
  }

  /// The terms that live chunks use, and for each view the new number of each old term.
  private static func mergeDictionaries(
    _ views: [SegmentView]
  ) -> (dictionary: TermDictionary, renumbered: [[UInt32]]) {
    var dictionary = TermDictionary()
    var renumbered = views.map { [UInt32](repeating: 0, count: $0.segment.terms.count) }
    var heads = [Int](repeating: 0, count: views.count)
    while true {
      var smallest: ArraySlice<UInt8>?
      for (view, head) in zip(views, heads) where head < view.segment.terms.count {
        let term = view.segment.terms[head]
        if smallest.map({ term.lexicographicallyPrecedes($0) }) ?? true { smallest = term }
      }
      guard let smallest else { return (dictionary, renumbered) }
      var isUsed = false
      for index in views.indices where heads[index] < views[index].segment.terms.count {
        let head = heads[index]
        guard views[index].segment.terms[head].elementsEqual(smallest) else { continue }
        renumbered[index][head] = UInt32(dictionary.count)
        isUsed = isUsed || views[index].documentFrequency(head) > 0
        heads[index] += 1
      }
      if isUsed { dictionary.append(smallest) }
    }
  }

  /// Turns the terms of each chunk into the chunks of each term by a counting sort.
  private static func assemble(
    ids: [Int64], documents: [String], lengths: [UInt32], dictionary: TermDictionary, chunkTermStarts: [Int],
    chunkTerms: [UInt32], chunkCounts: [UInt16], vectors: [Float], hasVector: [UInt64]
  ) -> Segment {
    var postingStarts = [Int](repeating: 0, count: dictionary.count + 1)
    for term in chunkTerms { postingStarts[Int(term) + 1] += 1 }
    for term in 0..<dictionary.count { postingStarts[term + 1] += postingStarts[term] }
    var next = postingStarts
    var mostOccurrences = [UInt16](repeating: 0, count: dictionary.count)
    var shortestLengths = [UInt32](repeating: .max, count: dictionary.count)
    var positions = [UInt32](repeating: 0, count: chunkTerms.count)
    var counts = [UInt16](repeating: 0, count: chunkTerms.count)
    for position in ids.indices {
      for index in chunkTermStarts[position]..<chunkTermStarts[position + 1] {
        let term = Int(chunkTerms[index])
        positions[next[term]] = UInt32(position)
        counts[next[term]] = chunkCounts[index]
        next[term] += 1
        mostOccurrences[term] = max(mostOccurrences[term], chunkCounts[index])
        shortestLengths[term] = min(shortestLengths[term], lengths[position])
      }
    }
    return Segment(
      ids: ids, documents: documents, lengths: lengths, terms: dictionary, postingStarts: postingStarts,
      postingPositions: positions, postingCounts: counts, mostOccurrences: mostOccurrences,
      shortestLengths: shortestLengths,
      chunkTermStarts: chunkTermStarts, chunkTerms: chunkTerms, vectors: vectors, hasVector: hasVector)
  }
}

extension Segment {
  /// The occurrences of each entry of `chunkTerms`, which only the postings keep.
  fileprivate func countsByChunk() -> [UInt16] {
    // Postings of a term rise by position, so walking chunks in order meets each term's postings in order.
    var next = postingStarts
    return chunkTerms.map { term in
      defer { next[Int(term)] += 1 }
      return postingCounts[next[Int(term)]]
    }
  }
}
