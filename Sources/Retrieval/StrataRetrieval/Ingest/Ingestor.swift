// Owns bringing what a source holds into a store and an index, and keeping both as the source is. Knows nothing about
// searching, nor about any kind of source.
import Foundation
import StrataCore
import StrataIndex

/// Makes a collection equal to its sources: new documents are added, changed ones get a new version, deleted ones
/// disappear.
///
/// Documents are stored and found by their words at once; their vectors follow from a durable queue while the next
/// documents are read. An ingest that was killed goes on where it was when it is started again: nothing is embedded
/// twice, and an unchanged document costs one look at its stamp. One ingest of a collection runs at a time.
public actor Ingestor {
  public struct Options: Sendable {
    /// Larger files are reported and left out.
    public var fileByteLimit = 64 << 20
    /// How to cut from now on, which the collection remembers; nil cuts as it did before.
    public var chunking: ChunkingStrategy?
    /// How documents are read.
    public var loader = LoaderOptions()
    /// Chunks that are embedded with one call.
    public var batchChunkCount = 64
    /// Documents that are read, and saved, together.
    public var batchDocumentCount = 16
    /// Batches of documents that are read and parsed at the same time.
    public var concurrency = 2
    public var now: @Sendable () -> Date = { Date() }
    /// Tells other tools where the collection's documents come from.
    public var lineage: LineageReporting?

    public init() {}
  }

  let store: any DocumentStore
  let index: CollectionIndex?
  let embedder: (any Embedder)?
  public let collection: String
  let options: Options
  private var isRunning = false

  /// - Parameters:
  ///   - index: that of the retriever in this process, if there is one, so that it learns of changes at once.
  ///   - embedder: another one than the collection is searched with embeds everything again, and takes its place when
  ///     all of it is done.
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

  /// Brings the collection up to date with a folder.
  public func ingest(
    _ folder: String, progress: (@Sendable (IngestProgress) -> Void)? = nil
  ) async throws -> IngestReport {
    try await ingest(
      FolderConnector(folder, fileByteLimit: options.fileByteLimit, now: options.now), progress: progress)
  }

  /// Brings the collection up to date with a source.
  ///
  /// - Parameter progress: called after each document and each batch of vectors, from any thread.
  /// - Throws: ``RetrievalError`` when the source or its access file cannot be read or the store fails;
  ///   `CancellationError`. What was saved before stays.
  public func ingest(
    _ connector: any Connector, progress: (@Sendable (IngestProgress) -> Void)? = nil
  ) async throws -> IngestReport {
    guard !isRunning else { throw RetrievalError.busy(collection: collection) }
    isRunning = true
    defer { isRunning = false }
    let events = options.lineage.map { reporting in
      OpenLineageEvents(
        connector, collection: collection, producer: reporting.producer, version: reporting.version,
        namespace: reporting.namespace)
    }
    var warnings = await tell(events?.start(at: options.now()))
    do {
      var run = IngestRun(connector, feed(), monitor: IngestMonitor(progress))
      try await open(&run)
      let work = try await plan(&run)
      try await embedding(&run) { wakeUp, run in try await self.process(work, &run, wakeUp) }
      let source = try await close(run)
      await flushIndex(&run)
      run.report.duration = .now - run.start
      warnings += await tell(events?.complete(run.report, source: source, at: options.now()))
      run.report.warnings += warnings
      return run.report
    } catch {
      _ = await tell(events?.fail(error, at: options.now()))
      throw error
    }
  }

  /// - Returns: a warning when the event could not be told.
  private func tell(_ event: JSON?) async -> [String] {
    guard let event, let lineage = options.lineage else { return [] }
    do {
      try await lineage.send(event)
      return []
    } catch {
      return ["The lineage event could not be sent: \((error as? any StrataError)?.message ?? "\(error)")"]
    }
  }

  /// Makes the vectors that are missing, without looking at any source.
  /// - Returns: a report that counts them.
  public func embed(progress: (@Sendable (IngestProgress) -> Void)? = nil) async throws -> IngestReport {
    guard !isRunning else { throw RetrievalError.busy(collection: collection) }
    isRunning = true
    defer { isRunning = false }
    var run = IngestRun(nil, feed(), monitor: IngestMonitor(progress))
    try await embedding(&run) { _, _ in }
    await flushIndex(&run)
    run.report.duration = .now - run.start
    return run.report
  }

  /// The store is complete without it: what is not written now is read again at the next start.
  private func flushIndex(_ run: inout IngestRun) async {
    do {
      try await index?.flush()
    } catch {
      run.report.warnings.append("The index could not be written to disk: \(error)")
    }
  }

  // MARK: Opening

  /// Who may read is settled before anything else: what somebody lost they must not find while the rest goes on.
  private func open(_ run: inout IngestRun) async throws {
    guard let connector = run.connector else { return }
    if let policy = try await connector.accessPolicy() {
      run.policy = policy
      run.report.warnings += policy.warnings
      let groups = policy.groups
      if connector.key.isEmpty || !groups.isEmpty { try await stored(nil) { try await $0.setGroups(groups, in: $1) } }
    } else {
      run.report.warnings.append(
        "There is no \(AccessPolicy.fileName) in the \(connector.kind): everyone may read every document.")
      if connector.key.isEmpty { try await stored(nil) { try await $0.setGroups([:], in: $1) } }
    }
    if let folder = connector as? FolderConnector, folder.key.isEmpty {
      try await stored(nil) { try await $0.setSetting("folder", to: folder.folder, in: $1) }
    }
    run.source = try await source(of: connector)
    run.pipeline = try await pipeline(&run)
    run.records = try await stored(nil) {
      Dictionary(try await $0.documents(in: $1).map { ($0.path, $0) }) { $1 }
    }
    if !connector.tellsReadersByItem { try await applyReaders(&run) }
  }

  private func applyReaders(_ run: inout IngestRun) async throws {
    let changed = run.records.values.filter { run.owns($0) && Set($0.readers) != Set(run.readers(for: $0.path)) }
    for record in changed.sorted(by: { $0.path < $1.path }) {
      let readers = run.readers(for: record.path)
      try await stored(record.path) { try await $0.setReaders(readers, of: record.path, in: $1) }
      run.records[record.path]?.readers = readers
      run.report.readersChanged.append(record.path)
    }
    if !changed.isEmpty { try await index?.refresh() }
  }

  /// The source's record. Another source with the same key takes the place of the one before, documents included.
  private func source(of connector: any Connector) async throws -> SourceRecord {
    let known = try await stored(nil) { store, collection in
      try await store.sources(in: collection).first { $0.key == connector.key }
    }
    if let known, known.uri == connector.uri, known.connector == connector.kind { return known }
    let source = SourceRecord(key: connector.key, connector: connector.kind, uri: connector.uri)
    try await stored(nil) { try await $0.setSource(source, in: $1) }
    return source
  }

  /// How documents are made now; those that were made otherwise are made again.
  func pipeline(_ run: inout IngestRun) async throws -> String {
    run.chunking = try await chunking()
    var parts = ["loaders \(DocumentFormat.revision)", run.chunking.fingerprint(embedder: embedder)]
    if let text = try await stored(nil, { try await $0.setting(MetadataSchema.setting, in: $1) }) {
      let schema = try MetadataSchema(JSON(parsing: text))
      run.schema = schema
      parts.append("schema \(schema.fingerprint)")
    }
    return parts.joined(separator: "; ")
  }

  /// As the options say, or as the collection was cut before.
  private func chunking() async throws -> ChunkingStrategy {
    if let chosen = options.chunking {
      try await stored(nil) { try await $0.setSetting(ChunkingStrategy.setting, to: chosen.name, in: $1) }
      return chosen
    }
    guard let name = try await stored(nil, { try await $0.setting(ChunkingStrategy.setting, in: $1) }) else {
      return ChunkingStrategy()
    }
    return try ChunkingStrategy(name)
  }

  // MARK: Planning

  private func plan(_ run: inout IngestRun) async throws -> [IngestWork] {
    guard let connector = run.connector else { return [] }
    let start = ContinuousClock.now
    let owned = run.records.values.filter(run.owns)
    let isCurrent = owned.allSatisfy { $0.provenance.pipeline == run.pipeline }
    let cursor = isCurrent ? run.source?.cursor : nil
    guard let listing = try await connector.list(since: cursor) else {
      run.add("list", .now - start)
      run.report.unchanged = owned.count
      run.cursor = cursor
      return []
    }
    run.add("list", .now - start)
    run.report.skipped = listing.skipped
    run.report.warnings += listing.warnings
    run.cursor = listing.cursor
    if connector.tellsReadersByItem {
      for item in listing.items { run.itemReaders[item.path] = item.readers ?? [] }
      try await applyReaders(&run)
    }
    var work: [IngestWork] = []
    var present: Set<String> = []
    for item in listing.items where !run.policy.ignores(String(item.path.dropFirst(connector.key.count))) {
      guard present.insert(item.path).inserted else { continue }
      let record = run.records[item.path]
      if let record, !run.owns(record) {
        run.report.failed.append(
          IngestReport.Failure(
            document: item.path, error: RetrievalError.pathTaken(item.path), keepsPreviousVersion: true))
        continue
      }
      let isMadeAlike = record?.provenance.pipeline == run.pipeline
      if isMadeAlike, let stamp = record?.provenance.stamp, connector.isUnchanged(item, since: stamp) {
        run.report.unchanged += 1
        continue
      }
      var item = item
      item.knownStamp = isMadeAlike ? record?.provenance.stamp : nil
      work.append(IngestWork(item: item, known: isMadeAlike ? record : nil))
    }
    let gone = owned.map(\.path).filter { path in
      !present.contains(path) && !listing.unlisted.contains { path.hasPrefix($0 + "/") }
    }
    for path in gone.sorted() {
      _ = try await stored(path) { try await $0.delete(path, in: $1) }
      run.records[path] = nil
      run.report.deleted.append(path)
    }
    if !gone.isEmpty { try await index?.refresh() }
    if present.isEmpty { run.report.warnings.append("There are no documents in the \(connector.kind).") }
    return work
  }

  // MARK: Embedding beside everything else

  /// Runs `body` while a worker makes the vectors of what it stores, then waits until all are made, and lets a new
  /// embedder take over.
  func embedding(
    _ run: inout IngestRun, _ body: (AsyncStream<Void>.Continuation, inout IngestRun) async throws -> Void
  ) async throws {
    let (wakeUps, wakeUp) = AsyncStream.makeStream(of: Void.self, bufferingPolicy: .bufferingNewest(1))
    guard let embedder else {
      try await body(wakeUp, &run)
      return try await flush(&run)
    }
    try await stored(nil) { try await $0.retryEmbeddings(in: $1) }
    // That others are being made to take the place of these vectors is none of this ingest's business.
    if try await stored(nil, { try await $0.embedders(of: $1).current }) != embedder.id {
      try await stored(nil) { try await $0.prepare(embedder: embedder.id, in: $1) }
    }
    let waiting = try await stored(nil) { try await $0.pendingEmbeddingCount(for: embedder.id, in: $1) }
    run.monitor.update { $0.vectorsTotal = waiting }
    let worker = worker(embedder, run)
    let monitor = run.monitor
    async let embedded = worker.run(wakeUps, monitor)
    do {
      try await body(wakeUp, &run)
    } catch {
      wakeUp.finish()
      throw error
    }
    wakeUp.finish()
    let result: EmbeddingWorker.Result
    do {
      result = try await embedded
    } catch let error as RetrievalError {
      throw error
    } catch let error as CancellationError {
      throw error
    } catch {
      throw RetrievalError.storeFailed(error, path: nil)
    }
    run.report.embedded += result.embedded
    run.add("embed", result.duration)
    try await flush(&run)
    for (document, error) in result.failures where !run.report.failed.contains(where: { $0.document == document }) {
      run.report.failed.append(IngestReport.Failure(document: document, error: error, keepsPreviousVersion: false))
    }
    if try await stored(nil, { try await $0.embedders(of: $1).next }) == embedder.id,
      try await stored(nil, { try await $0.switchEmbedder(in: $1) })
    {
      try await index?.refresh()
    }
  }

  func worker(_ embedder: any Embedder, _ run: IngestRun) -> EmbeddingWorker {
    EmbeddingWorker(
      store: store, feed: run.feed, embedder: embedder, collection: collection,
      batchChunkCount: options.batchChunkCount)
  }

  func flush(_ run: inout IngestRun) async throws {
    guard let feed = run.feed else { return }
    try await feed.flush()
    run.add("index", await feed.duration)
  }

  private func close(_ run: IngestRun) async throws -> SourceRecord? {
    guard var source = run.source else { return nil }
    source.cursor = run.report.failed.isEmpty ? run.cursor : nil
    source.completedAt = options.now()
    try await stored(nil) { [source] in try await $0.setSource(source, in: $1) }
    return source
  }

  // MARK: Changing store and index

  func feed() -> IndexFeed? { index.map { IndexFeed($0) } }

  func delete(_ path: String) async throws {
    _ = try await stored(path) { try await $0.delete(path, in: $1) }
    try await index?.refresh()
  }

  func remove(_ path: String, _ run: inout IngestRun) async throws {
    try await delete(path)
    run.records[path] = nil
    run.report.deleted.append(path)
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
}
