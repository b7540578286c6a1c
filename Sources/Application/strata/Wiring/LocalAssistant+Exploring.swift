// Owns what the web page may look into: collections, search with reasons, a document's versions, lineage and readers.
// Who may see it is the gate's decision.
import Foundation
import StrataCore
import StrataRetrieval
import StrataServer

extension LocalAssistant {
  func collections(as principal: Principal) async throws -> [AppCollection] {
    let store = collection.store
    var found: [AppCollection] = []
    for name in try await store.collections() {
      // Groups are a collection's own.
      let groups = try await store.groups(in: name).filter { $0.value.contains(principal.user) }.keys
      let local = Principal(tenant: principal.tenant, user: principal.user, groups: Set(groups))
      let access = try await gate(name).decision(for: name == collection.name ? principal : local)
      let readable = try await store.documents(in: name).filter(access.mayRead)
      guard !readable.isEmpty || name == collection.name else { continue }
      found.append(
        AppCollection(
          name: name, documentCount: readable.count, passageCount: readable.reduce(0) { $0 + $1.chunkCount },
          isServed: name == collection.name, embedder: try await store.embedders(of: name).current,
          chunking: try await store.setting(ChunkingStrategy.setting, in: name),
          source: try await store.sources(in: name).map(\.uri).first))
    }
    return found
  }

  func search(_ query: QuerySpec, as principal: Principal) async throws -> [Passage] {
    try await collection.retriever.search(query, as: principal)
  }

  func details(of path: String, as principal: Principal) async throws -> AppDocumentDetails? {
    let store = collection.store
    guard let current = try await store.document(path, version: nil, in: collection.name),
      try await collection.gate.decision(for: principal).mayRead(current)
    else { return nil }
    var versions: [AppVersion] = []
    for number in try await store.versions(of: path, in: collection.name).reversed() {
      guard let record = try await store.document(path, version: number, in: collection.name) else { continue }
      versions.append(AppVersion(record))
    }
    let walk = LineageWalk(store, collection: collection.name, as: principal, gate: collection.gate)
    var document = AppDocument(current)
    document.readers = try await collection.gate.readers(of: current)
    var users: [String] = []
    for other in try await knownPrincipals() where try await collection.gate.decision(for: other).mayRead(current) {
      users.append(other.user)
    }
    return AppDocumentDetails(
      document: document, versions: versions, lineage: try await walk.tree(of: path)?.json ?? .null, users: users)
  }

  func accessTable(as principal: Principal) async throws -> AppAccess {
    let principals = try await knownPrincipals()
    var decisions: [AccessDecision] = []
    for other in principals { decisions.append(try await collection.gate.decision(for: other)) }
    let own = try await collection.gate.decision(for: principal)
    var rows: [AppAccess.Row] = []
    for record in try await collection.store.documents(in: collection.name).filter(own.mayRead) {
      rows.append(
        AppAccess.Row(
          path: record.path, title: record.title, readers: try await collection.gate.readers(of: record),
          mayRead: Set(decisions.indices.filter { decisions[$0].mayRead(record) })))
    }
    return AppAccess(users: principals.map { AppUser(name: $0.user, groups: $0.groups.sorted()) }, documents: rows)
  }

  private func gate(_ name: String) -> AccessGate {
    name == collection.name ? collection.gate : AccessGate(store: collection.store, collection: name)
  }

  /// Those whom the collection's groups name, in alphabetical order.
  private func knownPrincipals() async throws -> [Principal] {
    try await users().map { Principal(user: $0.name, groups: Set($0.groups)) }
  }
}
