// Owns the choice between the model here and the one elsewhere. A pure function of facts.

/// When a request goes to a remote model. The machine's own model comes first; data that must stay, stays.
public struct RoutingPolicy: Sendable, Hashable {
  /// What is known when a request arrives.
  public struct Facts: Sendable, Hashable {
    /// The request may not leave the machine.
    public var isLocalOnly: Bool
    /// Tokens of prompt and requested completion, by the local tokenizer.
    public var tokens: Int
    /// Most tokens that the local model takes.
    public var localContext: Int
    /// Requests that wait for the local model.
    public var localQueue: Int
    /// Whether the remote model's circuit is closed.
    public var isRemoteAvailable: Bool
    /// Most tokens that the remote model takes, 0 when unknown.
    public var remoteContext: Int

    public init(
      isLocalOnly: Bool, tokens: Int, localContext: Int, localQueue: Int, isRemoteAvailable: Bool, remoteContext: Int
    ) {
      self.isLocalOnly = isLocalOnly
      self.tokens = tokens
      self.localContext = localContext
      self.localQueue = localQueue
      self.isRemoteAvailable = isRemoteAvailable
      self.remoteContext = remoteContext
    }
  }

  public enum Route: String, Sendable, Hashable {
    case local
    case remote
  }

  /// Requests that may wait here before others go elsewhere.
  public var queueLimit: Int
  /// Prompts longer than this go elsewhere even if they would fit; nil means up to the model's context.
  public var tokenLimit: Int?

  public init(queueLimit: Int = 8, tokenLimit: Int? = nil) {
    self.queueLimit = max(0, queueLimit)
    self.tokenLimit = tokenLimit
  }

  /// - Returns: where to go first; the reason is a stable name, for logs.
  public func route(_ facts: Facts) -> (route: Route, reason: String) {
    if facts.isLocalOnly { return (.local, "local_only") }
    guard facts.isRemoteAvailable else { return (.local, "remote_unavailable") }
    guard facts.remoteContext == 0 || facts.tokens <= facts.remoteContext else { return (.local, "remote_context") }
    if facts.tokens > min(facts.localContext, tokenLimit ?? .max) { return (.remote, "context") }
    if facts.localQueue > queueLimit { return (.remote, "queue") }
    return (.local, "local_first")
  }
}
