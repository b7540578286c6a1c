// Owns reading objects, subjects and tuples that somebody wrote, with an error that says what is wrong.
import StrataCore

/// Text forms of relations, as commands and requests give them.
public enum RelationText {
  /// - Throws: ``RetrievalError`` `relation_invalid`.
  public static func object(_ text: String) throws -> RelationObject {
    guard let object = RelationObject(text) else {
      throw RetrievalError.invalidRelationRequest("\(text) is no object: write type:id.")
    }
    return object
  }

  /// - Throws: ``RetrievalError`` `relation_invalid`.
  public static func subject(_ text: String) throws -> RelationSubject {
    guard let subject = RelationSubject(text) else {
      throw RetrievalError.invalidRelationRequest("\(text) is no subject: write type:id, type:* or type:id#relation.")
    }
    return subject
  }

  /// - Throws: ``RetrievalError`` `relation_invalid`.
  public static func tuple(_ text: String) throws -> RelationTuple {
    guard let tuple = RelationTuple(text) else {
      throw RetrievalError.invalidRelationRequest("\(text) is no tuple: write type:id#relation@subject.")
    }
    return tuple
  }
}
