// Owns answering whether one subject stands in one relation to one thing: a search from the thing towards the subject.
import StrataCore

/// One check, or several of the same subject, which share what they found out.
struct CheckRun {
  enum Value: Sendable {
    case allowed
    case denied
    /// Not allowed as far as can be said, since the answer depends on itself.
    case circular
    case failed(RetrievalError)
  }

  struct Outcome {
    var value: Value
    /// The outermost and the innermost question under way that the answer depends on; nil when it is final.
    var open: ClosedRange<Int>?
    /// Whether the circle goes through a `but not`: then the answer has no meaning, and nobody is let in by it.
    var isContradictory = false

    static let allowed = Outcome(value: .allowed)
    static let denied = Outcome(value: .denied)
    static func failed(_ error: RetrievalError) -> Outcome { Outcome(value: .failed(error)) }
  }

  struct Question: Hashable {
    var object: RelationObject
    var relation: String
  }

  private let evaluator: RelationEvaluator
  private let subject: RelationSubject
  private var memory: [Question: Outcome] = [:]
  /// The questions under way, outermost first, and the place of each.
  private var path: [Question] = []
  private var places: [Question: Int] = [:]
  /// What is remembered only while the question at the same place of `path` is under way.
  private var passing: [[Question]] = []
  private var steps = 0

  init(_ evaluator: RelationEvaluator, _ subject: RelationSubject) {
    self.evaluator = evaluator
    self.subject = subject
  }

  mutating func check(_ object: RelationObject, _ relation: String, depth: Int) -> Outcome {
    if subject == .userset(object, relation: relation) { return .allowed }
    let question = Question(object: object, relation: relation)
    if let place = places[question] { return Outcome(value: .circular, open: place...place) }
    if let known = memory[question] { return known }
    // A type among several that a parent may have need not have the relation.
    guard let definition = evaluator.model.relation(relation, of: object.type) else { return .denied }
    steps += 1
    guard depth < evaluator.depthLimit, steps <= evaluator.stepLimit, path.count < 4096 else {
      return .failed(.relationTooDeep(object, relation))
    }
    places[question] = path.count
    path.append(question)
    passing.append([])
    var outcome = resolve(definition.rewrite, definition, object, relation, depth)
    path.removeLast()
    places[question] = nil
    let passed = passing.removeLast()
    settle(&outcome, question)
    release(passed, after: outcome)
    return outcome
  }

  /// Remembers what is final for good, and what depends on questions under way as long as they are.
  private mutating func settle(_ outcome: inout Outcome, _ question: Question) {
    let place = path.count
    if let open = outcome.open {
      if open.lowerBound >= place {
        outcome.open = nil
        // A circle of groups in groups adds nobody.
        if case .circular = outcome.value, !outcome.isContradictory { outcome.value = .denied }
      } else {
        let innermost = min(open.upperBound, place - 1)
        outcome.open = open.lowerBound...innermost
        passing[innermost].append(question)
      }
    }
    // A failure may be due to the depth at which it was met.
    if case .failed = outcome.value { return }
    memory[question] = outcome
  }

  /// What depended on the question that has just been answered. If it is not in, neither is what was waiting for it alone;
  /// what waits for others too goes on waiting. So each question is looked at once, however many circles there are.
  private mutating func release(_ waiting: [Question], after outcome: Outcome) {
    let place = path.count
    var isUseless = outcome.isContradictory
    switch outcome.value {
    case .allowed, .failed: isUseless = true
    case .denied, .circular: break
    }
    for question in waiting {
      guard !isUseless, var known = memory[question], !known.isContradictory, let open = known.open else {
        memory[question] = nil
        continue
      }
      let outermost = min(open.lowerBound, outcome.open?.lowerBound ?? open.lowerBound)
      if outermost >= place {
        known = .denied
      } else {
        known.open = outermost...(place - 1)
        passing[place - 1].append(question)
      }
      memory[question] = known
    }
  }

