// Owns what happens around every request: identity, checks, routing, errors in one shape, headers, log line, metrics.
import HTTPTypes
import Hummingbird
import Logging
import NIOCore
import StrataCore
import StrataTelemetry
import Tracing

/// Where a request comes from, as Hummingbird hands it over.
struct ConnectionContext: InitializableFromSource, Sendable {
  let channel: any Channel
  let logger: Logger

  init(source: ApplicationRequestContextSource) {
    channel = source.channel
    logger = source.logger
  }
}

struct RequestPipeline: HTTPResponder {
  typealias Context = ConnectionContext

  let table: RouteTable
  let access: AccessControl
  let ledger: BudgetLedger
  let metrics: ServerMetrics
  let tracer: StrataTracer?

  func respond(to request: Request, context: ConnectionContext) async throws -> Response {
    let id = "req_" + RandomID.make(20)
    let numbers = RequestMetrics(metrics)
    var logger = context.logger
    logger[metadataKey: "request"] = .string(id)
    var route: Route?
    var key: APIKey?
    var response: Response
    let span = startSpan(for: request, id: id)
    do {
      let connection = try await ClientConnection.of(context.channel)
      response = try await handle(request, id, connection, logger, numbers, span, &route, &key)
    } catch {
      let reply = ErrorReply(error)
      if reply.status.code >= 500 { logger.error("request failed", metadata: ["error": "\(error)"]) }
      response = .failure(reply, dialect: route?.dialect ?? Dialect(path: request.uri.path))
      closeIfBodyIsLeft(of: request, on: context.channel, &response)
    }
    addHeaders(to: &response, id: id)
    ledger.addHeaders(for: key, to: &response)
    if request.method == .head { response = response.createHeadResponse() }
    let record = Record(
      route: route?.pattern ?? "unknown", method: request.method.rawValue, status: response.status.code,
      numbers: numbers, span: span, logger: logger)
    if response.body.contentLength != nil {
      record.write(isComplete: true)
    } else {
      let body = response.body
      response.body = ResponseBody { writer in
        do {
          try await body.write(writer)
          record.write(isComplete: true)
        } catch {
          record.write(isComplete: false)
          throw error
        }
      }
    }
    return response
  }

  private func handle(
    _ request: Request, _ id: String, _ connection: ClientConnection, _ logger: Logger, _ numbers: RequestMetrics,
    _ span: RecordedSpan?, _ route: inout Route?, _ key: inout APIKey?
  ) async throws -> Response {
    try access.checkHost(of: request)
    try access.checkOrigin(of: request)
    switch table.find(request.method, request.uri.path) {
    case .unknown:
      throw ServerError(.routeNotFound, "Unknown request URL: \(request.method) \(request.uri.path.prefix(200)).")
    case .wrongMethod(let allowed):
      let methods = allowed.map(\.rawValue).joined(separator: ", ")
      var response = Response.failure(
        ErrorReply(ServerError(.methodNotAllowed, "\(request.method) is not possible here; use \(methods).")))
      response.headers[.allow] = methods
      return response
    case .found(let found, let parameters):
      route = found
      key = found.access == .everybody ? nil : try access.key(of: request)
      if found.access == .administrator, !access.isLocal, key?.isAdmin != true {
        throw ServerError(.administratorsOnly, "This key may not do that.", remedy: "Use an administrator's key.")
      }
      // Looking things up is free.
      if request.method == .post { try ledger.admit(key) }
      let context = RequestContext(
        id: id, key: key, deadline: try RequestPipeline.deadline(of: request),
        isLocalOnly: try RequestPipeline.isLocalOnly(request), connection: connection, logger: logger,
        metrics: numbers, pathParameters: parameters)
      return try await ServiceContext.$current.withValue(span?.context ?? ServiceContext.current) {
        try await found.handler(request, context)
      }
    }
  }

