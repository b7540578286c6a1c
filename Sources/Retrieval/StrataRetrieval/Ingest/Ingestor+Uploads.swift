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
    guard let format = DocumentFormat(path: path) else { throw RetrievalError.unsupportedType(path) }
    var run = IngestRun(folder: root, progress: nil)
    run.policy = AccessPolicy(rules: [AccessPolicy.Rule("**", readers: readers)])
    if let record = try await stored(path, { try await $0.document(path, version: nil, in: $1) }) {
      run.records[path] = record
    }
    var status = stat()
    guard stat("\(root)/\(path)", &status) == 0 else {
      throw RetrievalError.unreadableFile(String(cString: strerror(errno)), path: path)
    }
    let file = WalkedFile(path: path, stamp: FileStamp(status))
    try await process([IngestWork(file: file, format: format, knownHash: run.records[path]?.contentHash)], &run)
    if let failure = run.report.failed.first { throw failure.error }
    guard let record = try await stored(path, { try await $0.document(path, version: nil, in: $1) }) else {
      throw RetrievalError.unreadableFile("it disappeared", path: path)
    }
    return record
  }

  /// Makes a document disappear from store and index; its file in the folder, if any, comes back with the next ingest.
  public func remove(_ path: String) async throws { try await delete(path) }
}
