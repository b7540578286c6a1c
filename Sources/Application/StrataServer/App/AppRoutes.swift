// Owns the app API under `/api`: checking what comes in, shaping what goes out. Decides nothing about documents.
import Foundation
import Hummingbird
import StrataCore

struct AppRoutes: Sendable {
  let app: any AppService
  let access: AccessControl
  let limits: ServerLimits
  let questions: AppQuestions

  var routes: [Route] {
    let exploring = AppExploring(app: app, access: access, limits: limits) { try await principal($0, $1) }
    return exploring.routes + [
      Route(.get, "/api/session") { request, context in
        try await session(try await principal(request.query("as"), context))
      },
      Route(.post, "/api/ask") { request, context in try await ask(request, context) },
      Route(.get, "/api/documents") { request, context in
        let documents = try await app.documents(as: try await principal(request.query("as"), context))
        return .json(["documents": .array(documents.map(\.json))])
      },
      Route(.get, "/api/documents/text") { request, context in try await text(request, context) },
      Route(.post, "/api/documents") { request, context in try await upload(request, context) },
      Route(.delete, "/api/documents") { request, context in try await delete(request, context) },
      Route(.get, "/api/runs") { request, context in
        let limit = min(200, max(1, request.query("limit").flatMap { Int($0) } ?? 50))
        let runs = try await app.runs(limit: limit, as: try await principal(request.query("as"), context))
        return .json(["runs": .array(runs.map { .object($0.json) })])
      },
      Route(.get, "/api/runs/{id}") { request, context in
        let id = context.pathParameters["id"] ?? ""
        guard let run = try await app.run(id, as: try await principal(request.query("as"), context)) else {
          throw ServerError(.resourceNotFound, "There is no such run.")
        }
        var body = run.summary.json
        body["events"] = .array(run.events.map(\.json))
        return .json(.object(body))
      },
    ]
  }

  private func principal(_ name: String?, _ context: RequestContext) async throws -> Principal {
    try await AppCaller(app: app).principal(name, context)
  }

  private func session(_ principal: Principal) async throws -> Response {
    let overview = try await app.overview(as: principal)
    let users = access.isLocal ? try await app.users() : []
    return .json([
      "model": .string(overview.model), "collection": .string(overview.collection), "ready": .bool(overview.isReady),
      "documents": .int(overview.documentCount), "chunks": .int(overview.chunkCount),
      "examples": .array(overview.examples.map(JSON.string)), "local": .bool(access.isLocal),
      "user": .string(principal.user), "groups": .array(principal.groups.sorted().map(JSON.string)),
      "users": .array(
        users.map { ["name": .string($0.name), "groups": .array($0.groups.sorted().map(JSON.string))] }),
      "upload_types": .array(overview.uploadTypes.map(JSON.string)), "upload_limit": .int(limits.uploadByteCount),
    ])
  }

  private func ask(_ request: Request, _ context: RequestContext) async throws -> Response {
    let reader = ParameterReader(try await RequestBodyReader.object(of: request, limits: limits))
    let question = try questions.checked(
      try reader.require("question", try reader.string("question")), "question", of: reader)
    let turns = try turns(reader)
    let principal = try await principal(try reader.string("as"), context)
    let session = try await questions.start(question, after: turns, as: principal, for: context)
    return .events { writer in
      defer { session.end() }
      try await session.forEach { news in
        switch news {
        case .event(let event): try await writer.send(event.json, event: event.name)
        case .silence: try await writer.sendComment()
        case .failed(let error):
          try await writer.send(ErrorReply(error, of: "ask", context.logger).json["error"] ?? .null, event: "error")
        }
      }
    }
  }

  /// Earlier turns of the conversation, as the client has them: they are the asker's own words, and nothing is shown
  /// because of them that the asker may not read.
  private func turns(_ reader: ParameterReader) throws -> [ConversationTurn] {
    let turns = try (reader.readers("conversation") ?? []).map { turn in
      ConversationTurn(
        try turn.require("question", try turn.string("question")), answer: try turn.string("answer") ?? "")
    }
    guard turns.count <= AppQuestions.turnLimit else {
      throw reader.invalid("conversation", "has more than \(AppQuestions.turnLimit) turns; send the latest.")
    }
    return turns
  }

  private func text(_ request: Request, _ context: RequestContext) async throws -> Response {
    guard let path = request.query("path"), !path.isEmpty else {
      throw ServerError(.missingParameter, "Missing required parameter: 'path'.", parameter: "path")
    }
    var version: Int?
    if let value = request.query("version") {
      guard let number = Int(value), number > 0 else {
        throw ServerError(.invalidParameter, "Invalid 'version': expected a positive integer.", parameter: "version")
      }
      version = number
    }
    let principal = try await principal(request.query("as"), context)
    guard let document = try await app.text(of: path, version: version, as: principal) else { throw noDocument }
    return .json(document.json)
  }

  private func upload(_ request: Request, _ context: RequestContext) async throws -> Response {
    let name = try UploadName.sanitized(request.query("name") ?? "")
    let principal = try await principal(request.query("as"), context)
    try RequestBodyReader.checkAnnouncedLength(of: request, limit: limits.uploadByteCount)
    let content = UploadContent(
      BoundedBody(body: request.body, limit: limits.uploadByteCount),
      expectedByteCount: request.headers[.contentLength].flatMap { Int($0) })
    let document = try await app.upload(name, content: content, as: principal)
    return .json(document.json, status: .created)
  }

  private func delete(_ request: Request, _ context: RequestContext) async throws -> Response {
    guard let path = request.query("path"), !path.isEmpty else {
      throw ServerError(.missingParameter, "Missing required parameter: 'path'.", parameter: "path")
    }
    guard try await app.delete(path, as: try await principal(request.query("as"), context)) else { throw noDocument }
    return .json(["deleted": .string(path)])
  }

  private var noDocument: ServerError { ServerError(.resourceNotFound, "There is no such document.") }
}

/// The pieces of a request body, up to a limit.
private struct BoundedBody: AsyncSequence, Sendable {
  typealias Element = [UInt8]
  let body: RequestBody
  let limit: Int

  struct AsyncIterator: AsyncIteratorProtocol {
    var iterator: RequestBody.AsyncIterator
    let limit: Int
    var count = 0

    mutating func next() async throws -> [UInt8]? {
      let next: ByteBuffer?
      do {
        next = try await iterator.next()
      } catch {
        throw RequestBodyReader.explain(error)
      }
      guard let buffer = next else { return nil }
      count += buffer.readableBytes
      guard count <= limit else { throw RequestBodyReader.tooLarge(limit) }
      return Array(buffer.readableBytesView)
    }
  }

  func makeAsyncIterator() -> AsyncIterator { AsyncIterator(iterator: body.makeAsyncIterator(), limit: limit) }
}
