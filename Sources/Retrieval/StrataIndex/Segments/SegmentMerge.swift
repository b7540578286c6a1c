// Owns how several segments become one.
import StrataCore

/// One segment of what several keep (see ``SegmentView/kept``), in order; its vectors stay where they are until they
/// are asked for.
struct SegmentMerge {
  /// All but the vectors.
  private let rest: Segment
  private let vectors: JoinedVectors

  /// Nil when they keep nothing.
  init?(_ views: [SegmentView], dimension: Int?) {
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
    vectors = JoinedVectors(zip(views, kept).map { ($0.segment, $1) }, dimension: dimension)
    let lexical = LexicalSegment.merge(
      zip(views, kept).map { view, kept in
        LexicalPart(
          segment: view.segment.lexical, live: kept,
          statistics: view.died.isEmpty ? view.lexical : view.statistics(of: kept))
      })
    rest = Segment(
      chunks: ChunkTable(rows), readers: ReaderTable(readers), fields: fields, entities: entities.build(),
      lexical: lexical, vectors: [], hasVector: vectors.hasVector)
  }

  /// In memory.
  func segment() -> Segment {
    Segment(
      chunks: rest.chunks, readers: rest.readers, fields: rest.fields, entities: rest.entities, lexical: rest.lexical,
      vectors: vectors.column(), hasVector: vectors.hasVector)
  }

  /// Writes the segment and, when `structure` asks for it and its vectors are many enough, a graph over them or lists of
  /// them. The vectors are never in memory together, for lists.
  ///
  /// - Parameter scratch: where lists are made.
  func encode(
    into writer: inout SegmentWriter, structure: VectorOptions?, scratch: ScratchPlace
  ) throws(IndexError) {
    rest.encodeRest(into: &writer)
    vectors.encode(into: &writer, name: Segment.vectorsName)
    guard let structure, vectors.dimension > 0 else { return }
    try VectorIndex.write(
      writer.column(Segment.vectorsName, of: Float.self), dimension: vectors.dimension, present: vectors.hasVector,
      options: structure, scratch: scratch, into: &writer, prefix: Segment.graphPrefix)
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
