// Owns `POST /v1/completions`: text in, text on, without a chat template.
import Hummingbird
import StrataCore

struct CompletionRoutes: Sendable {
  let catalog: ModelCatalog
  let runner: GenerationRunner

  var routes: [Route] {
    [Route(.post, "/v1/completions") { request, context in try await complete(request, context) }]
  }

  private func complete(_ request: Request, _ context: RequestContext) async throws -> Response {
    let body = try await RequestBodyReader.object(of: request, limits: runner.limits)
    let call = try CompletionRequest(body, limits: runner.limits)
    let model = try await catalog.model(call.model, for: context)
    let session = try await runner.start(call.generations, on: model, prompt: "prompt", for: context)
    let format = CompletionFormat(
      id: "cmpl-" + RandomID.make(24), model: model.name, created: UnixTime.now, call: call)
    guard call.isStream else {
      defer { session.end() }
      let results = try await session.results()
      var whole = format
      return .json(whole.completion(results, usage: session.usage))
    }
    let first = try await session.first()
    let logger = context.logger
    return .events { writer in
      var chunks = format
      try await writer.send(session, startingWith: first, as: &chunks, logger: logger)
    }
  }
}

/// A checked completion request.
struct CompletionRequest: Sendable {
  let model: String
  let isStream: Bool
  let includesUsage: Bool
  /// Each prompt `n` times, in the order of the choices.
  let generations: [GenerationRequest]
  /// What each choice starts with when the prompt is echoed.
  let echoes: [String]
  let hasLogprobs: Bool

  init(_ body: JSONObject, limits: ServerLimits) throws {
    let reader = ParameterReader(body)
    model = try reader.require("model", try reader.string("model"))
    isStream = try reader.bool("stream") ?? false
    includesUsage = try reader.includesUsage(isStream: isStream)
    let count = try reader.int("n", in: 1...limits.choices) ?? 1
    if let best = try reader.int("best_of", in: 1...20), best != count {
      throw reader.unsupported("best_of", "must equal 'n' on this server.")
    }
    if try reader.string("suffix")?.isEmpty == false {
      throw reader.unsupported("suffix", "insertion is not offered by this server.")
    }
    let prompts = try CompletionRequest.prompts(reader)
    guard prompts.count <= limits.choices else {
      throw reader.invalid("prompt", "has \(prompts.count) entries, more than the limit of \(limits.choices).")
    }
    guard prompts.count * count <= limits.choices else {
      throw reader.invalid("n", "with \(prompts.count) prompts would make more than \(limits.choices) choices.")
    }
    let logprobs = try reader.int("logprobs", in: 0...5)
    let isEchoed = try reader.bool("echo") ?? false
    if isEchoed, logprobs != nil {
      throw reader.unsupported("echo", "together with 'logprobs': log-probabilities of the prompt are not computed.")
    }
    let template = GenerationRequest(
      .prompt(""), toolChoice: .none, sampling: try reader.sampling(),
      maxTokens: try reader.int("max_tokens", in: 1...10_000_000) ?? 16, stop: try reader.stop(),
      topLogprobs: logprobs, priority: try reader.priority())
    try reader.checkIgnored()
    generations = prompts.flatMap { prompt in
      var request = template
      request.input = .prompt(prompt)
      return request.repeated(count)
    }
    echoes = prompts.flatMap { prompt in Array(repeating: isEchoed ? prompt : "", count: count) }
    hasLogprobs = logprobs != nil
  }

  private static func prompts(_ reader: ParameterReader) throws -> [String] {
    switch try reader.require("prompt", reader["prompt"]) {
    case .string(let text): return [text]
    case .array(let values):
      guard !values.isEmpty else { throw reader.invalid("prompt", "must not be empty.") }
      return try values.enumerated().map { index, value in
        guard let text = value.stringValue else {
          throw reader.unsupported("prompt[\(index)]", "prompts must be text, not token ids.")
        }
        return text
      }
    case let other: throw reader.invalid("prompt", "expected a string or an array of strings, got \(other.typeName).")
    }
  }
}

/// How completions look in JSON.
struct CompletionFormat: Sendable, EventEncoder {
  let id: String
  let model: String
  let created: Int
  let call: CompletionRequest
  /// Characters that each choice has so far, for `text_offset`.
  private var offsets: [Int: Int] = [:]

  init(id: String, model: String, created: Int, call: CompletionRequest) {
    self.id = id
    self.model = model
    self.created = created
    self.call = call
  }

  private func head() -> JSONObject {
    ["id": .string(id), "object": "text_completion", "created": .int(created), "model": .string(model)]
  }

  mutating func completion(_ results: [GenerationResult], usage: Usage) -> JSON {
    var body = head()
    var choices: [JSON] = []
    for (index, result) in results.enumerated() {
      choices.append(
        choice(
          index, call.echoes[index] + result.text, logprobs: result.logprobs,
          reason: .string(result.finishReason.rawValue)))
    }
    body["choices"] = .array(choices)
    body["usage"] = usage.json
    return .object(body)
  }

  /// The prompts, when they are echoed.
  mutating func opening() -> [ServerEvent] {
    var chunks: [ServerEvent] = []
    for (index, echo) in call.echoes.enumerated() where !echo.isEmpty {
      chunks.append(chunk(choice(index, echo, logprobs: [], reason: .null)))
    }
    return chunks
  }

  func closing(_ usage: Usage) -> [ServerEvent] {
    (call.includesUsage ? [ServerEvent(usageChunk(usage))] : []) + [.done]
  }

  func failure(_ reply: ErrorReply) -> [ServerEvent] { [ServerEvent(reply.json)] }

  mutating func encode(_ index: Int, _ event: GenerationEvent) -> [ServerEvent] {
    switch event {
    case .text(let piece, let logprobs): [chunk(choice(index, piece, logprobs: logprobs, reason: .null))]
    case .toolCall, .stopString: []
    case .finished(let reason, _, _):
      [chunk(choice(index, "", logprobs: [], reason: .string(reason.rawValue)))]
    }
  }

  func usageChunk(_ usage: Usage) -> JSON {
    var chunk = head()
    chunk["choices"] = []
    chunk["usage"] = usage.json
    return .object(chunk)
  }

  private func chunk(_ choice: JSON) -> ServerEvent {
    var chunk = head()
    chunk["choices"] = [choice]
    if call.includesUsage { chunk["usage"] = .null }
    return ServerEvent(.object(chunk))
  }

  private mutating func choice(_ index: Int, _ text: String, logprobs: [TokenLogprob], reason: JSON) -> JSON {
    var offset = offsets[index, default: 0]
    var positions: [JSON] = []
    for token in logprobs {
      positions.append(.int(offset))
      offset += token.token.unicodeScalars.count
    }
    offsets[index] = offset
    let details: JSON =
      call.hasLogprobs
      ? [
        "tokens": .array(logprobs.map { .string($0.token) }),
        "token_logprobs": .array(logprobs.map { .float($0.logprob) }),
        "top_logprobs": .array(
          logprobs.map { token in .object(JSONObject(token.alternatives.map { ($0.token, .float($0.logprob)) })) }),
        "text_offset": .array(positions),
      ] : .null
    return ["text": .string(text), "index": .int(index), "logprobs": details, "finish_reason": reason]
  }
}
