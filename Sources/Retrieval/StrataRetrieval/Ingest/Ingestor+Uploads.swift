// Owns single documents that people hand in: they belong to the collection, not to the ingested folder.
import Foundation
import StrataCore

extension Ingestor {
  /// Paths of handed-in documents begin with this, so that they never collide with files of the folder.
  public static let uploadPrefix = "@uploads/"

  /// Takes in one file that lies at `root/path`, and makes it searchable.
  /// - Parameters:
  ///   - path: begins with ``uploadPrefix``; the document's name in the collection.
  ///   - readers: who may read it; the folder's access file does not apply.
  /// - Returns: the current version.
  /// - Throws: ``RetrievalError`` when the file is of no known type, has no text or is too large.
  public func add(_ path: String, in root: String, readers: [Reader]) async throws -> DocumentRecord {
    guard path.hasPrefix(Self.uploadPrefix), DocumentFormat(path: path) != nil else {
      throw RetrievalError.unsupportedType(path)
    }
    let known = try await stored(path) { try await $0.document(path, version: nil, in: $1) }
    let connector = try FolderConnector(root, readers: readers, fileByteLimit: options.fileByteLimit, now: options.now)
    var run = IngestRun(connector, feed(), monitor: IngestMonitor(nil))
    run.policy = AccessPolicy(rules: [AccessPolicy.Rule("**", readers: readers)])
    run.pipeline = try await pipeline(&run)
    run.records[path] = known
    let isMadeAlike = known?.provenance.pipeline == run.pipeline
    let work = IngestWork(item: SourceItem(path: path, locator: path, stamp: nil), known: isMadeAlike ? known : nil)
    run.keepsWaiting = true
    var searchedBy = try await stored(nil) { try await $0.embedders(of: $1).current }
    if let embedder, searchedBy == nil {
      try await stored(nil) { try await $0.prepare(embedder: embedder.id, in: $1) }
      searchedBy = embedder.id
    }
    try await process([work], &run, nil)
    // Only this document's texts: whoever hands it in does not wait for what an interrupted ingest has left.
    if let embedder, searchedBy == embedder.id {
      _ = try await worker(embedder, run).run(on: run.waiting)
    }
    try await flush(&run)
    // A text that the embedder refuses leaves the document searchable by its words.
    if let failure = run.report.failed.first, run.report.added.isEmpty, run.report.updated.isEmpty {
      throw failure.error
    }
    guard let record = try await stored(path, { try await $0.document(path, version: nil, in: $1) }) else {
      throw RetrievalError.unreadableFile("it disappeared", path: path)
    }
    return record
  }

  /// Makes a document disappear from store and index; its file in the folder, if any, comes back with the next ingest.
  public func remove(_ path: String) async throws { try await delete(path) }
}
