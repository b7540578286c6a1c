// Owns tuples in memory, found by either end. Knows nothing about what follows from them.
import StrataCore

/// Where an evaluator finds tuples. All calls of one evaluation must see the same tuples.
public protocol RelationReader: Sendable {
  func tuple(_ object: RelationObject, _ relation: String, _ subject: RelationSubject) -> RelationTuple?
  /// Those that name a userset.
  func usersets(of object: RelationObject, _ relation: String) -> [RelationTuple]
  /// Those that name one thing or everything of a type.
  func objects(of object: RelationObject, _ relation: String) -> [RelationTuple]
  func tuples(to subject: RelationSubject) -> [RelationTuple]
}

/// Tuples in two dictionaries: by object and relation, and by subject.
public struct RelationGraph: RelationReader {
  private struct Node: Hashable, Sendable {
    var object: RelationObject
    var relation: String
  }

  private struct Edges: Sendable {
    var objects: [RelationSubject: RelationCondition?] = [:]
    var usersets: [RelationSubject: RelationCondition?] = [:]

    subscript(subject: RelationSubject) -> RelationCondition?? {
      get { if case .userset = subject { usersets[subject] } else { objects[subject] } }
      set { if case .userset = subject { usersets[subject] = newValue } else { objects[subject] = newValue } }
    }
  }

  private var forward: [Node: Edges] = [:]
  private var backward: [RelationSubject: Set<Node>] = [:]
  public private(set) var count = 0

  public init(_ tuples: some Sequence<RelationTuple> = []) {
    for tuple in tuples { insert(tuple) }
  }

  /// A tuple with the same object, relation and subject is replaced.
  public mutating func insert(_ tuple: RelationTuple) {
    let node = Node(object: tuple.object, relation: tuple.relation)
    if forward[node, default: Edges()][tuple.subject] == nil { count += 1 }
    forward[node, default: Edges()][tuple.subject] = .some(tuple.condition)
    backward[tuple.subject, default: []].insert(node)
  }

  /// Whatever its condition.
  public mutating func remove(_ tuple: RelationTuple) {
    let node = Node(object: tuple.object, relation: tuple.relation)
    guard forward[node]?[tuple.subject] != nil else { return }
    count -= 1
    forward[node]?[tuple.subject] = nil
    if let edges = forward[node], edges.objects.isEmpty, edges.usersets.isEmpty { forward[node] = nil }
    backward[tuple.subject]?.remove(node)
    if backward[tuple.subject]?.isEmpty == true { backward[tuple.subject] = nil }
  }

  /// Single things of `type` that tuples name as subjects.
  func subjects(ofType type: String) -> [RelationObject] {
    backward.keys.compactMap { subject in
      guard case .object(let object) = subject, object.type == type else { return nil }
      return object
    }
  }

  public func tuple(_ object: RelationObject, _ relation: String, _ subject: RelationSubject) -> RelationTuple? {
    guard let condition = forward[Node(object: object, relation: relation)]?[subject] else { return nil }
    return RelationTuple(object, relation, subject, condition: condition)
  }

  public func usersets(of object: RelationObject, _ relation: String) -> [RelationTuple] {
    forward[Node(object: object, relation: relation)]?.usersets.map {
      RelationTuple(object, relation, $0.key, condition: $0.value)
    } ?? []
  }

  public func objects(of object: RelationObject, _ relation: String) -> [RelationTuple] {
    forward[Node(object: object, relation: relation)]?.objects.map {
      RelationTuple(object, relation, $0.key, condition: $0.value)
    } ?? []
  }

  public func tuples(to subject: RelationSubject) -> [RelationTuple] {
    backward[subject]?.map { node in
      RelationTuple(node.object, node.relation, subject, condition: forward[node]?[subject] ?? nil)
    } ?? []
  }

  /// Those whose object this is. Looks at all tuples.
  func tuples(about object: RelationObject) -> [RelationTuple] { tuples.filter { $0.object == object } }

  /// All of them, in no order.
  public var tuples: [RelationTuple] {
    forward.flatMap { node, edges in
      (Array(edges.objects) + Array(edges.usersets)).map {
        RelationTuple(node.object, node.relation, $0.key, condition: $0.value)
      }
    }
  }
}
