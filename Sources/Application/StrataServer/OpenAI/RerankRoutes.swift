// Owns `/v1/rerank`: documents in the order in which they answer a query, as Jina, Cohere, vLLM and llama-server take
// and give them.
import Hummingbird
import StrataCore

struct RerankRoutes: Sendable {
  let catalog: ModelCatalog
  let runner: GenerationRunner

  var routes: [Route] {
    ["/v1/rerank", "/v2/rerank", "/rerank"].map { path in
      Route(.post, path) { request, context in try await rerank(request, context) }
    }
  }

  private func rerank(_ request: Request, _ context: RequestContext) async throws -> Response {
    let body = try await RequestBodyReader.object(of: request, limits: runner.limits)
    let reader = ParameterReader(body)
    let reranker = try catalog.reranker(try reader.string("model"), for: context)
    let query = try reader.require("query", try reader.string("query"))
    guard !query.isEmpty else { throw reader.invalid("query", "must not be empty.") }
    let documents = try documents(reader)
    let count = try reader.int("top_n", in: 1...1_000_000) ?? documents.count
    let showsDocuments = try reader.bool("return_documents") ?? true
    let tokens = documents.reduce(reranker.countTokens(query) * documents.count) { $0 + reranker.countTokens($1) }
    let reservation = try runner.ledger.reserve(context.key, prompt: tokens, output: 0)
    let permit = try await runner.admission.enter(context)
    defer { permit.release() }
    let scores = try await reranker.rerank(query: query, documents: documents)
    guard scores.count == documents.count else {
      throw ServerError(.incompleteGeneration, "\(reranker.id) scored \(scores.count) of \(documents.count) documents.")
    }
    reservation?.settle(used: tokens)
    runner.metrics.inputTokens(tokens, model: reranker.id)
    // Equal scores keep the order of the request.
    let order = scores.indices.sorted { (scores[$1], $0) < (scores[$0], $1) }
    return .json([
      "id": .string("rerank-" + RandomID.make(24)), "object": "list", "model": .string(reranker.id),
      "results": .array(
        order.prefix(count).map { index in
          var result: JSONObject = ["index": .int(index), "relevance_score": .float(scores[index])]
          if showsDocuments { result["document"] = ["text": .string(documents[index])] }
          return .object(result)
        }),
      "usage": ["prompt_tokens": .int(tokens), "total_tokens": .int(tokens)],
    ])
  }

  /// Texts, or objects with a text.
  private func documents(_ reader: ParameterReader) throws -> [String] {
    let values = try reader.require("documents", try reader.array("documents"))
    guard !values.isEmpty else { throw reader.invalid("documents", "must not be empty.") }
    guard values.count <= runner.limits.embeddingInputs else {
      throw reader.invalid(
        "documents", "has \(values.count) entries, more than the limit of \(runner.limits.embeddingInputs).")
    }
    return try values.enumerated().map { index, value in
      guard let text = value.stringValue ?? value["text"]?.stringValue else {
        throw reader.invalid("documents[\(index)]", "must be a string or an object with a text.")
      }
      return text
    }
  }
}

/// Stands in where no cross-encoder is loaded: cosine of embeddings, which says so in its id.
struct EmbeddingReranker: Reranker {
  let embedder: any Embedder

  var id: String { "\(embedder.id) (cosine of embeddings)" }

  func countTokens(_ text: String) -> Int { embedder.countTokens(text) }

  /// Cosines in [-1, 1]; vectors of embedders have length 1.
  func rerank(query: String, documents: [String]) async throws -> [Float] {
    let vectors = try await embedder.embed([query] + documents)
    guard let first = vectors.first else { return [] }
    return vectors.dropFirst().map { vector in zip(first, vector).reduce(0) { $0 + $1.0 * $1.1 } }
  }
}
