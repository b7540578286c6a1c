// Owns the one file that says what an index consists of. Knows nothing about what is in segments.
import StrataCore

/// The state of an index folder: which segment files count, and what happened to their chunks since they were written.
///
/// Itself a segment file, replaced as a whole by a rename: whoever opens the folder finds the state before a commit or
/// the state after it.
struct Manifest: Sendable {
  static let fileName = "MANIFEST"

  /// Vectors or terms of another kind than these cannot be searched together.
  struct Settings: Sendable, Hashable {
    /// Which columns segments have: files of another format are made again from the store. 2 added entities.
    static let currentFormat = 2

    var format = currentFormat
    var dimension: Int?
    var titleWeight: Int
    /// Tells one analyzer from another.
    var analyzer: String
    /// See ``HybridIndex/Options/identity``.
    var identity: String
  }

  struct Entry: Sendable {
    var serial: UInt64
    var fileName: String
    var receipt: SegmentWriter.Receipt
    /// Positions that are no longer live, rising, and when each was removed if it is kept (else 0).
    var dead: [UInt32] = []
    var died: [Int64] = []
    /// Chunks whose readers have changed, rising, and their readers.
    var changed: [UInt32] = []
    var readers: [[Reader]] = []
  }

  var settings: Settings
  /// One more with each commit.
  var generation: UInt64 = 0
  var nextSerial: UInt64 = 0
  /// The store's change token up to which everything is in.
  var token: Int64 = 0
  /// Since when every state can be searched, in milliseconds since 1970.
  var historyStart: Int64 = 0
  var entries: [Entry] = []

  // MARK: Files

  func write(to path: String, steps: FileSteps) throws(IndexError) {
    var writer = try SegmentWriter(path: path, steps: steps)
    writer.add("manifest", Array(summary.text().utf8))
    for entry in entries {
      writer.add("\(entry.serial).dead", entry.dead)
      writer.add("\(entry.serial).died", entry.died)
      writer.add("\(entry.serial).changed", entry.changed)
      ReaderTable(entry.readers).encode(into: &writer, prefix: "\(entry.serial).readers")
    }
    try writer.finish()
  }

  private var summary: JSON {
    [
      "format": .int(settings.format),
      "dimension": settings.dimension.map(JSON.int) ?? nil,
      "titleWeight": .int(settings.titleWeight),
      "analyzer": .string(settings.analyzer),
      "identity": .string(settings.identity),
      "generation": .int(Int(generation)),
      "nextSerial": .int(Int(nextSerial)),
      "token": .int(Int(token)),
      "historyStart": .int(Int(historyStart)),
      "segments": .array(
        entries.map { entry in
          [
            "serial": .int(Int(entry.serial)), "file": .string(entry.fileName),
            "bytes": .int(entry.receipt.byteCount), "checksum": .int(Int(entry.receipt.checksum)),
          ]
        }),
    ]
  }

  init(settings: Settings) { self.settings = settings }

  init(path: String) throws(IndexError) {
    let file = try SegmentFile(path: path)
    let bytes = try file.column("manifest", of: UInt8.self)
    guard let summary = try? JSON(parsing: String(decoding: bytes, as: UTF8.self)),
      let titleWeight = summary["titleWeight"]?.intValue, let analyzer = summary["analyzer"]?.stringValue,
      let identity = summary["identity"]?.stringValue,
      let generation = summary["generation"]?.intValue.flatMap(UInt64.init(exactly:)),
      let nextSerial = summary["nextSerial"]?.intValue.flatMap(UInt64.init(exactly:)),
      let token = summary["token"]?.intValue, let historyStart = summary["historyStart"]?.intValue,
      let segments = summary["segments"]?.arrayValue
    else { throw .corrupted("its summary cannot be read", path: path) }
    settings = Settings(
      format: summary["format"]?.intValue ?? 1, dimension: summary["dimension"]?.intValue, titleWeight: titleWeight,
      analyzer: analyzer, identity: identity)
    self.generation = generation
    self.nextSerial = nextSerial
    self.token = Int64(token)
    self.historyStart = Int64(historyStart)
    for segment in segments { entries.append(try Self.entry(segment, file)) }
    guard Set(entries.map(\.serial)).count == entries.count, entries.allSatisfy({ $0.serial < nextSerial }) else {
      throw .corrupted("two segments have the same number", path: path)
    }
  }

  private static func entry(_ segment: JSON, _ file: SegmentFile) throws(IndexError) -> Entry {
    guard let serial = segment["serial"]?.intValue.flatMap(UInt64.init(exactly:)),
      let name = segment["file"]?.stringValue, isSegmentName(name),
      let byteCount = segment["bytes"]?.intValue,
      let checksum = segment["checksum"]?.intValue.flatMap(UInt32.init(exactly:))
    else { throw .corrupted("its list of segments cannot be read", path: file.path) }
    var entry = Entry(
      serial: serial, fileName: name, receipt: SegmentWriter.Receipt(byteCount: byteCount, checksum: checksum))
    entry.dead = Array(try file.column("\(serial).dead", of: UInt32.self))
    entry.died = Array(try file.column("\(serial).died", of: Int64.self))
    entry.changed = Array(try file.column("\(serial).changed", of: UInt32.self))
    let readers = try ReaderTable(file, prefix: "\(serial).readers")
    try file.check(
      "\(serial).dead", entry.dead.count == entry.died.count && readers.count == entry.changed.count)
    entry.readers = (0..<readers.count).map { readers[$0] }
    return entry
  }

  static func segmentName(_ serial: UInt64) -> String { "segment-\(serial)" }
  /// Never a path: the manifest must not lead out of its folder.
  static func isSegmentName(_ name: String) -> Bool {
    name.hasPrefix("segment-") && UInt64(name.dropFirst(8)) != nil && !name.contains("/")
  }
}
