// Owns turning queued texts into vectors, batch by batch. Knows nothing about where the texts come from.
import StrataCore

/// Empties a collection's embedding queue. Each batch is stored before the next begins, so a worker that was killed has
/// lost one batch at most, and the next one goes on after it.
struct EmbeddingWorker: Sendable {
  /// What a worker did.
  struct Result: Sendable {
    var embedded = 0
    /// Documents with a text that the embedder refused; they are found by their words only.
    var failures: [(document: String, error: any Error)] = []
    var duration = Duration.zero
  }

  let store: any DocumentStore
  let feed: IndexFeed?
  let embedder: any Embedder
  let collection: String
  let batchChunkCount: Int

  /// Works whenever `wakeups` says that there is something, and once more when they end.
  func run(_ wakeups: AsyncStream<Void>, _ monitor: IngestMonitor) async throws -> Result {
    var result = Result()
    for await _ in wakeups { try await drain(&result, monitor) }
    try await drain(&result, monitor)
    return result
  }

  /// Works on these texts only.
  func run(on texts: [PendingEmbedding]) async throws -> Result {
    var result = Result()
    try await embed(texts, &result, nil)
    return result
  }

  private func drain(_ result: inout Result, _ monitor: IngestMonitor) async throws {
    while true {
      try Task.checkCancellation()
      let waiting = try await store.pendingEmbeddings(
        for: embedder.id, in: collection, limit: 8 * max(1, batchChunkCount))
      guard !waiting.isEmpty else { return }
      try await embed(waiting, &result, monitor)
    }
  }

  private func embed(_ texts: [PendingEmbedding], _ result: inout Result, _ monitor: IngestMonitor?) async throws {
    // Texts of similar length together: a batch costs as much as its longest.
    let sorted = texts.sorted { ($0.text.utf8.count, $0.inputHash) < ($1.text.utf8.count, $1.inputHash) }
    for lower in stride(from: 0, to: sorted.count, by: max(1, batchChunkCount)) {
      try Task.checkCancellation()
      let batch = sorted[lower..<min(sorted.count, lower + max(1, batchChunkCount))]
      try await embed(batch: Array(batch), &result)
      let done = result.embedded
      monitor?.update { $0.vectorsDone = done }
    }
  }

  private func embed(batch: [PendingEmbedding], _ result: inout Result) async throws {
    let start = ContinuousClock.now
    let texts = batch.map { pending in
      DocumentChunk(range: 0..<pending.text.utf8.count, text: pending.text, headingPath: pending.headingPath)
        .embeddedText(title: pending.title, embedder: embedder)
    }
    // A text that another collection has had embedded meanwhile needs no work.
    var vectors = try await store.cachedEmbeddings(batch.map(\.inputHash), embedder: embedder.id)
    var failures: [String: any Error] = [:]
    let missing = zip(batch, texts).filter { vectors[$0.0.inputHash] == nil }.map { ($0.0.inputHash, $0.1) }
    vectors.merge(try await embed(missing, &failures)) { $1 }
    result.embedded += missing.count - failures.count
    result.duration += .now - start
    let embedded = try await store.finishEmbeddings(
      vectors, failures: failures.mapValues { ($0 as? any StrataError)?.message ?? "\($0)" }, embedder: embedder.id,
      in: collection)
    for pending in batch {
      if let error = failures[pending.inputHash] { result.failures.append((pending.document, error)) }
    }
    try await feed?.stored(embedded.count)
  }

  private func embed(
    _ slice: [(hash: String, text: String)], _ failures: inout [String: any Error]
  ) async throws -> [String: [Float]] {
    guard !slice.isEmpty else { return [:] }
    do {
      let vectors = try await embedder.embed(slice.map(\.text))
      guard vectors.count == slice.count, vectors.allSatisfy({ $0.count == embedder.dimension }) else {
        throw RetrievalError.embedderFailed("The embedder \(embedder.id) gave vectors of the wrong shape.", path: nil)
      }
      return Dictionary(zip(slice.map(\.hash), vectors)) { $1 }
    } catch let error as CancellationError {
      throw error
    } catch {
      guard slice.count > 1 else {
        if let only = slice.first {
          failures[only.hash] = RetrievalError.embedderFailed(
            "A part of the document could not be embedded; it is found by its words only.", path: nil, cause: error)
        }
        return [:]
      }
      // One bad text must not take its neighbours along.
      let middle = slice.count / 2
      let first = try await embed(Array(slice[..<middle]), &failures)
      return first.merging(try await embed(Array(slice[middle...]), &failures)) { $1 }
    }
  }
}
