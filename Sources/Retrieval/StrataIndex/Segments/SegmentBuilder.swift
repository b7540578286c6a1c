// Owns how chunks become a segment.
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
}
