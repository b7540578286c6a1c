// Owns listing: all things that a subject stands in a relation to, and all subjects that do.
import StrataCore

extension RelationEvaluator {
  /// What came out of listing, including what could not be decided.
  struct Listing {
    var objects: Set<String>
    /// The first thing that could not be decided and therefore is not in the list.
    var failure: RetrievalError?
  }

  /// The things of `type` that `subject` stands in `relation` to, in order.
  /// - Throws: ``RetrievalError``: the model lacks what is asked for, or something cannot be decided.
  public func objects(ofType type: String, _ relation: String, for subject: RelationSubject) throws -> [RelationObject]
  {
    try requireRelation(relation, of: type)
    try validate(subject)
    let listing = list(type, relation, for: subject)
    if let failure = listing.failure { throw failure }
    return listing.objects.map { RelationObject(type: type, id: $0) }.sorted()
  }

  private func requireRelation(_ relation: String, of type: String) throws {
    guard let definition = model.types[type] else { throw RetrievalError.unknownRelationType(type) }
    guard definition.relations[relation] != nil else { throw RetrievalError.unknownRelation(relation, of: type) }
  }

  /// From the subject outwards: each relation that holds is looked at once, and what may follow from it is asked about
  /// (or taken for granted where the model says so).
  /// - Complexity: O(tuples reached), plus a check for each thing behind an `and` or a `but not`.
  func list(_ type: String, _ relation: String, for subject: RelationSubject) -> Listing {
    var run = ListRun(self, subject, goal: relevant(RelationDependents.Key(type: type, relation: relation)))
    run.start()
    while run.advance() {}
    var objects: Set<String> = []
    for fact in run.facts where fact.relation == relation && fact.object.type == type { objects.insert(fact.object.id) }
    return Listing(objects: objects, failure: run.failure)
  }

  /// The relations from which `key` may follow: listing passes over all others.
  private func relevant(_ key: RelationDependents.Key) -> Set<RelationDependents.Key> {
    var found: Set<RelationDependents.Key> = [key]
    var rest = [key]
    func add(_ key: RelationDependents.Key) { if found.insert(key).inserted { rest.append(key) } }
    while let key = rest.popLast() {
      guard let relation = model.relation(key.relation, of: key.type) else { continue }
      for restriction in relation.direct {
        if let name = restriction.relation { add(.init(type: restriction.type, relation: name)) }
      }
      var rewrites = [relation.rewrite]
      while let rewrite = rewrites.popLast() {
        switch rewrite {
        case .direct: break
        case .computed(let name): add(.init(type: key.type, relation: name))
        case .from(let tupleset, let name):
          for restriction in model.relation(tupleset, of: key.type)?.direct ?? [] {
            add(.init(type: restriction.type, relation: name))
          }
        case .union(let parts), .intersection(let parts): rewrites += parts
        case .exclusion(let base, _): rewrites.append(base)
        }
      }
    }
    return found
  }

  // MARK: Subjects

  /// Which subjects a list is to name.
  public struct SubjectFilter: Sendable, Hashable {
    public var type: String
    /// For usersets.
    public var relation: String?

    public init(type: String, relation: String? = nil) {
      self.type = type
      self.relation = relation
    }
  }

  /// The subjects of one kind that stand in `relation` to `object`: those that some tuple names. When `user:*` is among
  /// them, all others of the type stand in it too, but those that are named in a `but not`.
  /// - Throws: ``RetrievalError``.
  public func subjects(
    _ object: RelationObject, _ relation: String, matching filter: SubjectFilter
  ) throws -> [RelationSubject] {
    try requireRelation(relation, of: object.type)
    guard let definition = model.types[filter.type] else { throw RetrievalError.unknownRelationType(filter.type) }
    if let wanted = filter.relation, definition.relations[wanted] == nil {
      throw RetrievalError.unknownRelation(wanted, of: filter.type)
    }
    var found: [RelationSubject] = []
    for candidate in candidates(object, relation, filter) where try check(object, relation, candidate) {
      found.append(candidate)
    }
    return found.sorted { $0.description < $1.description }
  }

