// Owns who is asking, and who may read.

/// On whose behalf something happens. Every retrieval is filtered by it.
public struct Principal: Sendable, Hashable {
  public var tenant: String
  public var user: String
  public var groups: Set<String>
  /// What conditions may ask for (`ip`, `department`, …), as whoever authenticated the principal knows it; never what
  /// the principal says. The time is not among them: the gate's own clock gives it.
  public var attributes: JSONObject

  public init(
    tenant: String = "default", user: String, groups: Set<String> = [], attributes: JSONObject = [:]
  ) {
    self.tenant = tenant
    self.user = user
    self.groups = groups
    self.attributes = attributes
  }

  /// Somebody of whom nothing is known: reads only what `everyone` may read.
  public static let anonymous = Principal(user: "anonymous")

  /// Whether any of `readers` names this principal. No readers means nobody.
  public func mayRead(_ readers: some Sequence<Reader>) -> Bool {
    readers.contains { reader in
      switch reader {
      case .everyone: true
      case .user(let name): name == user
      case .group(let name): groups.contains(name)
      }
    }
  }
}

/// One entry of an access list. Its text form is `everyone`, `user:NAME` or `group:NAME`.
public enum Reader: Sendable, Hashable, Comparable, CustomStringConvertible {
  case everyone
  case user(String)
  case group(String)

  /// Nil when `text` has none of the three forms.
  public init?(_ text: String) {
    if text == "everyone" {
      self = .everyone
    } else if text.hasPrefix("user:"), text.utf8.count > 5 {
      self = .user(String(text.dropFirst(5)))
    } else if text.hasPrefix("group:"), text.utf8.count > 6 {
      self = .group(String(text.dropFirst(6)))
    } else {
      return nil
    }
  }

  public var description: String {
    switch self {
    case .everyone: "everyone"
    case .user(let name): "user:\(name)"
    case .group(let name): "group:\(name)"
    }
  }
}
