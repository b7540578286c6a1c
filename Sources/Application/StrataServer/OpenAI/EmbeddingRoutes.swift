// Owns `POST /v1/embeddings`.
import Foundation
import Hummingbird
import StrataCore

struct EmbeddingRoutes: Sendable {
  let catalog: ModelCatalog
  let runner: GenerationRunner

  var routes: [Route] {
    [Route(.post, "/v1/embeddings") { request, context in try await embed(request, context) }]
  }

  private func embed(_ request: Request, _ context: RequestContext) async throws -> Response {
    let body = try await RequestBodyReader.object(of: request, limits: runner.limits)
    let reader = ParameterReader(body)
    let embedder = try catalog.embedder(try reader.require("model", try reader.string("model")), for: context)
    let texts = try inputs(reader)
    let isBase64 = try usesBase64(reader)
    if let dimensions = try reader.int("dimensions", in: 1...1_000_000), dimensions != embedder.dimension {
      throw reader.unsupported(
        "dimensions", "`\(embedder.id)` makes vectors of \(embedder.dimension) dimensions only.")
    }
    let permit = try await runner.admission.enter(context)
    defer { permit.release() }
    var tokens = 0
    for (index, text) in texts.enumerated() {
      let count = embedder.countTokens(text)
      // Two positions belong to the special tokens of encoders.
      guard count <= max(0, embedder.maxTokens - 2) else {
        let name = texts.count == 1 ? "input" : "input[\(index)]"
        throw ServerError(
          .contextLengthExceeded,
          "This model's maximum context length is \(embedder.maxTokens - 2) tokens, however '\(name)' has \(count).",
          parameter: name, remedy: "Split the text.")
      }
      tokens += count
    }
    let reservation = try runner.ledger.reserve(context.key, prompt: tokens, output: 0)
    let vectors = try await embedder.embed(texts)
    reservation?.settle(used: tokens)
    runner.metrics.inputTokens(tokens, model: embedder.id)
    return .json([
      "object": "list",
      "data": .array(
        vectors.enumerated().map { index, vector in
          ["object": "embedding", "index": .int(index), "embedding": encode(vector, isBase64: isBase64)]
        }),
      "model": .string(embedder.id),
      "usage": ["prompt_tokens": .int(tokens), "total_tokens": .int(tokens)],
    ])
  }

  private func inputs(_ reader: ParameterReader) throws -> [String] {
    let values: [JSON]
    switch try reader.require("input", reader["input"]) {
    case .string(let text): values = [.string(text)]
    case .array(let array): values = array
    case let other: throw reader.invalid("input", "expected a string or an array of strings, got \(other.typeName).")
    }
    guard !values.isEmpty else { throw reader.invalid("input", "must not be empty.") }
    guard values.count <= runner.limits.embeddingInputs else {
      throw reader.invalid(
        "input", "has \(values.count) entries, more than the limit of \(runner.limits.embeddingInputs).")
    }
    return try values.enumerated().map { index, value in
      let name = values.count == 1 ? "input" : "input[\(index)]"
      guard let text = value.stringValue else {
        throw reader.unsupported(name, "inputs must be text, not \(value.typeName)s.")
      }
      guard !text.isEmpty else { throw reader.invalid(name, "must not be an empty string.") }
      return text
    }
  }

  private func usesBase64(_ reader: ParameterReader) throws -> Bool {
    switch try reader.string("encoding_format") ?? "float" {
    case "float": return false
    case "base64": return true
    default: throw reader.invalid("encoding_format", "must be float or base64.")
    }
  }

  /// Numbers, or the little-endian bytes of Float32 in base64.
  private func encode(_ vector: [Float], isBase64: Bool) -> JSON {
    guard isBase64 else { return .array(vector.map(JSON.float)) }
    var bytes = Data(capacity: vector.count * 4)
    for value in vector { withUnsafeBytes(of: value.bitPattern.littleEndian) { bytes.append(contentsOf: $0) } }
    return .string(bytes.base64EncodedString())
  }
}