  /// A span under the caller's trace; what the request's handler starts becomes its children.
  private func startSpan(for request: Request, id: String) -> RecordedSpan? {
    guard let tracer else { return nil }
    var context = ServiceContext.topLevel
    tracer.extract(request.headers, into: &context, using: HeaderExtractor())
    let span = tracer.startSpan("\(request.method.rawValue)", context: context, ofKind: .server)
    span.updateAttributes { attributes in
      attributes["http.request.method"] = request.method.rawValue
      attributes["url.scheme"] = "http"
      attributes["strata.request_id"] = id
    }
    return span
  }

  private static func isLocalOnly(_ request: Request) throws -> Bool {
    switch request.headers[.dataLabel] {
    case nil, "any": return false
    case "local-only": return true
    default:
      // A label that is not understood must not count as permission.
      throw ServerError(
        .invalidParameter, "X-Strata-Data must be `local-only` or `any`.", parameter: "X-Strata-Data")
    }
  }

  private static func deadline(of request: Request) throws -> ContinuousClock.Instant? {
    guard let text = request.headers[.requestTimeout] else { return nil }
    guard let milliseconds = Int(text), (1...86_400_000).contains(milliseconds) else {
      throw ServerError(
        .invalidParameter, "X-Request-Timeout-Ms must be a number of milliseconds from 1 to 86400000.",
        parameter: "X-Request-Timeout-Ms")
    }
    return .now + .milliseconds(milliseconds)
  }

  /// An answer that was given before a large body arrived must not make the server read all of it: the client gets time
  /// to read the answer, then the connection ends.
  private func closeIfBodyIsLeft(of request: Request, on channel: any Channel, _ response: inout Response) {
    let isChunked = request.headers[.transferEncoding] != nil
    let announced = request.headers[.contentLength].map { Int($0) ?? .max } ?? (isChunked ? .max : 0)
    guard announced > 1_000_000 else { return }
    response.headers[.connection] = "close"
    channel.eventLoop.scheduleTask(in: .seconds(2)) { channel.close(promise: nil) }
  }

  private func addHeaders(to response: inout Response, id: String) {
    response.headers[.requestID] = id
    // Under the name that Anthropic's clients look for.
    response.headers[.anthropicRequestID] = id
    response.headers[.contentSecurityPolicy] =
      "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
      + "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    response.headers[.xContentTypeOptions] = "nosniff"
    response.headers[.frameOptions] = "DENY"
    response.headers[.referrerPolicy] = "no-referrer"
    response.headers[.openerPolicy] = "same-origin"
    response.headers[.resourcePolicy] = "same-origin"
  }

  private struct HeaderExtractor: Extractor {
    func extract(key: String, from carrier: HTTPFields) -> String? { HTTPField.Name(key).flatMap { carrier[$0] } }
  }

  /// The log line and the numbers of one request. Holds neither secrets nor anything that a user wrote.
  private struct Record: Sendable {
    let route: String
    let method: String
    let status: Int
    let numbers: RequestMetrics
    let span: RecordedSpan?
    let logger: Logger

    func write(isComplete: Bool) {
      let seconds = numbers.elapsed.seconds
      let status = isComplete ? status : HTTPResponse.Status.clientClosedRequest.code
      numbers.metrics.requestEnded(route: route, method: method, status: status, seconds: seconds)
      if let span {
        span.operationName = "\(method) \(route)"
        span.updateAttributes { attributes in
          attributes["http.route"] = route
          attributes["http.response.status_code"] = status
        }
        if status >= 500 { span.setStatus(SpanStatus(code: .error)) }
        span.end()
      }
      logger.info(
        "\(method) \(route) \(status)",
        metadata: ["milliseconds": "\(Int(seconds * 1000))"])
    }
  }
}

extension Dialect {
  /// For paths that have no route.
  init(path: String) { self = path.hasPrefix("/v1/messages") ? .anthropic : .openAI }
}

enum RandomID {
  private static let alphabet = Array("0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz".utf8)

  static func make(_ length: Int) -> String {
    String(decoding: (0..<length).map { _ in alphabet.randomElement() ?? 0x30 }, as: UTF8.self)
  }
}
