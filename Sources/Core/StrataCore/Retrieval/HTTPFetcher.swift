// Owns the protocol through which pages of other machines are read. Knows nothing about sockets.

/// What a server answered.
public struct HTTPReply: Sendable {
  public var status: Int
  /// Names in lower case.
  public var headers: [String: String]
  public var body: [UInt8]

  public init(status: Int, headers: [String: String] = [:], body: [UInt8] = []) {
    self.status = status
    self.headers = headers
    self.body = body
  }
}

/// Gets pages over HTTP. Follows no redirects: where they lead is for the caller to judge.
public protocol HTTPFetcher: Sendable {
  /// - Parameters:
  ///   - url: `http` or `https`.
  ///   - byteLimit: longest body; a longer one is an error.
  /// - Throws: a ``StrataError`` when the server cannot be reached, may not be, or does not answer in time.
  func get(_ url: String, headers: [(String, String)], byteLimit: Int) async throws -> HTTPReply
}
