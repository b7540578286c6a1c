// Owns what identifies the chunks of a segment: ids, documents, when they came, what they were. Knows nothing about
// words, vectors or readers.
import Foundation
import StrataCore

/// Columns with one row per chunk, in the order in which chunks were added.
struct ChunkTable: Sendable {
  let ids: Column<Int64>
  /// Positions in rising order of ids; empty when ids rise by themselves.
  private let order: Column<UInt32>
  let documents: StringTable
  /// Number of each chunk's document.
  let documentOf: Column<UInt32>
  /// Where the chunks of document i start in `documentChunks`; one more than there are documents.
  private let documentStarts: Column<UInt32>
  private let documentChunks: Column<UInt32>
  /// Milliseconds since 1970 from which on a search finds the chunk.
  let born: Column<Int64>
  /// See ``ChunkFingerprint``.
  let contentHashes: Column<UInt64>
  let vectorHashes: Column<UInt64>
  let entityHashes: Column<UInt64>

  var count: Int { ids.count }

  /// One chunk, as rows are collected for a table.
  struct Row {
    var id: Int64
    var document: String
    var born: Int64
    var contentHash: UInt64
    var vectorHash: UInt64
    var entityHash: UInt64
  }

  init(_ rows: [Row]) {
    let isSorted = zip(rows, rows.dropFirst()).allSatisfy { $0.id <= $1.id }
    let documents = StringTable(rows.map(\.document))
    // Chunks of a document come one after the other. Paths compare byte by byte, which `==` does not.
    var last: (path: String, number: UInt32)?
    var documentOf: [UInt32] = []
    documentOf.reserveCapacity(rows.count)
    for row in rows {
      if last?.path.utf8.elementsEqual(row.document.utf8) != true {
        last = (row.document, UInt32(documents.index(of: row.document) ?? 0))
      }
      documentOf.append(last?.number ?? 0)
    }
    ids = Column(rows.map(\.id))
    order =
      isSorted
      ? [] : Column(rows.indices.sorted { (rows[$0].id, $0) < (rows[$1].id, $1) }.map { UInt32($0) })
    self.documents = documents
    self.documentOf = Column(documentOf)
    (documentStarts, documentChunks) = Self.inverted(documentOf, count: documents.count)
    born = Column(rows.map(\.born))
    contentHashes = Column(rows.map(\.contentHash))
    vectorHashes = Column(rows.map(\.vectorHash))
    entityHashes = Column(rows.map(\.entityHash))
  }

  /// For each number its positions, rising.
  private static func inverted(_ numbers: [UInt32], count: Int) -> (starts: Column<UInt32>, positions: Column<UInt32>) {
    var starts = [UInt32](repeating: 0, count: count + 1)
    for number in numbers { starts[Int(number) + 1] += 1 }
    for number in 0..<count { starts[number + 1] += starts[number] }
    var next = starts
    var positions = [UInt32](repeating: 0, count: numbers.count)
    for (position, number) in numbers.enumerated() {
      positions[Int(next[Int(number)])] = UInt32(position)
      next[Int(number)] += 1
    }
    return (Column(starts), Column(positions))
  }

  func row(_ position: Int) -> Row {
    Row(
      id: ids[position], document: documents[Int(documentOf[position])], born: born[position],
      contentHash: contentHashes[position], vectorHash: vectorHashes[position], entityHash: entityHashes[position])
  }

  /// The positions of `id`, of which one at most is live.
  /// - Complexity: O(log n).
  func forEachPosition(of id: Int64, _ body: (Int) -> Void) {
    if order.isEmpty {
      var index = ids.partitioningIndex { $0 >= id }
      while index < ids.count, ids[index] == id {
        body(index)
        index += 1
      }
    } else {
      var index = order.partitioningIndex { ids[Int($0)] >= id }
      while index < order.count, ids[Int(order[index])] == id {
        body(Int(order[index]))
        index += 1
      }
    }
  }

  /// The positions of a document's chunks, rising.
  func positions(ofDocument path: String) -> Slice<Column<UInt32>> {
    guard let document = documents.index(of: path) else { return documentChunks[0..<0] }
    return documentChunks[Int(documentStarts[document])..<Int(documentStarts[document + 1])]
  }

  // MARK: Files

