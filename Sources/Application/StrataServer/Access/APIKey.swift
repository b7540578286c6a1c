// Owns what a key is: whose it is, what it may use and how much. The secret itself is not kept, only its hash.
import StrataCore

/// How much one key may use; nil means as much as there is.
public struct KeyLimits: Sendable, Hashable {
  public var requestsPerMinute: Int?
  /// Prompt and completion tokens together.
  public var tokensPerMinute: Int?
  /// Over any 24 hours, regained evenly.
  public var tokensPerDay: Int?
  /// Generations, embeddings and rerankings at the same time.
  public var concurrentRequests: Int?

  public init(
    requestsPerMinute: Int? = nil, tokensPerMinute: Int? = nil, tokensPerDay: Int? = nil,
    concurrentRequests: Int? = nil
  ) {
    self.requestsPerMinute = requestsPerMinute
    self.tokensPerMinute = tokensPerMinute
    self.tokensPerDay = tokensPerDay
    self.concurrentRequests = concurrentRequests
  }

  var countsTokens: Bool { tokensPerMinute != nil || tokensPerDay != nil }
}

/// A secret that identifies a caller, and what that caller may do.
public struct APIKey: Sendable, Hashable, CustomStringConvertible {
  /// Names the key in files and logs; tells nothing about the secret.
  public var id: String
  /// What people call it.
  public var name: String
  /// SHA-256 of the secret in lower-case hexadecimal. Enough because secrets are random: there is nothing to guess.
  public let digest: String
  /// On whose behalf requests with this key are made.
  public var principal: Principal
  public var limits: KeyLimits
  /// Ids of the models it may use; nil means all of them.
  public var models: [String]?
  /// Whether it may load and unload models.
  public var isAdmin: Bool
  /// The best priority that its requests get; lower runs first.
  public var priority: Int
  /// Nil when only the hash was ever known.
  let secretByteCount: Int?

  /// - Parameter key: the bearer token, forgotten once it is hashed.
  public init(
    key: String, principal: Principal, name: String = "", limits: KeyLimits = KeyLimits(), models: [String]? = nil,
    isAdmin: Bool = false, priority: Int = 0
  ) {
    digest = SHA256.hash(key)
    id = APIKey.id(digest)
    self.name = name
    self.principal = principal
    self.limits = limits
    self.models = models
    self.isAdmin = isAdmin
    self.priority = priority
    secretByteCount = key.utf8.count
  }

  /// A key of which only the hash is known.
  public init(
    digest: String, principal: Principal, name: String = "", limits: KeyLimits = KeyLimits(), models: [String]? = nil,
    isAdmin: Bool = false, priority: Int = 0
  ) {
    self.digest = digest
    id = APIKey.id(digest)
    self.name = name
    self.principal = principal
    self.limits = limits
    self.models = models
    self.isAdmin = isAdmin
    self.priority = priority
    secretByteCount = nil
  }

  private static func id(_ digest: String) -> String { "key_\(digest.prefix(12))" }

  /// Never shows the secret.
  public var description: String { "APIKey(\(id), \(principal.tenant)/\(principal.user))" }

  /// Whether `other` is the hash of the same secret, in a time that does not depend on where they differ.
  func matches(digest other: String) -> Bool {
    var difference: UInt8 = digest.utf8.count == other.utf8.count ? 0 : 1
    for (mine, theirs) in zip(digest.utf8, other.utf8) { difference |= mine ^ theirs }
    return difference == 0
  }

  /// Whether it may use the model, or the base model of an adapter.
  func allows(_ model: String) -> Bool { models?.contains(model) ?? true }
}
