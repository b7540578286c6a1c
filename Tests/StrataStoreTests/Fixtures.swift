// Owns what the tests of the store share: databases that go away, records with little to say.
import Foundation
import StrataCore
import StrataStore

/// A folder for one test, removed when the test lets go of it.
final class TemporaryFolder: Sendable {
  let path: String

  init() throws {
    path = FileManager.default.temporaryDirectory.appending(path: "strata-store-\(UUID().uuidString)").path
    try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
  }

  deinit { try? FileManager.default.removeItem(atPath: path) }

  func file(_ name: String) -> String { path + "/" + name }
}

enum Sample {
  static func record(
    _ path: String, version: Int = 1, readers: [Reader] = [.everyone], collection: String = "main"
  ) -> DocumentRecord {
    DocumentRecord(
      collection: collection, path: path, version: version, contentHash: SHA256.hash("\(path) \(version)"),
      byteCount: 10, mediaType: "text/plain", title: path, readers: readers,
      modifiedAt: Date(timeIntervalSinceReferenceDate: 123.456789), ingestedAt: .now)
  }

  /// One chunk per word.
  static func chunks(_ text: String, of record: DocumentRecord, embedded: Bool = true) -> [ChunkRecord] {
    var chunks: [ChunkRecord] = []
    var start = 0
    for word in text.split(separator: " ") {
      let length = word.utf8.count
      chunks.append(
        ChunkRecord(
          collection: record.collection, document: record.path, version: record.version, ordinal: chunks.count,
          range: start..<(start + length), text: String(word), headingPath: ["One", "Zwei “drei”"], page: 3,
          embedding: embedded ? vector(String(word)) : nil))
      start += length + 1
    }
    return chunks
  }

  static func vector(_ text: String) -> [Float] { text.utf8.map { Float($0) / 7 } + [0.1, -.pi] }
}

extension SQLiteStore {
  /// Saves the next version of `path`.
  @discardableResult
  func put(_ path: String, _ text: String, readers: [Reader] = [.everyone]) async throws
    -> (added: [ChunkRecord], removed: [Int64])
  {
    let version = try await document(path, version: nil, in: "main")?.version ?? 0
    let record = Sample.record(path, version: version + 1, readers: readers)
    return try await save(record, text: text, chunks: Sample.chunks(text, of: record), embedder: "sample")
  }
}
