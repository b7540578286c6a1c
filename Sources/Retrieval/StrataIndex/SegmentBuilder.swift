// Owns how chunks become a segment, from text or by merging segments.

/// Collects chunks, then sorts them into a ``Segment``.
struct SegmentBuilder {
  private let dimension: Int?
  private var lexical: LexicalBuilder
  private var ids: [Int64] = []
  private var documents: [String] = []
  private var vectors: [Float] = []
  private var vectorPositions: [Int] = []

  init(analyzer: Analyzer, titleWeight: Int, dimension: Int?) {
    self.dimension = dimension
    lexical = LexicalBuilder(analyzer: analyzer, titleWeight: titleWeight)
  }

  mutating func add(_ entry: IndexEntry) {
    lexical.add(title: entry.title, body: entry.body)
    if let vector = entry.vector, let dimension {
      let missing = ids.count * dimension - vectors.count
      if missing > 0 { vectors.append(contentsOf: repeatElement(0, count: missing)) }
      vectors.append(contentsOf: vector)
      vectorPositions.append(ids.count)
    }
    ids.append(entry.id)
    documents.append(entry.document)
  }

  /// The segment, or nil when nothing was added.
  consuming func build() -> Segment? {
    guard !ids.isEmpty else { return nil }
    var hasVector = [UInt64](repeating: 0, count: (ids.count + 63) / 64)
    for position in vectorPositions { hasVector.setBit(position) }
    if !vectors.isEmpty, let dimension {
      vectors.append(contentsOf: repeatElement(0, count: ids.count * dimension - vectors.count))
    }
    return Segment(ids: ids, documents: documents, lexical: lexical.build(), vectors: vectors, hasVector: hasVector)
  }

  /// One segment with the live chunks of several, in order; nil when none is live.
  static func merge(_ views: [SegmentView], dimension: Int?) -> Segment? {
    var ids: [Int64] = []
    var documents: [String] = []
    var vectors: [Float] = []
    var hasVector = [UInt64](repeating: 0, count: (views.reduce(0) { $0 + $1.liveCount } + 63) / 64)
    let anyVectors = views.contains { !$0.segment.vectors.isEmpty }
    for view in views {
      let segment = view.segment
      for position in 0..<segment.count where view.live.testBit(position) {
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
      }
    }
    guard !ids.isEmpty else { return nil }
    let lexical = LexicalSegment.merge(views.map { ($0.segment.lexical, $0.live, $0.lexical) })
    return Segment(ids: ids, documents: documents, lexical: lexical, vectors: vectors, hasVector: hasVector)
  }
}
