// Owns asking a model: validation of what is asked, and the three questions. How each is answered is in the facets.
// Knows nothing about stores or documents.
import StrataCore

/// Answers what follows from tuples under a model.
///
/// Meaning, as in OpenFGA: a tuple counts if the model admits it and its condition holds; `or`, `and`, `but not`
/// combine. Groups may contain each other in circles, which adds nobody. Where a circle goes through a `but not`, so
/// that something would hold just because it does not, nobody is let in (the well-founded semantics of Van Gelder, Ross
/// and Schlipf 1991 calls that undefined).
public struct RelationEvaluator: Sendable {
  public let model: AuthorizationModel
  /// Values of condition parameters that tuples leave open. A tuple's own value goes first.
  public let context: JSONObject
  /// How many usersets and parents may be followed one after the other.
  public let depthLimit: Int
  /// How many relations of things one question may look at.
  public let stepLimit: Int

  let stored: any RelationReader
  let contextual: RelationGraph?

  /// - Parameters:
  ///   - contextual: tuples that count for this evaluator only.
  /// - Throws: ``RetrievalError`` `relation_invalid_contextual_tuple` when the model does not admit one of them.
  public init(
    _ model: AuthorizationModel, _ reader: any RelationReader, contextual: [RelationTuple] = [],
    context: JSONObject = [:], depthLimit: Int = 25, stepLimit: Int = 1_000_000
  ) throws {
    self.model = model
    self.context = context
    self.depthLimit = depthLimit
    self.stepLimit = stepLimit
    stored = reader
    for tuple in contextual {
      try model.validate(tuple) { RetrievalError.invalidContextualTuple($0, tuple: tuple) }
    }
    self.contextual = contextual.isEmpty ? nil : RelationGraph(contextual)
  }

  /// Whether `subject` stands in `relation` to `object`.
  /// - Throws: ``RetrievalError``: the model lacks what is asked for, a condition lacks a parameter that matters, or the
  ///   answer lies too deep.
  public func check(_ object: RelationObject, _ relation: String, _ subject: RelationSubject) throws -> Bool {
    guard let definition = model.types[object.type] else {
      throw RetrievalError.invalidRelationRequest("The model has no type \(object.type).")
    }
    guard definition.relations[relation] != nil else {
      throw RetrievalError.invalidRelationRequest("The type \(object.type) has no relation \(relation).")
    }
    try validate(subject)
    var run = CheckRun(self, subject)
    switch run.check(object, relation, depth: 0).value {
    case .allowed: return true
    case .denied, .circular: return false
    case .failed(let error): throw error
    }
  }

  func validate(_ subject: RelationSubject) throws {
    try model.validate(subject) { RetrievalError.invalidRelationRequest($0) }
  }

  // MARK: Tuples that count

  func tuple(_ object: RelationObject, _ relation: String, _ subject: RelationSubject) -> RelationTuple? {
    contextual?.tuple(object, relation, subject) ?? stored.tuple(object, relation, subject)
  }

  func usersets(of object: RelationObject, _ relation: String) -> [RelationTuple] {
    guard let contextual else { return stored.usersets(of: object, relation) }
    return merged(contextual.usersets(of: object, relation), stored.usersets(of: object, relation))
  }

  func objects(of object: RelationObject, _ relation: String) -> [RelationTuple] {
    guard let contextual else { return stored.objects(of: object, relation) }
    return merged(contextual.objects(of: object, relation), stored.objects(of: object, relation))
  }

  func tuples(to subject: RelationSubject) -> [RelationTuple] {
    guard let contextual else { return stored.tuples(to: subject) }
    return merged(contextual.tuples(to: subject), stored.tuples(to: subject))
  }

  private func merged(_ first: [RelationTuple], _ second: [RelationTuple]) -> [RelationTuple] {
    if first.isEmpty { return second }
    let known = Set(first.map(\.key))
    return first + second.filter { !known.contains($0.key) }
  }

  /// Whether the tuple's condition holds.
  func holds(_ tuple: RelationTuple) throws(RetrievalError) -> Bool {
    guard let named = tuple.condition else { return true }
    guard let condition = model.conditions[named.name] else { return false }
    do {
      return try condition.holds(in: named.context, context)
    } catch {
      throw RetrievalError.conditionFailed(error.message, tuple: tuple)
    }
  }
}

extension AuthorizationModel {
  /// - Throws: ``RetrievalError`` `relation_invalid` that says why the model does not let anybody write the tuple.
  public func requireAdmits(_ tuple: RelationTuple) throws {
    try validate(tuple) { .invalidRelationRequest($0, tuple: tuple) }
  }

  /// - Parameter failure: makes an error of a sentence that says what the model does not admit.
  func validate(_ tuple: RelationTuple, _ failure: (String) -> RetrievalError) throws {
    guard let definition = types[tuple.object.type] else {
      throw failure("The model has no type \(tuple.object.type).")
    }
    guard let relation = definition.relations[tuple.relation] else {
      throw failure("The type \(tuple.object.type) has no relation \(tuple.relation).")
    }
    try validate(tuple.subject, failure)
    guard relation.direct.contains(where: { $0.admits(tuple.subject, condition: tuple.condition?.name) }) else {
      let given = tuple.condition.map { "\(tuple.subject) with \($0.name)" } ?? tuple.subject.description
      throw failure("\(tuple.object.type)#\(tuple.relation) admits no tuples that name \(given).")
    }
    if let named = tuple.condition, let condition = conditions[named.name] {
      for (key, value) in named.context {
        guard let parameter = condition.parameters[key] else {
          throw failure("The condition \(named.name) has no parameter \(key).")
        }
        do { _ = try parameter.value(of: value, key) } catch { throw failure(error.message) }
      }
    }
  }

  func validate(_ subject: RelationSubject, _ failure: (String) -> RetrievalError) throws {
    guard let definition = types[subject.type] else { throw failure("The model has no type \(subject.type).") }
    if case .userset(_, let relation) = subject, definition.relations[relation] == nil {
      throw failure("The type \(subject.type) has no relation \(relation).")
    }
  }
}
