// Owns what relations mean: types, their relations and how one follows from others. Knows neither how a model is
// written (see +DSL, +JSON) nor any tuple.
import StrataCore

/// An authorization model in the sense of OpenFGA's schema 1.1: for each type of thing, which relations there are, who
/// may be in them directly, and which follow from others.
public struct AuthorizationModel: Sendable, Hashable {
  public struct TypeDefinition: Sendable, Hashable {
    public var relations: [String: Relation]

    public init(relations: [String: Relation] = [:]) { self.relations = relations }
  }

  public struct Relation: Sendable, Hashable {
    public var rewrite: Rewrite
    /// Whom tuples of this relation may name; empty for a relation that only follows from others.
    public var direct: [Restriction]

    public init(_ rewrite: Rewrite, direct: [Restriction] = []) {
      self.rewrite = rewrite
      self.direct = direct
    }
  }

  /// Who is in a relation.
  public indirect enum Rewrite: Sendable, Hashable {
    /// Whom tuples name.
    case direct
    /// Whoever is in another relation to the same thing.
    case computed(String)
    /// Whoever is in `relation` to a thing that stands in `tupleset` to this one: `viewer from parent`.
    case from(tupleset: String, relation: String)
    case union([Rewrite])
    case intersection([Rewrite])
    case exclusion(base: Rewrite, subtracted: Rewrite)
  }

  /// One kind of subject that tuples may name: `user`, `user:*`, `group#member`, each with or without a condition.
  public struct Restriction: Sendable, Hashable {
    public var type: String
    public var relation: String?
    public var isWildcard: Bool
    public var condition: String?

    public init(_ type: String, relation: String? = nil, isWildcard: Bool = false, condition: String? = nil) {
      self.type = type
      self.relation = relation
      self.isWildcard = isWildcard
      self.condition = condition
    }

    func admits(_ subject: RelationSubject, condition name: String?) -> Bool {
      guard condition == name else { return false }
      return switch subject {
      case .object(let object): relation == nil && !isWildcard && object.type == type
      case .everyone(let type): isWildcard && type == self.type
      case .userset(let object, let relation): relation == self.relation && object.type == type
      }
    }
  }

  public let types: [String: TypeDefinition]
  public let conditions: [String: Condition]
  /// Which relations may follow from a change elsewhere; for listing objects.
  let dependents: RelationDependents

  /// - Throws: ``RetrievalError`` `model_invalid` when something is named that is not there, or a relation can never
  ///   hold.
  public init(types: [String: TypeDefinition], conditions: [String: Condition] = [:]) throws {
    self.types = types
    self.conditions = conditions
    dependents = RelationDependents(types)
    try ModelCheck(types: types, conditions: conditions).run()
  }

  /// Reads a model from its DSL or its JSON form, whichever `text` is.
  public init(_ text: String, file: String = "the model") throws {
    guard text.utf8.count <= 1 << 20 else {
      throw RetrievalError.invalidModel("The model has \(text.utf8.count) bytes; the limit is 1 MiB.", file: file)
    }
    if text.first(where: { !$0.isWhitespace }) == "{" {
      try self.init(json: text, file: file)
    } else {
      try self.init(dsl: text, file: file)
    }
  }

  func relation(_ relation: String, of type: String) -> Relation? { types[type]?.relations[relation] }

  /// Whether the model lets anybody write `tuple`; one written under an older model that does not fit counts for
  /// nothing.
  public func admits(_ tuple: RelationTuple) -> Bool {
    guard let relation = relation(tuple.relation, of: tuple.object.type) else { return false }
    return relation.direct.contains { $0.admits(tuple.subject, condition: tuple.condition?.name) }
  }
}

/// For each relation, those that may hold because it does: the model read backwards.
struct RelationDependents: Sendable, Hashable {
  struct Key: Sendable, Hashable {
    var type: String
    var relation: String
  }

  /// A relation that may follow. `isCertain`: it follows without anything else being asked, since there is no `and` and
  /// no `but not` on the way.
  struct Dependent: Sendable, Hashable {
    var type: String
    var relation: String
    /// For `from`: the relation that connects.
    var tupleset: String?
    var isCertain: Bool
  }

  /// By the relation that comes first.
  private(set) var computed: [Key: [Dependent]] = [:]
  /// By the name of the relation on the other side, whatever its type.
  private(set) var inherited: [String: [Dependent]] = [:]
  /// Relations whose tuples count, and whether they are enough.
  private(set) var direct: [Key: Bool] = [:]

  init(_ types: [String: AuthorizationModel.TypeDefinition]) {
    for (type, definition) in types {
      for (name, relation) in definition.relations { add(relation.rewrite, Key(type: type, relation: name), true) }
    }
  }

  private mutating func add(_ rewrite: AuthorizationModel.Rewrite, _ key: Key, _ isCertain: Bool) {
    let dependent = Dependent(type: key.type, relation: key.relation, tupleset: nil, isCertain: isCertain)
    switch rewrite {
    case .direct: direct[key] = (direct[key] ?? false) || isCertain
    case .computed(let relation): computed[Key(type: key.type, relation: relation), default: []].append(dependent)
    case .from(let tupleset, let relation):
      var dependent = dependent
      dependent.tupleset = tupleset
      inherited[relation, default: []].append(dependent)
    case .union(let parts): for part in parts { add(part, key, isCertain) }
    // Whatever holds is in each part, so that looking at one of them finds all.
    case .intersection(let parts): if let first = parts.first { add(first, key, parts.count == 1 && isCertain) }
    case .exclusion(let base, _): add(base, key, false)
    }
  }
}