  private mutating func resolve(
    _ rewrite: AuthorizationModel.Rewrite, _ definition: AuthorizationModel.Relation, _ object: RelationObject,
    _ relation: String, _ depth: Int
  ) -> Outcome {
    switch rewrite {
    case .direct: return direct(definition, object, relation, depth)
    case .computed(let other): return check(object, other, depth: depth)
    case .from(let tupleset, let other): return inherited(tupleset, other, object, depth)
    case .union(let parts):
      var sum = AnyOf()
      for part in parts where sum.add(resolve(part, definition, object, relation, depth)) { return .allowed }
      return sum.outcome
    case .intersection(let parts):
      var product = AllOf()
      for part in parts where product.add(resolve(part, definition, object, relation, depth)) { return .denied }
      return product.outcome
    case .exclusion(let base, let subtracted):
      var product = AllOf()
      if product.add(resolve(base, definition, object, relation, depth)) { return .denied }
      var other = resolve(subtracted, definition, object, relation, depth)
      switch other.value {
      case .allowed: return .denied
      case .denied: other.value = .allowed
      case .circular: other.isContradictory = true
      case .failed: break
      }
      _ = product.add(other)
      return product.outcome
    }
  }

  /// Tuples that name the subject, everything of its type, or a userset that it is in.
  private mutating func direct(
    _ definition: AuthorizationModel.Relation, _ object: RelationObject, _ relation: String, _ depth: Int
  ) -> Outcome {
    var sum = AnyOf()
    var named = [subject]
    if case .object(let thing) = subject { named.append(.everyone(type: thing.type)) }
    for name in named {
      guard let tuple = evaluator.tuple(object, relation, name) else { continue }
      if sum.add(counts(tuple, definition)) { return .allowed }
    }
    guard definition.direct.contains(where: { $0.relation != nil }) else { return sum.outcome }
    for tuple in evaluator.usersets(of: object, relation) {
      guard case .userset(let group, let membership) = tuple.subject, tuple.subject != subject else { continue }
      if sum.add(follow(tuple, definition, group, membership, depth)) { return .allowed }
    }
    return sum.outcome
  }

  private mutating func inherited(
    _ tupleset: String, _ relation: String, _ object: RelationObject, _ depth: Int
  ) -> Outcome {
    guard let connecting = evaluator.model.relation(tupleset, of: object.type) else { return .denied }
    var sum = AnyOf()
    for tuple in evaluator.objects(of: object, tupleset) {
      guard case .object(let parent) = tuple.subject else { continue }
      if sum.add(follow(tuple, connecting, parent, relation, depth)) { return .allowed }
    }
    return sum.outcome
  }

  /// The tuple's condition, then what lies behind the tuple.
  private mutating func follow(
    _ tuple: RelationTuple, _ definition: AuthorizationModel.Relation, _ next: RelationObject, _ relation: String,
    _ depth: Int
  ) -> Outcome {
    let condition = counts(tuple, definition)
    if case .denied = condition.value { return condition }
    let behind = check(next, relation, depth: depth + 1)
    if case .failed = condition.value {
      // An unknown condition in front of what does not hold anyway does no harm.
      if case .allowed = behind.value { return condition }
    }
    return behind
  }

  private func counts(_ tuple: RelationTuple, _ definition: AuthorizationModel.Relation) -> Outcome {
    guard definition.direct.contains(where: { $0.admits(tuple.subject, condition: tuple.condition?.name) }) else {
      return .denied
    }
    do {
      return try evaluator.holds(tuple) ? .allowed : .denied
    } catch {
      return .failed(error)
    }
  }
}

/// `or` over four values: allowed wins, then a failure, then circular.
private struct AnyOf {
  private(set) var outcome = CheckRun.Outcome.denied

  /// - Returns: whether the answer is certain.
  mutating func add(_ other: CheckRun.Outcome) -> Bool {
    switch (other.value, outcome.value) {
    case (.allowed, _): return true
    case (.denied, _): break
    case (.failed, .failed): break
    case (.failed, _): outcome.value = other.value
    case (.circular, .denied): outcome.value = .circular
    case (.circular, _): break
    }
    outcome.add(circleOf: other)
    return false
  }
}

/// `and` over four values: denied wins, then circular, then a failure.
private struct AllOf {
  private(set) var outcome = CheckRun.Outcome.allowed

  /// - Returns: whether the answer is certain to be denied.
  mutating func add(_ other: CheckRun.Outcome) -> Bool {
    switch (other.value, outcome.value) {
    case (.denied, _): return true
    case (.allowed, _): break
    case (.circular, _): outcome.value = .circular
    case (.failed, .allowed): outcome.value = other.value
    case (.failed, _): break
    }
    outcome.add(circleOf: other)
    return false
  }
}

extension CheckRun.Outcome {
  fileprivate mutating func add(circleOf other: CheckRun.Outcome) {
    isContradictory = isContradictory || other.isContradictory
    guard let first = open, let second = other.open else {
      open = open ?? other.open
      return
    }
    open = min(first.lowerBound, second.lowerBound)...max(first.upperBound, second.upperBound)
  }
}
