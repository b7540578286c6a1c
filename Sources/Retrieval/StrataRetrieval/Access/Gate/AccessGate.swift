// Owns the decision who may read which document of a collection. Everything that shows documents asks here, and nothing
// else decides. Knows nothing about searching.
import Foundation
import StrataCore
import StrataIndex
import Synchronization

/// The one gate in front of a collection.
///
/// A collection without an authorization model is read by those whom its documents name (``Reader``: everyone, a user, a
/// group). With a model, relations alone decide: a principal reads `document:PATH` when `user:NAME` is in its relation
/// `can_read` (or `viewer`, where there is no `can_read`). Who is not let in by either is shut out.
///
/// Each decision is made at the newest revision of the store, so that what was revoked is gone for whoever asks after
/// the revoking call has returned, in this process or another.
public actor AccessGate {
  public nonisolated let collection: String
  let documents: any DocumentStore
  private let relations: (any RelationStore)?
  private let now: @Sendable () -> Date
  private var state = State()
  /// Made at the state's revision; forgotten with it.
  private var decisions: [Principal: AccessDecision] = [:]
  private static let decisionLimit = 4096

  private struct State {
    /// -1: nothing has been read yet.
    var revision: Int64 = -1
    var graph = RelationGraph()
    var model: GateModel?
    var tree = FolderTree([])
    /// The change of the collection up to which `tree` tells.
    var treeToken: Int64 = -1
  }

  /// - Parameters:
  ///   - store: a ``RelationStore`` too, where there are to be relations.
  ///   - now: what conditions get as `current_time`.
  public init(
    store: any DocumentStore, collection: String = "default", now: @escaping @Sendable () -> Date = { Date() }
  ) {
    documents = store
    relations = store as? any RelationStore
    self.collection = collection
    self.now = now
  }

  /// What `principal` may read now.
  /// - Parameter token: a revision that the decision must not be older than, as a write returned it.
  /// - Throws: ``RetrievalError`` `access_revision_unknown` when the store has not got that far.
  public func decision(for principal: Principal, atLeast token: Int64? = nil) async throws -> AccessDecision {
    try await synchronize()
    if let token, token > max(0, state.revision) {
      throw RetrievalError.unknownRevision(token, newest: max(0, state.revision))
    }
    guard let model = state.model else {
      return AccessDecision(
        collection: collection, principal: principal, revision: max(0, state.revision), documents: nil)
    }
    if let known = decisions[principal] { return known }
    let listing = try evaluator(model, for: principal).list(
      DocumentObject.documentType, model.relation, for: .object(DocumentObject.user(principal.user)))
    let decision = AccessDecision(
      collection: collection, principal: principal, revision: state.revision,
      documents: Set(listing.objects.compactMap(DocumentObject.path)))
    // What depends on the time is true for now only.
    guard !model.usesClock else { return decision }
    if decisions.count >= Self.decisionLimit { decisions.removeAll() }
    decisions[principal] = decision
    return decision
  }

  /// An evaluator over the relations of now, as `principal` would meet them; nil when the collection has no model.
  public func evaluator(for principal: Principal) async throws -> RelationEvaluator? {
    try await synchronize()
    return try state.model.map { try evaluator($0, for: principal) }
  }

  /// The model in force; nil when documents name their readers themselves.
  public func model() async throws -> AuthorizationModel? {
    try await synchronize()
    return state.model?.model
  }

  /// Who may read a document, for people to see: readers as the document names them, or the users that tuples name,
  /// `user:*` among them when everybody may.
  /// - Parameter context: for conditions; what they cannot decide is left out.
  public func readers(of record: DocumentRecord, context: JSONObject = [:]) async throws -> [String] {
    try await synchronize()
    guard let model = state.model else { return record.readers.map(\.description) }
    let nobody = Principal(user: "", attributes: context)
    return try evaluator(model, for: nobody).subjects(
      DocumentObject.document(record.path), model.relation, matching: .init(type: "user")
    ).map(\.description)
  }

  /// - Throws: ``RetrievalError`` `model_invalid` when documents could not be gated by this model.
  public static func validate(model text: String, file: String) throws { _ = try GateModel(text, file: file) }

  /// Makes a document that is handed in `reader`'s own, before it is there.
  /// - Returns: whom the document itself is to name: `reader`, or nobody where relations decide.
  /// - Throws: ``RetrievalError`` `access_not_grantable` when the model has no relation for that.
  public func claim(_ path: String, for reader: Reader) async throws -> [Reader] {
    try await synchronize()
    guard let model = state.model, let relations else { return [reader] }
    guard let tuple = model.ownership(of: path, by: reader) else { throw RetrievalError.notGrantable(path, to: reader) }
    try await relations.writeRelations([tuple], in: collection)
    return []
  }

  /// Whether the document was handed in for `reader`.
  public func isClaimed(_ record: DocumentRecord, by reader: Reader) async throws -> Bool {
    try await synchronize()
    guard let model = state.model else { return record.readers == [reader] }
    guard let tuple = model.ownership(of: record.path, by: reader) else { return false }
    return state.graph.tuple(tuple.object, tuple.relation, tuple.subject) != nil
  }

  /// Forgets whoever was named for a document that is no more, so that nothing of it passes on to another of its name.
  public func disclaim(_ path: String) async throws {
    try await synchronize()
    let tuples = state.graph.tuples(about: DocumentObject.document(path))
    guard let relations, !tuples.isEmpty else { return }
    try await relations.deleteRelations(tuples, in: collection)
  }

  private func evaluator(_ model: GateModel, for principal: Principal) throws -> RelationEvaluator {
    var context = principal.attributes
    context["current_time"] = .string(now().formatted(Date.ISO8601FormatStyle(includingFractionalSeconds: true)))
    let reader: any RelationReader =
      model.usesFolders ? FolderReader(written: state.graph, tree: state.tree) : state.graph
    return try RelationEvaluator(
      model.model, reader, contextual: model.memberships(of: principal), context: context, depthLimit: 100)
  }

  // MARK: Following the store

  /// Brings the state at least to what is the store's newest revision at the time of the call. Calls may overlap: what
  /// was read while another call changed the state is thrown away.
  private func synchronize() async throws {
    guard let relations else { return }
    while true {
      let newest = try await relations.relationRevision(in: collection)
      let seen = state.revision
      if seen == newest { break }
      if seen >= 0, let changes = try await relations.relationChanges(since: seen, in: collection) {
        if state.revision == seen { try apply(changes) }
      } else {
        let fresh = try await relations.relations(in: collection)
        if state.revision == seen { try replace(with: fresh) }
      }
      if state.revision >= newest { break }
    }
    guard state.model?.usesFolders == true, let feed = documents as? any ChangeFeed else { return }
    let token = try await feed.changeToken(in: collection)
    while state.treeToken < token {
      let known = state.treeToken
      let paths = try await relations.documentPaths(in: collection)
      guard state.treeToken == known else { continue }
      state.tree = FolderTree(paths)
      for folder in state.graph.subjects(ofType: DocumentObject.folderType) { state.tree.insert(folder) }
      state.treeToken = token
      decisions.removeAll()
    }
  }

  private func replace(with fresh: RelationState) throws {
    let model = try fresh.model.map { try GateModel($0) }
    state.graph = RelationGraph(fresh.tuples)
    state.model = model
    state.revision = fresh.revision
    state.treeToken = -1
    decisions.removeAll()
  }

  private func apply(_ changes: RelationChanges) throws {
    // A model that cannot be read lets nobody in: the error comes again with each question.
    if let model = changes.model { state.model = try model.text.map { try GateModel($0) } }
    for change in changes.changes {
      switch change {
      case .written(let tuple):
        state.graph.insert(tuple)
        if case .object(let holder) = tuple.subject { state.tree.insert(holder) }
      case .deleted(let tuple): state.graph.remove(tuple)
      }
    }
    state.revision = changes.revision
    decisions.removeAll()
  }
}

