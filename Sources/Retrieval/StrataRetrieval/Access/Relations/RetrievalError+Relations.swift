// Owns what can be wrong with models, tuples and questions about them.
import StrataCore

extension RetrievalError {
  /// The authorization model cannot be understood, or contradicts itself.
  public static let invalidModel = ErrorCode("model_invalid", .invalidInput)
  /// A question or a tuple names what the model does not have or does not admit.
  public static let invalidRelationRequest = ErrorCode("relation_invalid", .invalidInput)
  /// A tuple that came with a question does not fit the model.
  public static let invalidContextualTuple = ErrorCode("relation_invalid_contextual_tuple", .invalidInput)
  public static let unknownRelationType = ErrorCode("relation_unknown_type", .invalidInput)
  public static let unknownRelation = ErrorCode("relation_unknown", .invalidInput)
  /// A condition has no value: a parameter is missing or of the wrong type.
  public static let conditionFailed = ErrorCode("relation_condition_failed", .invalidInput)
  /// The answer lies behind too many usersets and parents.
  public static let relationTooDeep = ErrorCode("relation_too_complex", .exhausted)

  static func invalidModel(
    _ message: String, line: Int? = nil, file: String? = nil, remedy: String? = nil
  ) -> RetrievalError {
    let location = file.map { file in line.map { "\(file), line \($0)" } ?? file }
    return RetrievalError(invalidModel, message, remedy: remedy, location: location)
  }

  /// A consistency token from another store, or from one that has lost writes since.
  public static let unknownRevision = ErrorCode("access_revision_unknown", .conflict)
  /// The model has no relation by which the document could be given to somebody.
  public static let notGrantable = ErrorCode("access_not_grantable", .permissionDenied)

  static func unknownRevision(_ revision: Int64, newest: Int64) -> RetrievalError {
    RetrievalError(
      unknownRevision, "Revision \(revision) is wanted, but the store is at \(newest).",
      remedy: "Take the token that this store's last write returned.")
  }

  static func notGrantable(_ path: String, to reader: Reader) -> RetrievalError {
    RetrievalError(
      notGrantable, "The authorization model does not let \(reader) own or read single documents.",
      remedy: "Let tuples name users in the relation owner of document.", location: path)
  }

  static func invalidRelationRequest(_ message: String, tuple: RelationTuple? = nil) -> RetrievalError {
    RetrievalError(
      invalidRelationRequest, message, remedy: "See what the model has: strata access model",
      location: tuple?.description)
  }

  static func invalidContextualTuple(_ message: String, tuple: RelationTuple) -> RetrievalError {
    RetrievalError(invalidContextualTuple, message, location: tuple.description)
  }

  static func unknownRelationType(_ type: String) -> RetrievalError {
    RetrievalError(unknownRelationType, "The model has no type \(type).")
  }

  static func unknownRelation(_ relation: String, of type: String) -> RetrievalError {
    RetrievalError(unknownRelation, "The type \(type) has no relation \(relation).")
  }

  static func conditionFailed(_ message: String, tuple: RelationTuple) -> RetrievalError {
    RetrievalError(
      conditionFailed, "A condition cannot be decided: \(message)",
      remedy: "Give the parameter with the question, or in the tuple.", location: tuple.description)
  }

  static func relationTooDeep(_ object: RelationObject, _ relation: String) -> RetrievalError {
    RetrievalError(
      relationTooDeep, "Who is in \(object)#\(relation) lies behind too many groups or parents.",
      remedy: "Make the chain of groups or parents shorter.")
  }
}
