// Owns who may call: bearer keys, the Host header against DNS rebinding, the Origin header against cross-site requests.
import HTTPTypes
import Hummingbird
import StrataCore

struct AccessControl: Sendable {
  private let keys: KeyRing
  private let allowedHosts: [String]
  private let checksHost: Bool

  init(_ configuration: ServerConfiguration, keys: KeyRing) {
    self.keys = keys
    allowedHosts = configuration.allowedHosts.map { $0.lowercased() }
    checksHost = configuration.isLoopback || !configuration.allowedHosts.isEmpty
  }

  /// Whether nobody has to identify themselves, because only this machine can call.
  var isLocal: Bool { keys.isOpen }

  /// The key that the request presents, as OpenAI's or as Anthropic's clients do; nil in local mode.
  func key(of request: Request) throws -> APIKey? {
    guard !isLocal else { return nil }
    guard let secret = try AccessControl.secret(of: request) else {
      throw ServerError(
        .invalidAPIKey, "You did not provide an API key.",
        remedy: "Send it as `Authorization: Bearer KEY` or `x-api-key: KEY`.")
    }
    guard let found = keys.key(digest: SHA256.hash(secret)) else {
      throw ServerError(.invalidAPIKey, "Incorrect API key provided.")
    }
    return found
  }

  private static func secret(of request: Request) throws -> String? {
    if let header = request.headers[.authorization] {
      let parts = header.split(separator: " ", maxSplits: 1)
      guard parts.count == 2, parts[0].lowercased() == "bearer" else {
        throw ServerError(.invalidAPIKey, "Incorrect API key provided.")
      }
      return String(parts[1])
    }
    return request.headers[.apiKey]
  }

  /// Refuses names that are not ours: a page of another site that points its own name at 127.0.0.1 must not get
  /// through.
  func checkHost(of request: Request) throws {
    guard checksHost else { return }
    let name = AccessControl.hostName(request.head.authority ?? "")
    guard LoopbackNames.contains(name) || allowedHosts.contains(name) else {
      throw ServerError(
        .forbiddenHost, "The server does not answer to the name in the Host header.",
        remedy: "Use http://127.0.0.1, or add the name to the allowed hosts.")
    }
  }

  /// Refuses requests that change something and come from a page of another site. Programs send no Origin.
  func checkOrigin(of request: Request) throws {
    guard request.method != .get, request.method != .head, request.method != .options else { return }
    let host = (request.head.authority ?? "").lowercased()
    if let origin = request.headers[.origin]?.lowercased() {
      guard origin == "http://\(host)" || origin == "https://\(host)" else { throw AccessControl.crossSite }
    } else if let site = request.headers[.secFetchSite] {
      guard site == "same-origin" || site == "none" else { throw AccessControl.crossSite }
    }
  }

  private static var crossSite: ServerError {
    ServerError(.forbiddenOrigin, "A page of another site may not do this.")
  }

  /// Lower-case name without the port.
  private static func hostName(_ host: String) -> String {
    let host = host.lowercased()
    if host.hasPrefix("["), let end = host.firstIndex(of: "]") { return String(host[...end]) }
    return host.split(separator: ":", omittingEmptySubsequences: false).first.map(String.init) ?? host
  }
}

extension HTTPField.Name {
  static var secFetchSite: Self { known("Sec-Fetch-Site") }
  static var apiKey: Self { known("x-api-key") }
  static var requestTimeout: Self { known("X-Request-Timeout-Ms") }
  static var dataLabel: Self { known("X-Strata-Data") }
  static var anthropicVersion: Self { known("anthropic-version") }
  static var anthropicRequestID: Self { known("request-id") }
  static var requestID: Self { known("X-Request-Id") }
  static var frameOptions: Self { known("X-Frame-Options") }
  static var referrerPolicy: Self { known("Referrer-Policy") }
  static var openerPolicy: Self { known("Cross-Origin-Opener-Policy") }
  static var resourcePolicy: Self { known("Cross-Origin-Resource-Policy") }

  /// For names that are valid tokens as written here.
  static func known(_ name: String) -> Self { Self(name) ?? .server }
}
