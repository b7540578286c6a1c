// Owns what the gate needs to know of an authorization model: which of its relations means reading.
import StrataCore

/// An authorization model that documents can be gated by.
struct GateModel: Sendable {
  let model: AuthorizationModel
  /// The relation of `document` that means reading.
  let relation: String
  /// Whether paths imply `parent` relations.
  let usesFolders: Bool
  /// Whether answers change as time goes by.
  let usesClock: Bool

  /// - Throws: ``RetrievalError`` `model_invalid`, also when the model does not say who reads documents.
  init(_ text: String, file: String = "the model") throws {
    let model = try AuthorizationModel(text, file: file)
    guard let document = model.types[DocumentObject.documentType],
      let relation = ["can_read", "viewer"].first(where: { document.relations[$0] != nil }), model.types["user"] != nil
    else {
      throw RetrievalError.invalidModel(
        "The model does not say who reads documents.", file: file,
        remedy: "Define the types user and document, and in document the relation can_read or viewer.")
    }
    self.model = model
    self.relation = relation
    let folder = AuthorizationModel.Restriction(DocumentObject.folderType)
    usesFolders = [DocumentObject.documentType, DocumentObject.folderType].contains {
      model.types[$0]?.relations[FolderTree.relation]?.direct.contains(folder) == true
    }
    usesClock = model.conditions.values.contains { $0.parameters["current_time"] != nil }
  }

  /// The groups that come with the principal (from the API key or the folder's access file), as tuples.
  func memberships(of principal: Principal) -> [RelationTuple] {
    let user = RelationSubject.object(DocumentObject.user(principal.user))
    return principal.groups.map { RelationTuple(DocumentObject.group($0), "member", user) }.filter(model.admits)
  }

  /// The tuple that makes a document somebody's own, or everybody's: by `owner` where the model lets people be owners,
  /// else by the relation that means reading.
  func ownership(of path: String, by reader: Reader) -> RelationTuple? {
    let subject: RelationSubject
    switch reader {
    case .everyone: subject = .everyone(type: "user")
    case .user(let name): subject = .object(DocumentObject.user(name))
    case .group(let name): subject = .userset(DocumentObject.group(name), relation: "member")
    }
    return ["owner", relation, "viewer"].lazy
      .map { RelationTuple(DocumentObject.document(path), $0, subject) }.first(where: model.admits)
  }
}