  func encode(into writer: inout SegmentWriter, prefix: String) {
    writer.add("\(prefix).ids", ids)
    writer.add("\(prefix).order", order)
    documents.encode(into: &writer, prefix: "\(prefix).documents")
    writer.add("\(prefix).documentOf", documentOf)
    writer.add("\(prefix).documentStarts", documentStarts)
    writer.add("\(prefix).documentChunks", documentChunks)
    writer.add("\(prefix).born", born)
    writer.add("\(prefix).contentHashes", contentHashes)
    writer.add("\(prefix).vectorHashes", vectorHashes)
    writer.add("\(prefix).entityHashes", entityHashes)
  }

  init(_ file: SegmentFile, prefix: String) throws(IndexError) {
    ids = try file.column("\(prefix).ids", of: Int64.self)
    order = try file.column("\(prefix).order", of: UInt32.self)
    documents = try StringTable(file, prefix: "\(prefix).documents")
    documentOf = try file.column("\(prefix).documentOf", of: UInt32.self)
    documentStarts = try file.column("\(prefix).documentStarts", of: UInt32.self)
    documentChunks = try file.column("\(prefix).documentChunks", of: UInt32.self)
    born = try file.column("\(prefix).born", of: Int64.self)
    contentHashes = try file.column("\(prefix).contentHashes", of: UInt64.self)
    vectorHashes = try file.column("\(prefix).vectorHashes", of: UInt64.self)
    entityHashes = try file.column("\(prefix).entityHashes", of: UInt64.self)
    let (count, documentCount) = (ids.count, documents.count)
    try file.check(
      prefix,
      count < Int(UInt32.max) && (order.isEmpty || order.count == count) && order.allSatisfy { $0 < count }
        && documentOf.count == count && documentOf.allSatisfy { $0 < documentCount }
        && documentStarts.count == documentCount + 1 && isOffsets(documentStarts, into: count)
        && documentChunks.count == count && documentChunks.allSatisfy { $0 < count }
        && born.count == count && contentHashes.count == count && vectorHashes.count == count
        && entityHashes.count == count)
  }
}

/// What tells whether the index holds a chunk as the store has it.
public struct ChunkFingerprint: Sendable, Hashable {
  public var id: Int64
  /// The first 64 bits of the SHA-256 of document, title, body and fields.
  public var contentHash: UInt64
  /// The same of the vector's bytes; 0 without a vector.
  public var vectorHash: UInt64
  /// The same of its entities and relations; 0 without any.
  public var entityHash: UInt64
  public var readers: Set<Reader>

  /// Of a chunk as it would be indexed.
  public init(_ entry: IndexEntry) {
    id = entry.id
    contentHash = Self.contentHash(entry)
    vectorHash = Self.vectorHash(entry.vector)
    entityHash = entry.entities.hash
    readers = Set(entry.readers)
  }

  init(id: Int64, contentHash: UInt64, vectorHash: UInt64, entityHash: UInt64, readers: Set<Reader>) {
    self.id = id
    self.contentHash = contentHash
    self.vectorHash = vectorHash
    self.entityHash = entityHash
    self.readers = readers
  }

  static func contentHash(_ entry: IndexEntry) -> UInt64 {
    var bytes: [UInt8] = []
    func append(_ text: String) {
      bytes.append(littleEndian: UInt64(text.utf8.count))
      bytes += text.utf8
    }
    append(entry.document)
    append(entry.title)
    append(entry.body)
    for (name, value) in entry.fields.sorted(by: { $0.key < $1.key }) where !value.isEmpty {
      append(name)
      switch value {
      case .string(let text): append("s" + text)
      case .strings(let texts):
        append("l\(texts.count)")
        for text in texts { append(text) }
      case .number(let number): append("n\(number.bitPattern)")
      case .boolean(let flag): append("b\(flag)")
      case .date(let date): append("d\(date.timeIntervalSinceReferenceDate.bitPattern)")
      }
    }
    return first64Bits(SHA256.hash(bytes))
  }

  static func vectorHash(_ vector: [Float]?) -> UInt64 {
    guard let vector else { return 0 }
    return vector.withUnsafeBytes { first64Bits(SHA256.hash($0)) }
  }

  private static func first64Bits(_ digest: String) -> UInt64 { UInt64(digest.prefix(16), radix: 16) ?? 0 }
}
