// Owns `/v1/messages`: messages as Anthropic's API makes them, whole and streamed, and counting their tokens.
import Hummingbird
import StrataCore

struct MessagesRoutes: Sendable {
  let catalog: ModelCatalog
  let runner: GenerationRunner

  var routes: [Route] {
    [
      Route(.post, "/v1/messages", dialect: .anthropic) { request, context in try await create(request, context) },
      Route(.post, "/v1/messages/count_tokens", dialect: .anthropic) { request, context in
        try await count(request, context)
      },
    ]
  }

  private func create(_ request: Request, _ context: RequestContext) async throws -> Response {
    let call = try MessagesRequest(try await RequestBodyReader.object(of: request, limits: runner.limits))
    let lease = try await catalog.model(call.model, for: context)
    // The first event of a stream tells the size of the prompt.
    let promptTokens =
      call.isStream
      ? try await lease.model.countTokens(call.generation.input, tools: call.generation.tools) : 0
    let session = try await runner.start([call.generation], on: lease, prompt: "messages", for: context)
    let start = MessagesStream(id: "msg_" + RandomID.make(24), model: lease.name, promptTokens: promptTokens)
    guard call.isStream else {
      defer { session.end() }
      var stream = start
      try await session.forEach(startingWith: nil) { news in
        if case .event(let index, let event) = news { _ = stream.encode(index, event) }
      }
      _ = stream.closing(session.usage)
      return .json(stream.message(session.usage))
    }
    let first = try await session.first()
    let logger = context.logger
    return .events { writer in
      var stream = start
      try await writer.send(session, startingWith: first, as: &stream, logger: logger)
    }
  }

  private func count(_ request: Request, _ context: RequestContext) async throws -> Response {
    let call = try MessagesRequest(
      try await RequestBodyReader.object(of: request, limits: runner.limits), isCounted: true)
    let lease = try await catalog.model(call.model, for: context)
    defer { lease.release() }
    let count = try await lease.model.countTokens(call.generation.input, tools: call.generation.tools)
    return .json(["input_tokens": .int(count)])
  }
}