  /// Every matching subject that is met on the way from the thing, whether or not it stands in the relation.
  private func candidates(
    _ object: RelationObject, _ relation: String, _ filter: SubjectFilter
  ) -> Set<RelationSubject> {
    var found: Set<RelationSubject> = []
    var seen: Set<CheckRun.Question> = []
    var rest = [CheckRun.Question(object: object, relation: relation)]
    while let question = rest.popLast() {
      guard seen.insert(question).inserted, seen.count <= stepLimit,
        let definition = model.relation(question.relation, of: question.object.type)
      else { continue }
      if filter.relation == question.relation, filter.type == question.object.type {
        found.insert(.userset(question.object, relation: question.relation))
      }
      var rewrites = [definition.rewrite]
      while let rewrite = rewrites.popLast() {
        switch rewrite {
        case .direct:
          for tuple in usersets(of: question.object, question.relation) {
            guard case .userset(let group, let membership) = tuple.subject else { continue }
            rest.append(.init(object: group, relation: membership))
          }
          guard filter.relation == nil else { continue }
          for tuple in objects(of: question.object, question.relation) where tuple.subject.type == filter.type {
            found.insert(tuple.subject)
          }
        case .computed(let name): rest.append(.init(object: question.object, relation: name))
        case .from(let tupleset, let name):
          for tuple in objects(of: question.object, tupleset) {
            if case .object(let parent) = tuple.subject { rest.append(.init(object: parent, relation: name)) }
          }
        case .union(let parts), .intersection(let parts): rewrites += parts
        case .exclusion(let base, _): rewrites.append(base)
        }
      }
    }
    return found
  }
}

/// The worklist of one listing.
private struct ListRun {
  private let evaluator: RelationEvaluator
  private let subject: RelationSubject
  private let goal: Set<RelationDependents.Key>
  private var checks: CheckRun
  /// What is known to hold.
  private(set) var facts: Set<CheckRun.Question> = []
  private var rest: [CheckRun.Question] = []
  /// Asked about already, and found not to hold.
  private var refused: Set<CheckRun.Question> = []
  private(set) var failure: RetrievalError?

  init(_ evaluator: RelationEvaluator, _ subject: RelationSubject, goal: Set<RelationDependents.Key>) {
    self.evaluator = evaluator
    self.subject = subject
    self.goal = goal
    checks = CheckRun(evaluator, subject)
  }

  mutating func start() {
    follow(evaluator.tuples(to: subject))
    switch subject {
    case .object(let object): follow(evaluator.tuples(to: .everyone(type: object.type)))
    case .userset(let object, let relation): hold(CheckRun.Question(object: object, relation: relation))
    case .everyone: break
    }
  }

  /// - Returns: whether there was something left to do.
  mutating func advance() -> Bool {
    guard let fact = rest.popLast() else { return false }
    guard facts.count <= evaluator.stepLimit else {
      failure = failure ?? .relationTooDeep(fact.object, fact.relation)
      return false
    }
    let dependents = evaluator.model.dependents
    follow(evaluator.tuples(to: .userset(fact.object, relation: fact.relation)))
    for dependent in dependents.computed[.init(type: fact.object.type, relation: fact.relation)] ?? [] {
      consider(.init(object: fact.object, relation: dependent.relation), isCertain: dependent.isCertain)
    }
    guard let inherited = dependents.inherited[fact.relation] else { return true }
    for tuple in evaluator.tuples(to: .object(fact.object)) {
      for dependent in inherited where dependent.type == tuple.object.type && dependent.tupleset == tuple.relation {
        guard counts(tuple) else { continue }
        consider(.init(object: tuple.object, relation: dependent.relation), isCertain: dependent.isCertain)
      }
    }
    return true
  }

  /// Tuples that name something in which the subject is.
  private mutating func follow(_ tuples: [RelationTuple]) {
    for tuple in tuples {
      let key = RelationDependents.Key(type: tuple.object.type, relation: tuple.relation)
      guard goal.contains(key), let isEnough = evaluator.model.dependents.direct[key], counts(tuple) else { continue }
      consider(.init(object: tuple.object, relation: tuple.relation), isCertain: isEnough)
    }
  }

  private mutating func consider(_ question: CheckRun.Question, isCertain: Bool) {
    guard goal.contains(.init(type: question.object.type, relation: question.relation)), !facts.contains(question)
    else { return }
    if isCertain { return hold(question) }
    guard !refused.contains(question) else { return }
    switch checks.check(question.object, question.relation, depth: 0).value {
    case .allowed: hold(question)
    case .denied, .circular: refused.insert(question)
    case .failed(let error):
      refused.insert(question)
      failure = failure ?? error
    }
  }

  private mutating func hold(_ question: CheckRun.Question) {
    if facts.insert(question).inserted { rest.append(question) }
  }

  private mutating func counts(_ tuple: RelationTuple) -> Bool {
    guard evaluator.model.admits(tuple) else { return false }
    do {
      return try evaluator.holds(tuple)
    } catch {
      failure = failure ?? error
      return false
    }
  }
}
