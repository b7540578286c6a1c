// Owns `strata index load`: taking in texts whose vectors somebody has made already, and taking them out again.
import ArgumentParser
import Foundation
import StrataCore
import StrataIndex
import StrataRetrieval
import StrataStore

struct IndexLoad: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "load", abstract: "Take in texts with vectors from a JSON Lines file, or take them out.",
    discussion: """
      Each line is a document of one chunk:
        {"path": "a", "text": "…", "title": "…", "readers": ["user:amy"], "metadata": {"year": 2024},
         "vector": [0.1, …] or base64 of little-endian floats}
      Only `path` and `text` are needed; without `readers` everyone may read. Lines that are there already with the same
      text cost nothing, so that a load that was killed goes on when it is started again.
      Example: strata index load chunks.jsonl --embedder all-MiniLM-L6-v2
      """)
  @OptionGroup var common: CommonOptions
  @OptionGroup var documents: CollectionOptions
  @Argument(help: "A JSON Lines file.", completion: .file()) var file: String
  @Option(name: .long, help: "What made the vectors (default: the catalog's encoder).") var embedder: String?
  @Flag(name: .long, help: "Take the documents out; only `path` is read.") var remove = false
  @Option(name: .long, help: "Load and remove so many times, telling memory after each; for measuring.")
  var cycles: Int?

  func run() async throws {
    try await common.run {
      let wiring = try Wiring()
      let loader = try await Loader(wiring, documents.collection, file: file, embedder: embedder)
      let start = ContinuousClock.now
      var memory: [Int] = []
      if let cycles {
        for _ in 0..<cycles {
          try await loader.load()
          try await loader.remove()
          await loader.index.index.waitForMerges()
          memory.append(Self.residentBytes())
          if !common.json { Terminal.out("\(Terminal.formatted(bytes: memory.last ?? 0)) resident") }
        }
      } else if remove {
        try await loader.remove()
      } else {
        try await loader.load()
      }
      try await loader.index.index.close()
      try await loader.store.reclaim()
      let seconds = start.duration(to: .now) / Duration.seconds(1)
      let count = await loader.index.chunkCount
      if common.json {
        Terminal.json([
          "chunks": .int(count), "seconds": .double(seconds), "resident_bytes": .array(memory.map(JSON.int)),
        ])
      } else {
        Terminal.out("\(count) chunks in the collection, after \(Terminal.formatted(seconds: seconds))")
      }
    }
  }

  /// Memory that is this process's own: what is mapped from files does not count.
  private static func residentBytes() -> Int {
    let text = (try? String(contentsOfFile: "/proc/self/statm", encoding: .utf8)) ?? ""
    let pages = text.split(separator: " ").compactMap { Int($0) }
    return pages.count > 2 ? (pages[1] - pages[2]) * Int(sysconf(Int32(_SC_PAGESIZE))) : 0
  }
}

/// Lines of a file on their way into a collection or out of it, many in one transaction.
private struct Loader {
  let store: SQLiteStore
  let index: CollectionIndex
  private let collection: String
  private let embedder: String
  private let dimension: Int
  private let path: String

  private static let batchCount = 500

  init(_ wiring: Wiring, _ collection: String, file: String, embedder: String?) async throws {
    let name = embedder ?? wiring.catalog.defaultEncoder
    // The index takes vectors of one length: the one it has, or that of the first line.
    let first = try Self.firstLine(of: file).flatMap(Self.vector)
    let known = try? HybridIndex.storedDimension(
      folder: CollectionIndex.indexFolder(wiring.home.index.path, collection: collection))
    dimension = known ?? first?.count ?? 384
    store = try wiring.store()
    index = try await CollectionIndex.open(
      store: store, dimension: dimension, embedder: name, collection: collection, folder: wiring.home.index.path,
      createsCollection: true)
    self.collection = collection
    self.embedder = name
    path = file
  }

