// Owns who may read which document of a folder. Knows nothing about YAML (see AccessPolicy+YAML) or about documents.
import StrataCore

/// The access rules of one folder: groups of users, and rules of which the first that matches a path decides.
///
/// A path that no rule matches is read by nobody.
public struct AccessPolicy: Sendable, Hashable {
  public struct Rule: Sendable, Hashable {
    public var pattern: PathPattern
    public var readers: [Reader]

    public init(_ pattern: String, readers: [Reader]) {
      self.pattern = PathPattern(pattern)
      self.readers = readers
    }
  }

  /// Name of the file that holds the policy of a folder.
  public static let fileName = ".strata-acl.yaml"

  /// Group name → users.
  public var groups: [String: [String]]
  public var rules: [Rule]
  /// Files that are not documents.
  public var ignored: [PathPattern]
  /// What is allowed but probably not meant, such as a rule for an unknown group.
  public var warnings: [String]

  public init(
    groups: [String: [String]] = [:], rules: [Rule], ignored: [PathPattern] = [], warnings: [String] = []
  ) {
    self.groups = groups
    self.rules = rules
    self.ignored = ignored
    self.warnings = warnings
  }

  /// Everything readable by everyone: the policy of a folder without a policy file.
  public static let open = AccessPolicy(rules: [Rule("**", readers: [.everyone])])

  /// Who may read the document at `path`; empty means nobody.
  public func readers(for path: String) -> [Reader] {
    let scalars = Array(PathPattern.normalized(path))
    return rules.first { $0.pattern.matches(scalars) }?.readers ?? []
  }

  public func ignores(_ path: String) -> Bool {
    let scalars = Array(PathPattern.normalized(path))
    return ignored.contains { $0.matches(scalars) }
  }

  /// The principal of `user` with the groups that the policy gives them.
  public func principal(user: String, tenant: String = "default") -> Principal {
    Principal(tenant: tenant, user: user, groups: Set(groups.filter { $0.value.contains(user) }.keys))
  }
}