/// What one principal may read, as of one revision.
public struct AccessDecision: Sendable {
  public let collection: String
  public let principal: Principal
  /// Of the relations; 0 for a collection that never had any.
  public let revision: Int64
  /// Nil when documents name their readers themselves.
  let documents: Set<String>?
  private let compiled = CompiledAccess()

  /// Whether the principal may read the document, all its versions included.
  public func mayRead(_ record: DocumentRecord) -> Bool {
    record.collection == collection
      && (documents.map { $0.contains(record.path) } ?? principal.mayRead(record.readers))
  }

  /// Whether the principal may see what names these readers and is no document. Nobody may where relations decide, since
  /// those know documents only.
  public func mayRead(_ readers: [Reader]) -> Bool { documents == nil && principal.mayRead(readers) }

  /// The chunks that a search may look at. Without further conditions they are compiled once for each state of the
  /// index.
  ///
  /// - Parameters:
  ///   - filter: when given, only chunks whose fields satisfy it.
  ///   - chosen: when given, only chunks of these documents.
  public func readable(
    in snapshot: IndexSnapshot, matching filter: Filter? = nil, inDocuments chosen: Set<String>? = nil
  ) -> ChunkBitmap {
    guard let documents else { return snapshot.readable(by: principal, matching: filter, inDocuments: chosen) }
    guard filter == nil, chosen == nil else {
      return snapshot.chunks(
        ofDocuments: chosen.map(documents.intersection) ?? documents, matching: filter)
    }
    return compiled.bitmap(of: snapshot.state) { snapshot.chunks(ofDocuments: documents) }
  }
}

/// The newest bitmap of a decision.
private final class CompiledAccess: Sendable {
  private let newest = Mutex<(state: UInt64, bitmap: ChunkBitmap)?>(nil)

  func bitmap(of state: UInt64, _ compile: () -> ChunkBitmap) -> ChunkBitmap {
    if let newest = newest.withLock({ $0 }), newest.state == state { return newest.bitmap }
    let bitmap = compile()
    newest.withLock { $0 = (state, bitmap) }
    return bitmap
  }
}
