// Owns `/v1/responses`: making responses, whole and streamed, and the ones that are kept.
import Hummingbird
import StrataCore

struct ResponsesRoutes: Sendable {
  let catalog: ModelCatalog
  let runner: GenerationRunner
  let store: ResponseStore

  var routes: [Route] {
    [
      Route(.post, "/v1/responses") { request, context in try await create(request, context) },
      Route(.post, "/v1/responses/input_tokens") { request, context in try await count(request, context) },
      Route(.get, "/v1/responses/{id}") { _, context in .json(try stored(context).body) },
      Route(.get, "/v1/responses/{id}/input_items") { _, context in
        let items = try stored(context).items
        return .json([
          "object": "list", "data": .array(items.reversed()), "has_more": false,
          "first_id": items.last?["id"] ?? .null, "last_id": items.first?["id"] ?? .null,
        ])
      },
      Route(.delete, "/v1/responses/{id}") { _, context in
        let id = context.pathParameters["id"] ?? ""
        try store.remove(id, tenant: context.tenant)
        return .json(["id": .string(id), "object": "response", "deleted": true])
      },
    ]
  }

  private func stored(_ context: RequestContext) throws -> StoredResponse {
    try store.find(context.pathParameters["id"] ?? "", tenant: context.tenant)
  }

  private func history(_ call: ResponsesRequest, _ context: RequestContext) throws -> [Message] {
    guard let previous = call.previous else { return [] }
    return try store.find(previous, tenant: context.tenant).conversation
  }

  private func create(_ request: Request, _ context: RequestContext) async throws -> Response {
    let call = try ResponsesRequest(try await RequestBodyReader.object(of: request, limits: runner.limits))
    let history = try history(call, context)
    let model = try await catalog.model(call.model, for: context)
    let session = try await runner.start(
      [call.generation(after: history)], on: model, prompt: "input", for: context)
    let id = ResponseItems.newID("resp")
    let start = ResponsesStream(id: id, model: model.name, created: UnixTime.now, request: call)
    let keep: @Sendable (ResponsesStream) -> Void = { stream in
      guard call.isStored else { return }
      let conversation = history + call.turns + stream.turns.messages
      store.add(
        StoredResponse(
          id: id, body: stream.response, items: call.items, conversation: conversation,
          byteCount: stream.response.utf8().count + 2 * conversation.reduce(0) { $0 + $1.content.utf8.count }),
        tenant: context.tenant)
    }
    guard call.isStream else {
      defer { session.end() }
      var stream = start
      try await session.forEach(startingWith: nil) { news in
        if case .event(let index, let event) = news { _ = stream.encode(index, event) }
      }
      _ = stream.closing(session.usage)
      keep(stream)
      return .json(stream.response)
    }
    let first = try await session.first()
    let logger = context.logger
    return .events { writer in
      var stream = start
      if try await writer.send(session, startingWith: first, as: &stream, logger: logger) { keep(stream) }
    }
  }

  private func count(_ request: Request, _ context: RequestContext) async throws -> Response {
    let call = try ResponsesRequest(try await RequestBodyReader.object(of: request, limits: runner.limits))
    let generation = call.generation(after: try history(call, context))
    let lease = try await catalog.model(call.model, for: context)
    defer { lease.release() }
    let count = try await lease.model.countTokens(generation.input, tools: generation.tools)
    return .json(["object": "response.input_tokens", "input_tokens": .int(count)])
  }
}