  func load() async throws {
    var known = Dictionary(try await store.documents(in: collection).map { ($0.path, $0) }) { $1 }
    try await forEachBatch { lines in
      var versions: [NewVersion] = []
      for line in lines {
        let version = try version(line, after: known[line["path"]?.stringValue ?? ""])
        guard let version else { continue }
        known[version.record.path] = version.record
        versions.append(version)
      }
      guard !versions.isEmpty else { return }
      _ = try await store.save(versions, embedder: embedder)
      try await index.refresh()
    }
    try await index.flush()
  }

  func remove() async throws {
    try await forEachBatch { lines in
      _ = try await store.delete(lines.compactMap { $0["path"]?.stringValue }, in: collection)
      try await index.refresh()
    }
    try await index.flush()
  }

  /// - Returns: nil when the document is there with this text.
  private func version(_ line: JSON, after record: DocumentRecord?) throws -> NewVersion? {
    guard let path = line["path"]?.stringValue, !path.isEmpty, let text = line["text"]?.stringValue else {
      throw CommandError(CommandError.usage, "A line of \(self.path) has no `path` or no `text`.")
    }
    let hash = SHA256.hash(text)
    if record?.contentHash == hash { return nil }
    let readers = line["readers"]?.arrayValue?.compactMap { $0.stringValue.flatMap(Reader.init) }
    let vector = Self.vector(line)
    if let vector, vector.count != dimension {
      throw CommandError(
        CommandError.usage, "The vector of \(path) has \(vector.count) components, not \(dimension).")
    }
    let now = Date.now
    let new = DocumentRecord(
      collection: collection, path: path, version: (record?.version ?? 0) + 1, contentHash: hash,
      byteCount: text.utf8.count, mediaType: "text/plain", title: line["title"]?.stringValue ?? "",
      readers: readers ?? [.everyone], modifiedAt: now, ingestedAt: now, chunkCount: 1,
      metadata: line["metadata"]?.objectValue ?? [:])
    let chunk = ChunkRecord(
      collection: collection, document: path, version: new.version, ordinal: 0, range: 0..<text.utf8.count,
      text: text, embedding: vector)
    return NewVersion(new, text: text, chunks: [chunk])
  }

  private static func vector(_ line: JSON) -> [Float]? {
    if let numbers = line["vector"]?.arrayValue { return numbers.compactMap { $0.doubleValue.map(Float.init) } }
    guard let text = line["vector"]?.stringValue, let data = Data(base64Encoded: text), data.count % 4 == 0 else {
      return nil
    }
    return data.withUnsafeBytes { bytes in
      stride(from: 0, to: bytes.count, by: 4).map {
        Float(bitPattern: UInt32(littleEndian: bytes.loadUnaligned(fromByteOffset: $0, as: UInt32.self)))
      }
    }
  }

  // MARK: Lines

  private static func firstLine(of path: String) throws -> JSON? {
    var lines = try LineFile(path: path)
    return try lines.next().map { try JSON(parsing: $0) }
  }

  private func forEachBatch(_ body: ([JSON]) async throws -> Void) async throws {
    var batch: [JSON] = []
    for line in try LineFile(path: path) {
      batch.append(try JSON(parsing: line))
      if batch.count == Self.batchCount {
        try await body(batch)
        batch.removeAll(keepingCapacity: true)
      }
    }
    if !batch.isEmpty { try await body(batch) }
  }
}

/// The lines of a file, read as they are needed.
private struct LineFile: Sequence, IteratorProtocol {
  private let handle: FileHandle
  private var rest = Data()
  private var isAtEnd = false

  init(path: String) throws {
    guard let handle = FileHandle(forReadingAtPath: path) else {
      throw CommandError(CommandError.fileUnreadable, "The file \(path) cannot be read.")
    }
    self.handle = handle
  }

  mutating func next() -> String? {
    while true {
      if let end = rest.firstIndex(of: 10) {
        let line = rest[rest.startIndex..<end]
        rest = rest[(end + 1)...]
        if line.isEmpty { continue }
        return String(decoding: line, as: UTF8.self)
      }
      if isAtEnd {
        defer { rest = Data() }
        return rest.isEmpty ? nil : String(decoding: rest, as: UTF8.self)
      }
      let more = handle.readData(ofLength: 1 << 20)
      isAtEnd = more.isEmpty
      rest = Data(rest) + more
    }
  }
}
