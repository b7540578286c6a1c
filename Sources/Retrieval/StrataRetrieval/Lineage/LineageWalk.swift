// Owns walking what came from what, in either direction, within what a principal may know. Knows nothing about tables.
import Foundation
import StrataCore

/// A node of a lineage tree: something, facts about it, and what it leads to.
public struct LineageNode: Sendable, Hashable {
  /// `document`, `source`, `version`, `chunk`, `vector`, `answer`, `citation`.
  public var kind: String
  public var name: String
  public var facts: JSONObject
  public var children: [LineageNode]

  public init(_ kind: String, _ name: String, _ facts: JSONObject = [:], _ children: [LineageNode] = []) {
    self.kind = kind
    self.name = name
    self.facts = facts
    self.children = children
  }

  public var json: JSON {
    var object: JSONObject = ["kind": .string(kind), "name": .string(name)]
    for (key, value) in facts { object[key] = value }
    if !children.isEmpty { object["leads_to"] = .array(children.map(\.json)) }
    return .object(object)
  }
}

/// Answers where things come from and what became of them.
public struct LineageWalk: Sendable {
  private let store: any DocumentStore & LineageStore & Journal
  private let collection: String
  private let principal: Principal
  private let gate: AccessGate

  /// - Parameter gate: that of the collection, if there is one already.
  public init(
    _ store: any DocumentStore & LineageStore & Journal, collection: String, as principal: Principal,
    gate: AccessGate? = nil
  ) {
    self.store = store
    self.collection = collection
    self.principal = principal
    self.gate = gate ?? AccessGate(store: store, collection: collection)
  }

  /// From a document, a chunk's number or a run, whichever `name` is.
  /// - Returns: nil when there is none that the principal may know of.
  public func tree(of name: String) async throws -> LineageNode? {
    if let node = try await run(name) { return node }
    if let node = try await document(name) { return node }
    return if let chunk = Int64(name) { try await self.chunk(chunk) } else { nil }
  }

  /// A chunk's number and a run may lead into other collections, which have gates of their own.
  private func mayRead(_ record: DocumentRecord) async throws -> Bool {
    let gate = record.collection == collection ? gate : AccessGate(store: store, collection: record.collection)
    return try await gate.decision(for: principal).mayRead(record)
  }

  // MARK: Downwards: source → version → chunk → vector → answer

  private func document(_ path: String) async throws -> LineageNode? {
    guard let lineage = try await store.lineage(of: path, in: collection),
      try await mayRead(lineage.current)
    else { return nil }
    let versions = lineage.versions.reversed().map { version in
      let isCurrent = version.record.version == lineage.current.version
      let chunks = version.chunks.map { chunk in
        let citations = version.citations.filter { $0.range.overlaps(chunk.range) }
        return Self.chunk(chunk, embedders: isCurrent ? chunk.embedders : [], answers(citations))
      }
      return Self.version(version.record, isCurrent: isCurrent, chunks)
    }
    var children = [Self.source(lineage.source, lineage.current)].compactMap { $0 }
    children += versions
    return LineageNode(
      "document", path, ["collection": .string(collection), "title": .string(lineage.current.title)], children)
  }

  /// Answers are their askers' own business.
  private func answers(_ citations: [CitationRecord]) -> [LineageNode] {
    let own = citations.filter { $0.tenant == principal.tenant && $0.user == principal.user }
    var nodes = own.map { citation in
      LineageNode(
        "answer", citation.run,
        [
          "question": .string(citation.title), "at": .string(citation.answeredAt.formatted(.iso8601)),
          "start": .int(citation.range.lowerBound), "end": .int(citation.range.upperBound),
        ])
    }
    if own.count < citations.count {
      nodes.append(LineageNode("answer", "of other users", ["count": .int(citations.count - own.count)]))
    }
    return nodes
  }

  private static func chunk(
    _ chunk: ChunkLineage, embedders: [String], _ answers: [LineageNode]
  ) -> LineageNode {
    let vectors = embedders.map { LineageNode("vector", $0) }
    var facts: JSONObject = ["start": .int(chunk.range.lowerBound), "end": .int(chunk.range.upperBound)]
    facts["input"] = chunk.inputHash.map(JSON.string)
    return LineageNode("chunk", "\(chunk.id)", facts, vectors + answers)
  }

