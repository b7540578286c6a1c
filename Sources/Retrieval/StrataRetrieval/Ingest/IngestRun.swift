// Owns what an ingest knows while it runs. Does nothing itself.
import StrataCore

/// One item that has to be fetched.
struct IngestWork: Sendable {
  var item: SourceItem
  /// The version that the store has, when equal bytes mean that nothing is to do.
  var known: DocumentRecord?
}

struct IngestRun {
  /// Nil for work that concerns no source.
  let connector: (any Connector)?
  /// Tells the index of this process, if there is one.
  let feed: IndexFeed?
  let monitor: IngestMonitor
  let start = ContinuousClock.now
  var source: SourceRecord?
  var policy = AccessPolicy.open
  var schema: MetadataSchema?
  var chunking = ChunkingStrategy()
  var pipeline = ""
  /// By path, from a connector that tells them by item.
  var itemReaders: [String: [Reader]] = [:]
  /// What the source will be known to hold when everything went well.
  var cursor: String?
  /// Current versions by path, as the store had them.
  var records: [String: DocumentRecord] = [:]
  /// New stamps of documents that are as they were.
  var stamps: [String: String] = [:]
  /// Texts of saved chunks that have no vector yet, if ``keepsWaiting``.
  var waiting: [PendingEmbedding] = []
  var keepsWaiting = false
  var report: IngestReport

  init(_ connector: (any Connector)?, _ feed: IndexFeed?, monitor: IngestMonitor) {
    self.connector = connector
    self.monitor = monitor
    self.feed = feed
    report = IngestReport(source: connector?.uri ?? "")
  }

  /// Whether the document came from the source of this run.
  func owns(_ record: DocumentRecord) -> Bool { record.provenance.source == source?.key }

  /// - Parameter path: with the source's key.
  func readers(for path: String) -> [Reader] {
    itemReaders[path] ?? policy.readers(for: String(path.dropFirst(connector?.key.count ?? 0)))
  }

  mutating func add(_ stage: String, _ duration: Duration) { report.stages[stage, default: .zero] += duration }

  func finished(_ item: SourceItem) {
    let chunks = report.chunks
    monitor.update { progress in
      progress.documentsDone += 1
      progress.bytesDone += item.byteCount
      progress.chunks = chunks
      progress.document = item.path
    }
  }
}
