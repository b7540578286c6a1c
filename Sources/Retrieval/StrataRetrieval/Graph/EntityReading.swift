// Owns letting a model read the chunks of a collection that it has not read yet. Knows nothing about what is done with
// what it finds.
import Foundation
import StrataCore

/// Brings the entities that a model finds into a collection: each text is read once, whatever is killed in between.
public struct EntityReading: Sendable {
  public struct Progress: Sendable, Hashable {
    public var done: Int
    public var total: Int
  }

  public struct Report: Sendable {
    /// Texts that the model has read this time.
    public var read = 0
    /// Texts that it had read before.
    public var known = 0
    /// Texts that it failed at; they keep the entities that patterns find, until the next time.
    public var failures: [(document: String, error: any Error)] = []
    public var duration = Duration.zero
  }

  private let store: any DocumentStore & ExtractionCache
  private let collection: String
  private let extractor: ModelEntityExtractor
  /// Texts that the model reads at the same time.
  private let concurrency: Int

  public init(
    store: any DocumentStore & ExtractionCache, collection: String = "default", extractor: ModelEntityExtractor,
    concurrency: Int = 8
  ) {
    self.store = store
    self.collection = collection
    self.extractor = extractor
    self.concurrency = max(1, concurrency)
  }

  /// Reads what has not been read. What was read is kept text by text.
  ///
  /// - Throws: what the store throws; `CancellationError`.
  public func run(progress: (@Sendable (Progress) -> Void)? = nil) async throws -> Report {
    let start = ContinuousClock.now
    var report = Report()
    let ids = try await store.chunkIDs(in: collection)
    var done = 0
    for lower in stride(from: 0, to: ids.count, by: Self.pageCount) {
      let page = try await store.chunks(ids: Array(ids[lower..<min(ids.count, lower + Self.pageCount)]))
      let work = try await waiting(page)
      report.known += page.count - work.count
      done += page.count - work.count
      try await withThrowingTaskGroup(of: (ChunkRecord, Result<JSON, any Error>).self) { group in
        var next = work[...]
        func begin() {
          guard let (chunk, title) = next.popFirst() else { return }
          group.addTask {
            do {
              return (chunk, .success(try await extractor.answer(text: chunk.text, title: title)))
            } catch let error as CancellationError {
              throw error
            } catch {
              return (chunk, .failure(error))
            }
          }
        }
        for _ in 0..<concurrency { begin() }
        while let (chunk, result) = try await group.next() {
          switch result {
          case .success(let answer):
            if let hash = chunk.inputHash {
              try await store.cacheExtractions([hash: answer], extractor: extractor.id, in: collection)
            }
            report.read += 1
          case .failure(let error): report.failures.append((chunk.document, error))
          }
          done += 1
          progress?(Progress(done: done, total: ids.count))
          begin()
        }
      }
    }
    report.duration = .now - start
    return report
  }

  private static let pageCount = 500

  /// The chunks whose texts are still to be read, each text once, with the titles of their documents.
  private func waiting(_ chunks: [ChunkRecord]) async throws -> [(ChunkRecord, String)] {
    let known = try await store.cachedExtractions(chunks.compactMap(\.inputHash), extractor: extractor.id)
    let records = try await store.documents(Array(Set(chunks.map(\.document))), in: collection)
    let titles = Dictionary(records.map { ($0.path, $0.title) }) { $1 }
    var seen: Set<String> = []
    return chunks.compactMap { chunk in
      guard let hash = chunk.inputHash, known[hash] == nil, seen.insert(hash).inserted else { return nil }
      return (chunk, titles[chunk.document] ?? "")
    }
  }
}