  private static func version(
    _ record: DocumentRecord, isCurrent: Bool, _ children: [LineageNode]
  ) -> LineageNode {
    var facts: JSONObject = [
      "current": .bool(isCurrent), "sha256": .string(record.contentHash), "bytes": .int(record.byteCount),
      "type": .string(record.mediaType), "ingested": .string(record.ingestedAt.formatted(.iso8601)),
    ]
    if !record.provenance.origin.isEmpty { facts["origin"] = .string(record.provenance.origin) }
    facts["source_version"] = record.provenance.sourceVersion.map(JSON.string)
    if !record.provenance.pipeline.isEmpty { facts["made_by"] = .string(record.provenance.pipeline) }
    if !record.metadata.isEmpty { facts["metadata"] = .object(record.metadata) }
    return LineageNode("version", "\(record.version)", facts, children)
  }

  private static func source(_ source: SourceRecord?, _ record: DocumentRecord) -> LineageNode? {
    guard let source else { return nil }
    var facts: JSONObject = ["connector": .string(source.connector)]
    facts["read"] = (source.completedAt?.formatted(.iso8601)).map(JSON.string)
    facts["state"] = source.cursor.map(JSON.string)
    return LineageNode("source", source.uri, facts)
  }

  // MARK: Upwards: answer → citation → chunk → version → source

  private func run(_ run: String) async throws -> LineageNode? {
    guard let summary = try await store.summary(of: run), summary.tenant == principal.tenant,
      summary.user == principal.user
    else { return nil }
    var children: [LineageNode] = []
    for citation in try await store.citations(of: run) { children.append(try await self.citation(citation)) }
    return LineageNode(
      "answer", run,
      [
        "question": .string(summary.title), "status": .string(summary.status.rawValue),
        "at": .string(summary.updatedAt.formatted(.iso8601)),
      ], children)
  }

  private func citation(_ citation: CitationRecord) async throws -> LineageNode {
    var facts: JSONObject = [
      "version": .int(citation.version), "start": .int(citation.range.lowerBound),
      "end": .int(citation.range.upperBound),
    ]
    facts["collection"] = citation.collection.map(JSON.string)
    guard let lineage = try await store.lineage(of: citation.document, in: citation.collection ?? collection),
      let version = lineage.versions.first(where: { $0.record.version == citation.version })
    else {
      facts["state"] = "the document has been deleted since"
      return LineageNode("citation", citation.document, facts)
    }
    guard try await mayRead(lineage.current) else {
      facts["state"] = "no longer readable for this user"
      return LineageNode("citation", citation.document, facts)
    }
    let isCurrent = version.record.version == lineage.current.version
    let chunks = version.chunks.filter { $0.range.overlaps(citation.range) }
      .map { Self.chunk($0, embedders: isCurrent ? $0.embedders : [], []) }
    let source = Self.source(lineage.source, lineage.current).map { [$0] } ?? []
    return LineageNode(
      "citation", citation.document, facts,
      chunks + [Self.version(version.record, isCurrent: isCurrent, source)])
  }

  private func chunk(_ id: Int64) async throws -> LineageNode? {
    guard let place = try await store.document(ofChunk: id),
      let lineage = try await store.lineage(of: place.path, in: place.collection),
      try await mayRead(lineage.current),
      let version = lineage.versions.first(where: { $0.record.version == place.version }),
      let chunk = version.chunks.first(where: { $0.id == id })
    else { return nil }
    let isCurrent = version.record.version == lineage.current.version
    let citations = version.citations.filter { $0.range.overlaps(chunk.range) }
    var node = Self.chunk(chunk, embedders: isCurrent ? chunk.embedders : [], answers(citations))
    let source = Self.source(lineage.source, lineage.current).map { [$0] } ?? []
    node.children.append(
      LineageNode(
        "document", place.path, ["collection": .string(place.collection)],
        [Self.version(version.record, isCurrent: isCurrent, source)]))
    return node
  }
}