/// Refuses models that name what is not there, or in which a relation can hold for nobody.
private struct ModelCheck {
  let types: [String: AuthorizationModel.TypeDefinition]
  let conditions: [String: Condition]

  func run() throws {
    for (type, definition) in types.sorted(by: { $0.key < $1.key }) {
      for (name, relation) in definition.relations.sorted(by: { $0.key < $1.key }) {
        guard !["self", "this"].contains(name) else { throw invalid("\(name) cannot be the name of a relation.") }
        for restriction in relation.direct { try check(restriction, "\(type)#\(name)") }
        let isDirect = contains(relation.rewrite)
        guard isDirect == !relation.direct.isEmpty else {
          throw invalid("\(type)#\(name) has tuples but does not say whose, or the other way round.")
        }
        try check(relation.rewrite, in: definition, of: type, "\(type)#\(name)")
      }
    }
    try checkEntries()
  }

  private func check(_ restriction: AuthorizationModel.Restriction, _ place: String) throws {
    guard let definition = types[restriction.type] else {
      throw invalid("\(place) names the type \(restriction.type), which is not defined.")
    }
    if let relation = restriction.relation, definition.relations[relation] == nil {
      throw invalid("\(place) names \(restriction.type)#\(relation), which is not defined.")
    }
    if let condition = restriction.condition, conditions[condition] == nil {
      throw invalid("\(place) names the condition \(condition), which is not defined.")
    }
  }

  private func check(
    _ rewrite: AuthorizationModel.Rewrite, in definition: AuthorizationModel.TypeDefinition, of type: String,
    _ place: String
  ) throws {
    switch rewrite {
    case .direct: break
    case .computed(let relation):
      guard definition.relations[relation] != nil else {
        throw invalid("\(place) names the relation \(relation), which \(type) does not have.")
      }
    case .from(let tupleset, let relation):
      guard let connecting = definition.relations[tupleset] else {
        throw invalid("\(place) names the relation \(tupleset), which \(type) does not have.")
      }
      guard connecting.rewrite == .direct, connecting.direct.allSatisfy({ $0.relation == nil && !$0.isWildcard }) else {
        throw invalid("\(place) goes through \(tupleset), which may only be direct, without #relation and :*.")
      }
      guard connecting.direct.contains(where: { types[$0.type]?.relations[relation] != nil }) else {
        throw invalid("\(place) wants \(relation) from \(tupleset), but no type there has such a relation.")
      }
    case .union(let parts), .intersection(let parts):
      for part in parts { try check(part, in: definition, of: type, place) }
    case .exclusion(let base, let subtracted):
      try check(base, in: definition, of: type, place)
      try check(subtracted, in: definition, of: type, place)
    }
  }

  private func contains(_ rewrite: AuthorizationModel.Rewrite) -> Bool {
    switch rewrite {
    case .direct: true
    case .computed, .from: false
    case .union(let parts), .intersection(let parts): parts.contains(where: contains)
    case .exclusion(let base, let subtracted): contains(base) || contains(subtracted)
    }
  }

  /// Each relation must be reachable by some tuple: the least fixed point of "somebody can be in it".
  private func checkEntries() throws {
    var possible: Set<RelationDependents.Key> = []
    var grows = true
    while grows {
      grows = false
      for (type, definition) in types {
        for (name, relation) in definition.relations {
          let key = RelationDependents.Key(type: type, relation: name)
          guard !possible.contains(key), isPossible(relation.rewrite, relation, definition, type, possible) else {
            continue
          }
          possible.insert(key)
          grows = true
        }
      }
    }
    for (type, definition) in types.sorted(by: { $0.key < $1.key }) {
      for name in definition.relations.keys.sorted()
      where !possible.contains(RelationDependents.Key(type: type, relation: name)) {
        throw invalid("Nobody can ever be in \(type)#\(name): it only refers to itself.")
      }
    }
  }

  private func isPossible(
    _ rewrite: AuthorizationModel.Rewrite, _ relation: AuthorizationModel.Relation,
    _ definition: AuthorizationModel.TypeDefinition, _ type: String, _ possible: Set<RelationDependents.Key>
  ) -> Bool {
    switch rewrite {
    case .direct:
      relation.direct.contains { restriction in
        restriction.relation.map { possible.contains(.init(type: restriction.type, relation: $0)) } ?? true
      }
    case .computed(let name): possible.contains(.init(type: type, relation: name))
    case .from(let tupleset, let name):
      definition.relations[tupleset]?.direct.contains { possible.contains(.init(type: $0.type, relation: name)) }
        ?? false
    case .union(let parts): parts.contains { isPossible($0, relation, definition, type, possible) }
    case .intersection(let parts): parts.allSatisfy { isPossible($0, relation, definition, type, possible) }
    case .exclusion(let base, _): isPossible(base, relation, definition, type, possible)
    }
  }

  private func invalid(_ message: String) -> RetrievalError { .invalidModel(message) }
}
