// Owns bringing a folder's documents into a store and an index, and keeping both as the folder is. Knows nothing about
// searching.
import Foundation
import StrataCore

/// Makes a collection equal to a folder: new files are added, changed ones get a new version, deleted ones disappear.
///
/// Each document is one transaction of the store, so an ingest that was killed goes on where it was when it is started
/// again. An unchanged file costs one look at its size and time. One ingest of a collection runs at a time.
public actor Ingestor {
  public struct Options: Sendable {
    /// Larger files are reported and left out.
    public var fileByteLimit = 64 << 20
    /// Most tokens of a chunk's text.
    public var chunkTokenLimit = 200
    /// Chunks that are embedded with one call.
    public var batchChunkCount = 64
    /// Files that are read and parsed at the same time.
    public var concurrency = 2
    public var now: @Sendable () -> Date = { Date() }

    public init() {}
  }

  let store: any DocumentStore
  let index: CollectionIndex?
  let embedder: (any Embedder)?
  public let collection: String
  let options: Options
  private var isRunning = false

  /// - Parameter index: that of the retriever in this process, if there is one, so that it learns of changes at once.
  public init(
    store: any DocumentStore, index: CollectionIndex? = nil, embedder: (any Embedder)?, collection: String = "default",
    options: Options = Options()
  ) {
    self.store = store
    self.index = index
    self.embedder = embedder
    self.collection = collection
    self.options = options
  }

  /// - Parameter progress: called after each document, from any thread.
  /// - Throws: ``RetrievalError`` when the folder or its access file cannot be read or the store fails;
  ///   `CancellationError`. What was saved before stays.
  public func ingest(
    _ folder: String, progress: (@Sendable (IngestProgress) -> Void)? = nil
  ) async throws -> IngestReport {
    guard !isRunning else { throw RetrievalError.busy(collection: collection) }
    isRunning = true
    defer { isRunning = false }
    guard let root = realpath(folder, nil) else {
      throw RetrievalError.unreadableFolder(folder, reason: String(cString: strerror(errno)))
    }
    defer { free(root) }
    var run = IngestRun(folder: String(cString: root), progress: progress)
    try await applyAccess(&run)
    let work = try await plan(&run)
    try await process(work, &run)
    run.report.duration = .now - run.start
    return run.report
  }

  // MARK: Access

  /// Who may read is settled before anything else: what somebody lost they must not find while the rest goes on.
  private func applyAccess(_ run: inout IngestRun) async throws {
    if let policy = try AccessPolicy.load(folder: run.folder) {
      run.policy = policy
      run.report.warnings += policy.warnings
    } else {
      run.report.warnings.append(
        "There is no \(AccessPolicy.fileName) in the folder: everyone may read every document.")
    }
    let groups = run.policy.groups
    let folder = run.folder
    run.records = try await stored(nil) {
      try await $0.setGroups(groups, in: $1)
      try await $0.setSetting("folder", to: folder, in: $1)
      return Dictionary(try await $0.documents(in: $1).map { ($0.path, $0) }) { $1 }
    }
    let changed = run.records.values.filter {
      !$0.path.hasPrefix(Self.uploadPrefix) && Set($0.readers) != Set(run.policy.readers(for: $0.path))
    }
    for record in changed.sorted(by: { $0.path < $1.path }) {
      let readers = run.policy.readers(for: record.path)
      await index?.setReaders(readers, of: record.path)
      try await stored(record.path) { try await $0.setReaders(readers, of: record.path, in: $1) }
      run.records[record.path]?.readers = readers
      run.report.readersChanged.append(record.path)
    }
  }

  // MARK: Planning

  private func plan(_ run: inout IngestRun) async throws -> [IngestWork] {
    let start = ContinuousClock.now
    let walk = try FolderWalk(folder: run.folder)
    run.add("walk", .now - start)
    run.report.skipped = walk.skipped.map { IngestReport.Skipped(path: $0.path, reason: $0.reason) }
    run.report.skipped += walk.unreadable.map {
      IngestReport.Skipped(path: $0.path, reason: "the folder cannot be listed: \($0.reason)")
    }
    let pipeline = try await pipelineStart(run)
    var work: [IngestWork] = []
    var present: Set<String> = []
    for file in walk.files where !run.policy.ignores(file.path) {
      guard let format = DocumentFormat(path: file.path) else {
        run.report.skipped.append(IngestReport.Skipped(path: file.path, reason: "files of this type are not ingested"))
        continue
      }
      present.insert(file.path)
      let record = run.records[file.path]
      let isCurrent = record.map { $0.ingestedAt >= pipeline } ?? false
      if let record, isCurrent, isUnchanged(file.stamp, record) {
        run.report.unchanged += 1
      } else {
        work.append(IngestWork(file: file, format: format, knownHash: isCurrent ? record?.contentHash : nil))
      }
    }
    let gone = run.records.keys.filter { path in
      !path.hasPrefix(Self.uploadPrefix) && !present.contains(path)
        && !walk.unreadable.contains { path.hasPrefix($0.path + "/") }
    }
    for path in gone.sorted() {
      try await delete(path)
      run.records[path] = nil
      run.report.deleted.append(path)
    }
    if present.isEmpty { run.report.warnings.append("There are no documents in the folder.") }
    return work
  }

  /// Size and time say enough, unless the file was written so shortly before it was ingested that it may have been
  /// written again within the same tick of the clock.
  private func isUnchanged(_ stamp: FileStamp, _ record: DocumentRecord) -> Bool {
    stamp.byteCount == record.byteCount
      && abs(stamp.modifiedAt.timeIntervalSince(record.modifiedAt)) < 0.002
      && record.ingestedAt.timeIntervalSince(record.modifiedAt) > 2
  }

  /// Since when documents are cut and embedded as they would be now; older ones have to be done again.
  private func pipelineStart(_ run: IngestRun) async throws -> Date {
    let fingerprint = "chunker \(Chunker.revision), \(options.chunkTokenLimit) tokens, \(embedder?.id ?? "no embedder")"
    if let text = try await stored(nil, { try await $0.setting("pipeline", in: $1) }),
      let value = try? JSON(parsing: text), value["fingerprint"]?.stringValue == fingerprint,
      let since = value["since"]?.doubleValue
    {
      return Date(timeIntervalSince1970: since)
    }
    // A store keeps milliseconds; the start must not come after what is saved right now.
    let since = options.now().timeIntervalSince1970.rounded(.down)
    let isNew = run.records.isEmpty
    let value: JSON = ["fingerprint": .string(fingerprint), "since": .double(isNew ? 0 : since)]
    try await stored(nil) { try await $0.setSetting("pipeline", to: value.text(), in: $1) }
    return Date(timeIntervalSince1970: isNew ? 0 : since)
  }

  // MARK: Changing store and index

  func delete(_ path: String) async throws {
    let removed = try await stored(path) { try await $0.delete(path, in: $1) }
    try await index?.deleted(removed)
  }

  /// Calls the store, and says of its errors where they happened.
  func stored<Value: Sendable>(
    _ path: String?, _ body: (any DocumentStore, String) async throws -> Value
  ) async throws -> Value {
    do {
      return try await body(store, collection)
    } catch let error as CancellationError {
      throw error
    } catch {
      throw RetrievalError.storeFailed(error, path: path)
    }
  }

  func remove(emptied path: String, _ run: inout IngestRun) async throws {
    try await delete(path)
    run.records[path] = nil
    run.report.deleted.append(path)
  }
}

/// One file that has to be read.
struct IngestWork: Sendable {
  var file: WalkedFile
  var format: DocumentFormat
  /// Hash of the version that the store has, when equal bytes mean that nothing is to do.
  var knownHash: String?
}

/// What an ingest knows while it runs.
struct IngestRun {
  let folder: String
  let start = ContinuousClock.now
  let progress: (@Sendable (IngestProgress) -> Void)?
  var policy = AccessPolicy.open
  /// Current versions by path, as the store had them.
  var records: [String: DocumentRecord] = [:]
  var report: IngestReport
  var state = IngestProgress()

  init(folder: String, progress: (@Sendable (IngestProgress) -> Void)?) {
    self.folder = folder
    self.progress = progress
    report = IngestReport(folder: folder)
  }

  mutating func add(_ stage: String, _ duration: Duration) { report.stages[stage, default: .zero] += duration }

  mutating func finished(_ file: WalkedFile) {
    state.documentsDone += 1
    state.bytesDone += file.stamp.byteCount
    state.document = file.path
    announce()
  }

  mutating func announce() {
    state.elapsed = .now - start
    state.chunks = report.chunks
    progress?(state)
  }
}
