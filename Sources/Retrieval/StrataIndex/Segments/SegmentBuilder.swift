// Owns how chunks become a segment, from text or by merging segments.
import StrataCore

/// Collects chunks, then sorts them into a ``Segment``.
struct SegmentBuilder {
  private let dimension: Int?
  private var lexical: LexicalBuilder
  private var rows: [ChunkTable.Row] = []
  private var readers: [[Reader]] = []
  private var fields: [[String: FieldValue]] = []
  private var entities = EntityTableBuilder()
  private var vectors: [Float] = []
  private var vectorPositions: [Int] = []

  init(analyzer: Analyzer, titleWeight: Int, dimension: Int?) {
    self.dimension = dimension
    lexical = LexicalBuilder(analyzer: analyzer, titleWeight: titleWeight)
  }

  /// - Parameter born: milliseconds since 1970.
  mutating func add(_ entry: IndexEntry, born: Int64) {
    lexical.add(title: entry.title, body: entry.body)
    if let vector = entry.vector, let dimension {
      let missing = rows.count * dimension - vectors.count
      if missing > 0 { vectors.append(contentsOf: repeatElement(0, count: missing)) }
      vectors.append(contentsOf: vector)
      vectorPositions.append(rows.count)
    }
    rows.append(
      ChunkTable.Row(
        id: entry.id, document: entry.document, born: born, contentHash: ChunkFingerprint.contentHash(entry),
        vectorHash: ChunkFingerprint.vectorHash(entry.vector), entityHash: entry.entities.hash))
    readers.append(entry.readers)
    fields.append(entry.fields)
    entities.add(entry.entities)
  }

  /// The segment, or nil when nothing was added.
  consuming func build() -> Segment? {
    guard !rows.isEmpty else { return nil }
    var hasVector = [UInt64](repeating: 0, count: (rows.count + 63) / 64)
    for position in vectorPositions { hasVector.setBit(position) }
    if !vectors.isEmpty, let dimension {
      vectors.append(contentsOf: repeatElement(0, count: rows.count * dimension - vectors.count))
    }
    return Segment(
      chunks: ChunkTable(rows), readers: ReaderTable(readers), fields: FieldTable(fields),
      entities: entities.build(), lexical: lexical.build(), vectors: Column(vectors), hasVector: Column(hasVector))
  }

  /// One segment with what several keep (see ``SegmentView/kept``), in order; nil when they keep nothing.
  static func merge(_ views: [SegmentView], dimension: Int?) -> Segment? {
    let kept = views.map(\.kept)
    var rows: [ChunkTable.Row] = []
    var readers: [[Reader]] = []
    for (view, kept) in zip(views, kept) {
      kept.forEachBit { position in
        rows.append(view.segment.chunks.row(position))
        readers.append(view.readers(of: position))
      }
    }
    guard !rows.isEmpty else { return nil }
    let fields = FieldTable.merge(zip(views, kept).map { ($0.segment.fields, $1) })
    var entities = EntityTableBuilder()
    for (view, kept) in zip(views, kept) { entities.add(view.segment.entities, kept: kept) }
    let (vectors, hasVector) = mergeVectors(zip(views, kept), count: rows.count, dimension: dimension)
    let lexical = LexicalSegment.merge(
      zip(views, kept).map { view, kept in
        LexicalPart(
          segment: view.segment.lexical, live: kept,
          statistics: view.died.isEmpty ? view.lexical : view.statistics(of: kept))
      })
    return Segment(
      chunks: ChunkTable(rows), readers: ReaderTable(readers), fields: fields, entities: entities.build(),
      lexical: lexical, vectors: vectors, hasVector: hasVector)
  }

  private static func mergeVectors(
    _ parts: Zip2Sequence<[SegmentView], [[UInt64]]>, count: Int, dimension: Int?
  ) -> (vectors: Column<Float>, hasVector: Column<UInt64>) {
    var hasVector = [UInt64](repeating: 0, count: (count + 63) / 64)
    guard let dimension, parts.contains(where: { !$0.0.segment.vectors.isEmpty }) else {
      return ([], Column(hasVector))
    }
    let vectors = Column<Float>(count: count * dimension) { target in
      target.initialize(repeating: 0)
      var row = 0
      for (view, kept) in parts {
        view.segment.vectors.withUnsafeBufferPointer { source in
          kept.forEachBit { position in
            if !source.isEmpty, view.segment.hasVector[position >> 6] >> UInt64(position & 63) & 1 == 1 {
              for column in 0..<dimension {
                target[row * dimension + column] = source[position * dimension + column]
              }
              hasVector.setBit(row)
            }
            row += 1
          }
        }
      }
    }
    return (vectors, Column(hasVector))
  }
}

extension SegmentView {
  /// Of a set of the segment's chunks.
  fileprivate func statistics(of set: [UInt64]) -> LexicalStatistics {
    var statistics = LexicalStatistics(segment.lexical)
    for position in 0..<segment.count where !set.testBit(position) {
      statistics.remove(position, from: segment.lexical)
    }
    return statistics
  }
}
