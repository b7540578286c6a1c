// Owns one immutable batch of indexed chunks as the sum of its parts. Knows nothing about deletes.
import StrataCore

/// Chunks indexed together and never changed. Positions count from 0 in the order they were added.
final class Segment: Sendable {
  let chunks: ChunkTable
  /// Who may read each chunk, as it was when the segment was made.
  let readers: ReaderTable
  let fields: FieldTable
  let entities: EntityTable
  let lexical: LexicalSegment
  /// Row-major [chunks, dimension]; empty when no chunk has a vector. A chunk without one has a row of zeros.
  let vectors: Column<Float>
  /// One bit per chunk.
  let hasVector: Column<UInt64>
  /// A graph over the vectors; nil while they are few, or no merge has linked them yet.
  let neighbours: VectorIndex?
  /// The file that the columns lie in; nil for a segment in memory.
  let file: SegmentFile?

  var ids: Column<Int64> { chunks.ids }
  var count: Int { chunks.count }

  init(
    chunks: ChunkTable, readers: ReaderTable, fields: FieldTable, entities: EntityTable, lexical: LexicalSegment,
    vectors: Column<Float>, hasVector: Column<UInt64>, neighbours: VectorIndex? = nil
  ) {
    self.chunks = chunks
    self.readers = readers
    self.fields = fields
    self.entities = entities
    self.lexical = lexical
    self.vectors = vectors
    self.hasVector = hasVector
    self.neighbours = neighbours
    file = nil
  }

  /// Whether searching the vectors would be faster with a graph that is not there.
  var lacksGraph: Bool {
    guard neighbours == nil, !vectors.isEmpty else { return false }
    return hasVector.reduce(0) { $0 + $1.nonzeroBitCount } >= VectorOptions.default.graphFrom
  }

  /// The same chunks with a graph over their vectors, when those are many.
  ///
  /// - Complexity: O(vectors · log vectors) scores.
  func linked() throws(IndexError) -> Segment {
    guard lacksGraph else { return self }
    let index = try VectorIndex(vectors, dimension: vectors.count / count, present: hasVector)
    return Segment(
      chunks: chunks, readers: readers, fields: fields, entities: entities, lexical: lexical, vectors: vectors,
      hasVector: hasVector, neighbours: index)
  }

  // MARK: Files

  private static let graphPrefix = "dense.graph"

  func encode(into writer: inout SegmentWriter) {
    chunks.encode(into: &writer, prefix: "chunks")
    readers.encode(into: &writer, prefix: "readers")
    fields.encode(into: &writer, prefix: "fields")
    entities.encode(into: &writer, prefix: "graph")
    lexical.encode(into: &writer, prefix: "lexical")
    writer.add("dense.vectors", vectors)
    writer.add("dense.hasVector", hasVector)
    neighbours?.encode(into: &writer, prefix: Self.graphPrefix)
  }

  /// - Throws: when the parts do not fit together.
  init(_ file: SegmentFile, dimension: Int?) throws(IndexError) {
    chunks = try ChunkTable(file, prefix: "chunks")
    readers = try ReaderTable(file, prefix: "readers")
    fields = try FieldTable(file, prefix: "fields")
    entities = try EntityTable(file, prefix: "graph")
    lexical = try LexicalSegment(file, prefix: "lexical")
    vectors = try file.column("dense.vectors", of: Float.self)
    hasVector = try file.column("dense.hasVector", of: UInt64.self)
    let count = chunks.count
    try file.check(
      "chunks.ids",
      count > 0 && readers.count == count && fields.count == count && entities.count == count
        && lexical.count == count && hasVector.count == (count + 63) / 64
        && (vectors.isEmpty || vectors.count.isMultiple(of: count) && vectors.count / count == dimension))
    neighbours =
      if let dimension, !vectors.isEmpty, VectorIndex.isIn(file, prefix: Self.graphPrefix) {
        try VectorIndex(
          file, prefix: Self.graphPrefix, vectors: vectors, dimension: dimension, present: hasVector)
      } else {
        nil
      }
    self.file = file
  }
}
