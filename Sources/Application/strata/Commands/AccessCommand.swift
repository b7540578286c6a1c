// Owns `strata access`: who may read what, and changing it.
import ArgumentParser
import Foundation
import StrataCore
import StrataRetrieval
import StrataStore

struct AccessCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "access", abstract: "See and change who may read which document.",
    discussion: """
      A collection's documents name their readers (.strata-acl.yaml in the folder), unless the collection has an
      authorization model: then relations decide. See docs/permissions.md.

        strata access model Examples/relations/model.fga
        strata access grant folder:people#viewer@group:people-team#member
        strata access check document:people/pay.md --as lena
      """,
    subcommands: [AccessCheck.self, AccessList.self, AccessGrant.self, AccessRevoke.self, AccessModel.self])
}

/// The parts that all of these commands need: no model is loaded for them.
private struct AccessWiring {
  let store: SQLiteStore
  let gate: AccessGate
  let collection: String

  init(_ documents: CollectionOptions) throws {
    store = try Wiring().store()
    collection = documents.collection
    gate = AccessGate(store: store, collection: collection)
  }

  func principal(_ options: PrincipalOptions) async throws -> Principal {
    var principal = Principal.anonymous
    if let user = options.user {
      let groups = try await store.groups(in: collection).filter { $0.value.contains(user) }.keys
      principal = Principal(user: user, groups: Set(groups).union(options.group))
    }
    principal.attributes = try options.attributes()
    return principal
  }

  func requireModel() async throws -> AuthorizationModel {
    if let model = try await gate.model() { return model }
    throw CommandError(
      CommandError.noModel,
      "The collection \(collection) has no authorization model: its documents name their readers.",
      remedy: "Edit .strata-acl.yaml and ingest again, or put a model in force: strata access model FILE")
  }
}

/// Whom a question is about.
struct PrincipalOptions: ParsableArguments {
  @Option(name: .customLong("as"), help: "The user; groups come from the access file.") var user: String?
  @Option(name: .long, help: "A further group of the user (repeatable).") var group: [String] = []
  @Option(name: .long, help: "NAME=VALUE for conditions, the value as JSON or text (repeatable).")
  var context: [String] = []

  func attributes() throws -> JSONObject { try Self.values(context) }

  static func values(_ pairs: [String]) throws -> JSONObject {
    var attributes: JSONObject = [:]
    for pair in pairs {
      let parts = pair.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
      guard parts.count == 2, !parts[0].isEmpty else {
        throw CommandError(CommandError.usage, "--context must be NAME=VALUE, not `\(pair)`.")
      }
      let text = String(parts[1])
      attributes[String(parts[0])] = (try? JSON(parsing: text)) ?? .string(text)
    }
    return attributes
  }
}

struct AccessCheck: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "check", abstract: "May somebody read a document; does somebody stand in a relation?",
    discussion: """
      Examples:
        strata access check document:people/pay.md --as lena
        strata access check group:eng#member@user:amara
      """)
  @OptionGroup var common: CommonOptions
  @OptionGroup var documents: CollectionOptions
  @OptionGroup var who: PrincipalOptions
  @Argument(help: "document:PATH, or a relation OBJECT#RELATION@SUBJECT.") var question: String
  @Option(name: .long, help: "Answer at this revision or a later one, as grant and revoke print it.")
  var atLeast: Int64?

  func run() async throws {
    try await common.run {
      let access = try AccessWiring(documents)
      let principal = try await access.principal(who)
      let decision = try await access.gate.decision(for: principal, atLeast: atLeast)
      let isAllowed: Bool
      if question.contains("@"), let tuple = RelationTuple(question) {
        _ = try await access.requireModel()
        guard let evaluator = try await access.gate.evaluator(for: principal) else { return }
        isAllowed = try evaluator.check(tuple.object, tuple.relation, tuple.subject)
      } else {
        let path = try AccessPath.document(question)
        let record = try await access.store.document(path, version: nil, in: access.collection)
        isAllowed = record.map(decision.mayRead) ?? false
      }
      if common.json {
        return Terminal.json(["allowed": .bool(isAllowed), "revision": .int(Int(decision.revision))])
      }
      Terminal.out(isAllowed ? "yes" : "no")
    }
  }
}

struct AccessList: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "list", abstract: "What somebody may read; who may read a document; which tuples there are.",
    discussion: """
      Examples:
        strata access list --as lena              documents that lena may read
        strata access list document:handbook.md   who may read it
        strata access list --tuples               everything that was granted
      """)
  @OptionGroup var common: CommonOptions
  @OptionGroup var documents: CollectionOptions
  @OptionGroup var who: PrincipalOptions
  @Argument(help: "document:PATH, to see who may read it.") var document: String?
  @Flag(name: .long, help: "Show the tuples themselves.") var tuples = false

  func run() async throws {
    try await common.run {
      let access = try AccessWiring(documents)
      let lines: [String]
      if tuples {
        lines = try await access.store.relations(in: access.collection).tuples.map(AccessPath.text).sorted()
      } else if let document {
        lines = try await readers(of: AccessPath.document(document), access)
      } else {
        let decision = try await access.gate.decision(for: try await access.principal(who))
        lines = try await access.store.documents(in: access.collection).filter(decision.mayRead).map(\.path)
      }
      if common.json {
        let key = tuples ? "tuples" : document == nil ? "documents" : "readers"
        return Terminal.json([key: .array(lines.map(JSON.string))])
      }
      if lines.isEmpty { Terminal.err(Terminal.dim("none")) }
      for line in lines { Terminal.out(line) }
    }
  }

  /// Where relations decide, everyone and each user that some tuple names; else what the document says.
  private func readers(of path: String, _ access: AccessWiring) async throws -> [String] {
    guard let record = try await access.store.document(path, version: nil, in: access.collection) else {
      throw CommandError(
        CommandError.noDocument, "There is no document \(path).",
        remedy: "See what there is: strata access list --as USER")
    }
    return try await access.gate.readers(of: record, context: who.attributes())
  }
}

