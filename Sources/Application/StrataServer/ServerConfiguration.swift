// Owns what an operator decides about the server: address, keys, limits. Knows nothing about routes.
import StrataCore

/// Bounds on what one caller, or all of them, can make the server do.
public struct ServerLimits: Sendable, Hashable {
  /// Largest JSON body in bytes; 10 MB unless told.
  public var jsonByteCount = 10 * 1024 * 1024
  /// Largest upload in bytes; 64 MB unless told.
  public var uploadByteCount = 64 * 1024 * 1024
  /// Deepest nesting of a JSON body.
  public var jsonDepth = 128
  /// Requests that the models have at the same time. Many, because the scheduler of a model is what shares it out, and
  /// it can be fair only to requests that it sees.
  public var concurrentRequests = 1024
  /// Requests of one tenant that wait for one of those; more get status 429.
  public var waitingRequests = 64
  /// Largest `n` of a completion.
  public var choices = 8
  /// Most texts in one embedding request.
  public var embeddingInputs = 2048
  /// Responses of `/v1/responses` that are kept for each tenant; the oldest go first.
  public var storedResponses = 256
  /// Bytes of stored responses for each tenant.
  public var storedResponseByteCount = 16 * 1024 * 1024
  /// How long a stored response is kept.
  public var storedResponseAge: Duration = .seconds(3600)
  /// What runs on a model that is unloaded gets this long to end.
  public var unloadGrace: Duration = .seconds(10)
  /// Models that an administrator loaded are freed when nobody has used them for this long, and come back with the
  /// next request; nil keeps them.
  public var modelIdleTime: Duration?
  /// Longest question to the app API in bytes.
  public var questionByteCount = 16 * 1024
  /// A comment is sent on an event stream that was silent for this long, so that proxies keep it open. A stream whose
  /// first event takes longer is answered with status 200 at once and reports later failures as an event.
  public var keepAliveInterval: Duration = .seconds(10)
  /// A connection without any request, or one that stops sending in the middle of one, is closed after this time.
  public var idleTimeout: Duration = .seconds(75)
  /// A client that takes no bytes for this long is considered gone.
  public var stallTimeout: Duration = .seconds(60)
  /// Responses still running this long after a shutdown signal are cancelled.
  public var shutdownGrace: Duration = .seconds(10)

  public init() {}
}

/// How the server listens and whom it trusts.
public struct ServerConfiguration: Sendable {
  /// Name or address to bind. Anything but loopback needs ``apiKeys``.
  public var host: String
  /// 0 lets the system choose; the callback of ``HTTPServer/run(onListening:)`` tells which.
  public var port: Int
  /// A file of keys (``KeyFile``), read again when it changes. Requests need a key even while it has none.
  public var keyFile: String?
  /// Without keys the server answers only to this machine, and the app API lets the caller choose whom to ask as.
  public var apiKeys: [APIKey]
  /// Names in the `Host` header that are accepted besides loopback names, for example behind a reverse proxy.
  public var allowedHosts: [String]
  public var limits: ServerLimits
  /// Administrators may load adapters from files in this folder while the server runs; nil: from none.
  public var adapterFolder: String?
  /// Whether SIGINT and SIGTERM stop the server gracefully.
  public var handlesSignals: Bool

  public init(
    host: String = "127.0.0.1", port: Int = 8080, apiKeys: [APIKey] = [], keyFile: String? = nil,
    allowedHosts: [String] = [], limits: ServerLimits = ServerLimits(), adapterFolder: String? = nil,
    handlesSignals: Bool = true
  ) {
    self.host = host
    self.port = port
    self.apiKeys = apiKeys
    self.keyFile = keyFile
    self.allowedHosts = allowedHosts
    self.limits = limits
    self.adapterFolder = adapterFolder
    self.handlesSignals = handlesSignals
  }

  /// Whether only this machine can reach the server.
  public var isLoopback: Bool { LoopbackNames.contains(host) }

  /// - Throws: ``ServerError`` when the combination would be unsafe or cannot work.
  public func validate() throws(ServerError) {
    guard (0...65535).contains(port) else {
      throw ServerError(
        .invalidConfiguration, "Port \(port) does not exist.", remedy: "Choose a port from 1 to 65535, or 0 for any.")
    }
    guard isLoopback || !apiKeys.isEmpty || keyFile != nil else {
      throw ServerError(
        .keysRequired, "Listening on \(host) would let everybody on the network read every document.",
        remedy: "Configure at least one API key, or listen on 127.0.0.1.")
    }
    guard apiKeys.allSatisfy({ $0.secretByteCount ?? .max >= 16 }) else {
      throw ServerError(
        .invalidConfiguration, "An API key is shorter than 16 bytes.", remedy: "Make one with `openssl rand -hex 24`.")
    }
  }
}

enum LoopbackNames {
  /// Whether `host`, without a port, names this machine only.
  static func contains(_ host: String) -> Bool {
    let name = host.lowercased()
    if name == "localhost" || name == "::1" || name == "[::1]" || name.hasSuffix(".localhost") { return true }
    let parts = name.split(separator: ".", omittingEmptySubsequences: false)
    return parts.count == 4 && parts[0] == "127" && parts.allSatisfy { UInt8($0) != nil }
  }
}
