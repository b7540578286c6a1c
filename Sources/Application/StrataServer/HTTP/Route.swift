// Owns matching a method and a path to a handler. Knows nothing about what handlers do.
import HTTPTypes
import Hummingbird
import Logging
import StrataCore

/// Everything a handler may know about one request.
struct RequestContext: Sendable {
  let id: String
  /// Nil in local mode and on routes for everybody.
  let key: APIKey?
  /// When the client stops waiting, if it said so.
  let deadline: ContinuousClock.Instant?
  /// The client said that its data must not leave this machine.
  let isLocalOnly: Bool
  let connection: ClientConnection
  let logger: Logger
  let metrics: RequestMetrics
  /// Values of the `{name}` components of the route.
  let pathParameters: [String: String]

  var principal: Principal? { key?.principal }
  var tenant: String { (principal ?? .anonymous).tenant }
}

/// In whose manner a route speaks about failures.
enum Dialect: Sendable {
  case openAI, anthropic
}

/// One endpoint.
struct Route: Sendable {
  /// Who may call it.
  enum Access: Sendable {
    case everybody, keyHolder
    /// Whoever holds a key that says so, and in local mode everybody.
    case administrator
  }

  let method: HTTPRequest.Method
  /// For example `/v1/models/{id}`; also its name in the metrics. A last component `{name*}` takes the rest of the
  /// path.
  let pattern: String
  let access: Access
  let dialect: Dialect
  let handler: @Sendable (Request, RequestContext) async throws -> Response
  private let components: [Substring]

  init(
    _ method: HTTPRequest.Method, _ pattern: String, _ access: Access = .keyHolder, dialect: Dialect = .openAI,
    _ handler: @escaping @Sendable (Request, RequestContext) async throws -> Response
  ) {
    self.method = method
    self.pattern = pattern
    self.access = access
    self.dialect = dialect
    self.handler = handler
    components = pattern.split(separator: "/")
  }

  /// The path's parameters, or nil when it is no path of this route.
  func match(_ path: [Substring]) -> [String: String]? {
    var values: [String: String] = [:]
    for (index, component) in components.enumerated() {
      guard index < path.count else { return nil }
      if component.hasSuffix("*}") {
        values[String(component.dropFirst().dropLast(2))] = path[index...].joined(separator: "/").percentDecoded
        return values
      }
      if component.hasPrefix("{") {
        values[String(component.dropFirst().dropLast())] = String(path[index]).percentDecoded
      } else if component != path[index] {
        return nil
      }
    }
    return components.count == path.count ? values : nil
  }
}

struct RouteTable: Sendable {
  enum Lookup {
    case found(Route, parameters: [String: String])
    case wrongMethod(allowed: [HTTPRequest.Method])
    case unknown
  }

  let routes: [Route]

  func find(_ method: HTTPRequest.Method, _ path: String) -> Lookup {
    let components = path.split(separator: "/")
    var allowed: [HTTPRequest.Method] = []
    for route in routes {
      guard let parameters = route.match(components) else { continue }
      if route.method == method || (method == .head && route.method == .get) {
        return .found(route, parameters: parameters)
      }
      allowed.append(route.method)
    }
    return allowed.isEmpty ? .unknown : .wrongMethod(allowed: allowed)
  }
}

extension StringProtocol {
  /// The text with `%XX` decoded; malformed escapes stay as they are.
  var percentDecoded: String {
    var bytes: [UInt8] = []
    var rest = Array(utf8)[...]
    while let byte = rest.popFirst() {
      if byte == UInt8(ascii: "%"), rest.count >= 2,
        let value = UInt8(String(decoding: rest.prefix(2), as: UTF8.self), radix: 16), rest.first != UInt8(ascii: "+")
      {
        bytes.append(value)
        rest = rest.dropFirst(2)
      } else {
        bytes.append(byte)
      }
    }
    return String(decoding: bytes, as: UTF8.self)
  }
}

extension Request {
  /// The decoded value of a query parameter; `+` is a space.
  func query(_ name: String) -> String? {
    guard let query = uri.query else { return nil }
    for pair in query.split(separator: "&") {
      let parts = pair.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
      guard let key = parts.first, key.percentDecoded == name else { continue }
      return parts.count == 2
        ? parts[1].split(separator: "+", omittingEmptySubsequences: false)
          .joined(separator: " ").percentDecoded : ""
    }
    return nil
  }
}

extension Response {
  static func json(_ value: JSON, status: HTTPResponse.Status = .ok) -> Response {
    Response(
      status: status, headers: [.contentType: "application/json", .cacheControl: "no-store"],
      body: ResponseBody(byteBuffer: ByteBuffer(bytes: value.utf8())))
  }

  static func text(_ text: String, contentType: String = "text/plain; charset=utf-8") -> Response {
    Response(
      status: .ok, headers: [.contentType: contentType, .cacheControl: "no-store"],
      body: ResponseBody(byteBuffer: ByteBuffer(string: text)))
  }

  static func failure(_ reply: ErrorReply, dialect: Dialect = .openAI) -> Response {
    var response = Response.json(reply.json(dialect), status: reply.status)
    if reply.status.code == 401 { response.headers[.wwwAuthenticate] = "Bearer" }
    if let seconds = reply.retryAfterSeconds { response.headers[.retryAfter] = "\(seconds)" }
    return response
  }
}
