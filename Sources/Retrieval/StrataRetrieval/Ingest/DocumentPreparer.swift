// Owns what happens to a document before anything is stored: fetch, hash, parse, cut, check its metadata. Knows nothing
// about the store.
import StrataCore

/// A document that is ready to be saved.
struct PreparedDocument: Sendable {
  var content: SourceContent
  var hash: String
  var parsed: ParsedDocument
  var metadata: JSONObject
  var chunks: [DocumentChunk]
}

/// Prepares documents, many at a time.
struct DocumentPreparer: Sendable {
  enum Outcome: Sendable {
    case prepared(PreparedDocument)
    /// It is what the store has; from now on it is known by this stamp.
    case sameContent(stamp: String?)
    case gone
    case failed(any Error)
  }

  /// The outcomes of a batch, and how long each stage took.
  struct Batch: Sendable {
    var outcomes: [Outcome] = []
    var stages: [String: Duration] = [:]

    mutating func measure<Value>(_ stage: String, _ body: () async throws -> Value) async rethrows -> Value {
      let start = ContinuousClock.now
      defer { stages[stage, default: .zero] += .now - start }
      return try await body()
    }
  }

  var connector: any Connector
  var chunker: any DocumentChunker
  var schema: MetadataSchema?
  var loader = LoaderOptions()

  func prepare(_ work: ArraySlice<IngestWork>) async -> Batch {
    var batch = Batch()
    let fetched = await batch.measure("fetch") { await connector.fetch(work.map(\.item)) }
    for (item, result) in zip(work, fetched) {
      do {
        batch.outcomes.append(try await prepare(item, result.get(), &batch))
      } catch {
        batch.outcomes.append(.failed(error))
      }
    }
    return batch
  }

  private func prepare(_ work: IngestWork, _ fetched: FetchedItem, _ batch: inout Batch) async throws -> Outcome {
    let content: SourceContent
    switch fetched {
    case .gone: return .gone
    case .unchanged(let stamp): return .sameContent(stamp: stamp)
    case .content(let new): content = new
    }
    let path = work.item.path
    let hash = await batch.measure("fetch") { SHA256.hash(content.bytes) }
    if hash == work.known?.contentHash, let known = work.known?.metadata,
      content.metadata.allSatisfy({ known[$0.key] == $0.value })
    {
      return .sameContent(stamp: content.stamp)
    }
    let parsed = try await batch.measure("parse") {
      try await content.format.parse(content.bytes, path: path, options: loader)
    }
    // What a source says of a document counts more than what the document says of itself.
    var metadata = JSONObject(parsed.metadata.map { ($0.key, $0.value) } + content.metadata.map { ($0.key, $0.value) })
    if let schema { metadata = try schema.check(metadata, path: path) }
    let chunks = try await batch.measure("chunk") { try await chunker.chunks(of: parsed) }
    guard !chunks.isEmpty else {
      throw RetrievalError.noText("The document has no text.", remedy: "Fill it, or ignore it.", path: path)
    }
    return .prepared(
      PreparedDocument(content: content, hash: hash, parsed: parsed, metadata: metadata, chunks: chunks))
  }
}

extension ContinuousClock.Instant {
  static func - (later: ContinuousClock.Instant, earlier: ContinuousClock.Instant) -> Duration {
    earlier.duration(to: later)
  }
}
