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
  /// A graph over the vectors, or lists of them; nil while they are few, or no merge has made it yet.
  let neighbours: VectorIndex?
  /// The file that the columns lie in; nil for a segment in memory.
  let file: SegmentFile?

  var ids: Column<Int64> { chunks.ids }
  var count: Int { chunks.count }

  init(
    chunks: ChunkTable, readers: ReaderTable, fields: FieldTable, entities: EntityTable, lexical: LexicalSegment,
    vectors: Column<Float>, hasVector: Column<UInt64>
  ) {
    self.chunks = chunks
    self.readers = readers
    self.fields = fields
    self.entities = entities
    self.lexical = lexical
    self.vectors = vectors
    self.hasVector = hasVector
    neighbours = nil
    file = nil
  }

  /// Whether the vectors are many enough for what `options` ask for, and it is not there.
  func lacksStructure(_ options: VectorOptions) -> Bool {
    guard !vectors.isEmpty, hasVector.reduce(0, { $0 + $1.nonzeroBitCount }) >= options.graphFrom else { return false }
    return neighbours.map { $0.options.structure.isGraph != options.structure.isGraph } ?? true
  }

  // MARK: Files

  static let vectorsName = "dense.vectors"
  static let graphPrefix = "dense.graph"

  /// All but the vectors and what is built over them.
  func encodeRest(into writer: inout SegmentWriter) {
    chunks.encode(into: &writer, prefix: "chunks")
    readers.encode(into: &writer, prefix: "readers")
    fields.encode(into: &writer, prefix: "fields")
    entities.encode(into: &writer, prefix: "graph")
    lexical.encode(into: &writer, prefix: "lexical")
    writer.add("dense.hasVector", hasVector)
  }

  /// - Throws: when the parts do not fit together.
  init(_ file: SegmentFile, dimension: Int?) throws(IndexError) {
    chunks = try ChunkTable(file, prefix: "chunks")
    readers = try ReaderTable(file, prefix: "readers")
    fields = try FieldTable(file, prefix: "fields")
    entities = try EntityTable(file, prefix: "graph")
    lexical = try LexicalSegment(file, prefix: "lexical")
    // Vectors in lists may be more than memory holds: then opening reads none of them.
    vectors = try file.column(
      Self.vectorsName, of: Float.self, isVerified: !VectorIndex.hasLists(file, prefix: Self.graphPrefix))
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
