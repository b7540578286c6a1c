// Owns the facts that permissions are made of: who stands in which relation to what. Knows nothing about models, which
// say what follows from them.

/// A thing that relations are about, as `type:id`: `user:anne`, `group:eng`, `document:handbook/travel.md`.
public struct RelationObject: Sendable, Hashable, Comparable, CustomStringConvertible {
  public var type: String
  public var id: String

  public init(type: String, id: String) {
    self.type = type
    self.id = id
  }

  /// Nil when `text` is not `type:id`, both without spaces, colons and `#`, the id not being `*`.
  public init?(_ text: String) {
    let parts = text.split(separator: ":", maxSplits: 1, omittingEmptySubsequences: false)
    guard parts.count == 2, RelationName.isValid(parts[0]), Self.isValidID(parts[1]) else { return nil }
    type = String(parts[0])
    id = String(parts[1])
  }

  private static func isValidID(_ id: Substring) -> Bool {
    !id.isEmpty && id != "*" && id.utf8.count <= 4096
      && id.unicodeScalars.allSatisfy { $0 != ":" && $0 != "#" && !$0.properties.isWhitespace && $0.value >= 0x20 }
  }

  public var description: String { "\(type):\(id)" }

  public static func < (left: RelationObject, right: RelationObject) -> Bool {
    (left.type, left.id) < (right.type, right.id)
  }
}

/// The rules for names of types and relations.
package enum RelationName {
  package static func isValid(_ name: some StringProtocol) -> Bool {
    !name.isEmpty && name.utf8.count <= 254
      && name.unicodeScalars.allSatisfy {
        $0 != ":" && $0 != "#" && $0 != "@" && $0 != "*" && !$0.properties.isWhitespace && $0.value >= 0x20
      }
  }
}

/// Who a tuple speaks of.
public enum RelationSubject: Sendable, Hashable, CustomStringConvertible {
  /// One thing, most often a user: `user:anne`.
  case object(RelationObject)
  /// Everything of a type: `user:*`.
  case everyone(type: String)
  /// All that stand in a relation to a thing: `group:eng#member`.
  case userset(RelationObject, relation: String)

  /// Nil when `text` has none of the three forms.
  public init?(_ text: String) {
    if text.hasSuffix(":*") {
      let type = text.dropLast(2)
      guard RelationName.isValid(type) else { return nil }
      self = .everyone(type: String(type))
      return
    }
    let parts = text.split(separator: "#", maxSplits: 1, omittingEmptySubsequences: false)
    guard let object = RelationObject(String(parts[0])) else { return nil }
    if parts.count == 1 {
      self = .object(object)
    } else {
      guard RelationName.isValid(parts[1]) else { return nil }
      self = .userset(object, relation: String(parts[1]))
    }
  }

  public var type: String {
    switch self {
    case .object(let object), .userset(let object, _): object.type
    case .everyone(let type): type
    }
  }

  public var description: String {
    switch self {
    case .object(let object): object.description
    case .everyone(let type): "\(type):*"
    case .userset(let object, let relation): "\(object)#\(relation)"
    }
  }
}

/// The name of a condition, and those of its parameters that are fixed for the tuple.
public struct RelationCondition: Sendable, Hashable {
  public var name: String
  public var context: JSONObject

  public init(_ name: String, context: JSONObject = [:]) {
    self.name = name
    self.context = context
  }
}

/// One fact: `subject` has `relation` to `object`, always or on a condition.
///
/// Its text form is that of Zanzibar (Pang et al. 2019): `document:travel.md#viewer@user:anne`.
public struct RelationTuple: Sendable, Hashable, CustomStringConvertible {
  public var object: RelationObject
  public var relation: String
  public var subject: RelationSubject
  public var condition: RelationCondition?

  public init(
    _ object: RelationObject, _ relation: String, _ subject: RelationSubject, condition: RelationCondition? = nil
  ) {
    self.object = object
    self.relation = relation
    self.subject = subject
    self.condition = condition
  }

  /// Nil when `text` is not `type:id#relation@subject`.
  public init?(_ text: String) {
    guard let hash = text.firstIndex(of: "#"), let at = text[hash...].firstIndex(of: "@"),
      let object = RelationObject(String(text[..<hash])),
      let subject = RelationSubject(String(text[text.index(after: at)...]))
    else { return nil }
    let relation = text[text.index(after: hash)..<at]
    guard RelationName.isValid(relation) else { return nil }
    self.init(object, String(relation), subject)
  }

  /// What makes two tuples the same fact: everything but the condition.
  public var key: RelationTuple { RelationTuple(object, relation, subject) }

  /// Without the condition's parameters.
  public var description: String {
    "\(object)#\(relation)@\(subject)" + (condition.map { " with \($0.name)" } ?? "")
  }
}