/// Options of the commands that change relations.
struct AccessChangeOptions: ParsableArguments {
  @Option(name: .long, help: "Only if nothing was written since this revision.") var ifRevision: Int64?
}

struct AccessGrant: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "grant", abstract: "Write relation tuples, all or none.",
    discussion: """
      Examples:
        strata access grant document:pay.md#viewer@user:lena group:eng#member@user:amara
        strata access grant folder:/#viewer@user:*            everyone reads everything
        strata access grant document:pay.md#viewer@user:lena --with until --context 'end="2026-12-31T00:00:00Z"'
      """)
  @OptionGroup var common: CommonOptions
  @OptionGroup var documents: CollectionOptions
  @OptionGroup var change: AccessChangeOptions
  @Argument(help: "OBJECT#RELATION@SUBJECT, as document:PATH#viewer@user:NAME.") var tuples: [String]
  @Option(name: .long, help: "A condition of the model that the grants depend on.") var with: String?
  @Option(name: .long, help: "NAME=VALUE for the condition (repeatable).") var context: [String] = []

  func run() async throws {
    try await common.run {
      let access = try AccessWiring(documents)
      let model = try await access.requireModel()
      let condition = try with.map { RelationCondition($0, context: try PrincipalOptions.values(context)) }
      let written = try tuples.map { text in
        var tuple = try RelationText.tuple(text)
        tuple.condition = condition
        try model.requireAdmits(tuple)
        return tuple
      }
      let revision = try await access.store.changeRelations(
        writing: written, deleting: [], ifPresent: [], ifAbsent: [], ifRevision: change.ifRevision,
        in: access.collection)
      AccessPath.report(revision, "Granted", json: common.json)
    }
  }
}

struct AccessRevoke: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "revoke", abstract: "Delete relation tuples; searches that begin afterwards know.",
    discussion: "Example: strata access revoke document:pay.md#viewer@user:lena")
  @OptionGroup var common: CommonOptions
  @OptionGroup var documents: CollectionOptions
  @OptionGroup var change: AccessChangeOptions
  @Argument(help: "OBJECT#RELATION@SUBJECT.") var tuples: [String]

  func run() async throws {
    try await common.run {
      let access = try AccessWiring(documents)
      let gone = try tuples.map(RelationText.tuple)
      let revision = try await access.store.changeRelations(
        writing: [], deleting: gone, ifPresent: gone, ifAbsent: [], ifRevision: change.ifRevision,
        in: access.collection)
      AccessPath.report(revision, "Revoked", json: common.json)
    }
  }
}

struct AccessModel: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "model", abstract: "Show the authorization model, put one in force, or take it away.",
    discussion: """
      With a model, relations alone decide: nobody reads what nothing grants.
      Example: strata access model Examples/relations/model.fga
      """)
  @OptionGroup var common: CommonOptions
  @OptionGroup var documents: CollectionOptions
  @Argument(help: "A file in OpenFGA's language or its JSON form.", completion: .file()) var file: String?
  @Flag(name: .long, help: "Take the model away: documents name their readers again.") var remove = false

  func run() async throws {
    try await common.run {
      let access = try AccessWiring(documents)
      if remove {
        let revision = try await access.store.setAuthorizationModel(nil, in: access.collection)
        return AccessPath.report(revision, "Removed", json: common.json)
      }
      guard let file else {
        let text = try await access.store.relations(in: access.collection).model
        if common.json { return Terminal.json(["model": text.map(JSON.string) ?? .null]) }
        if let text { Terminal.out(text) } else { Terminal.err(Terminal.dim("none: documents name their readers")) }
        return
      }
      let text: String
      do {
        text = try String(contentsOfFile: file, encoding: .utf8)
      } catch {
        throw CommandError(
          CommandError.fileUnreadable, "The model \(file) cannot be read as UTF-8 text.",
          remedy: "Check that it exists and that you may read it.", cause: error)
      }
      try AccessGate.validate(model: text, file: file)
      let revision = try await access.store.setAuthorizationModel(text, in: access.collection)
      AccessPath.report(revision, "In force", json: common.json)
    }
  }
}

/// How these commands read and write names of documents.
private enum AccessPath {
  /// The path of a document, given with or without `document:`.
  static func document(_ text: String) throws -> String {
    let prefix = DocumentObject.documentType + ":"
    guard text.hasPrefix(prefix) else { return text }
    guard let object = RelationObject(text), let path = DocumentObject.path(object) else {
      throw CommandError(
        CommandError.usage, "`\(text)` names no document.",
        remedy: "Write document:PATH with spaces and % # : * percent-encoded, or the path alone.")
    }
    return path
  }

  static func text(_ tuple: RelationTuple) -> String {
    guard let condition = tuple.condition, !condition.context.isEmpty else { return tuple.description }
    return "\(tuple) \(JSON.object(condition.context).text())"
  }

  static func report(_ revision: Int64, _ word: String, json: Bool) {
    if json { return Terminal.json(["revision": .int(Int(revision))]) }
    Terminal.out("\(word) at revision \(revision).")
  }
}
