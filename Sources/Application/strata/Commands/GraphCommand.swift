// Owns `strata graph`: looking at the entities of a collection.
import ArgumentParser
import Foundation
import StrataCore
import StrataIndex
import StrataRetrieval

struct GraphCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "graph", abstract: "Look at the entities of a collection and how they are linked.",
    subcommands: [GraphShow.self])
}

struct GraphShow: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "show", abstract: "An entity: its passages, its neighbours and what is said of it.",
    discussion: """
      Only what the user may read counts: a passage that is hidden from them makes no entity known and no neighbour.
      Example: strata graph show "wave tank" --as priya
      """)
  @OptionGroup var common: CommonOptions
  @OptionGroup var documents: CollectionOptions
  @Argument(help: "A name, or how names begin with --names.") var entity: String
  @Option(name: .customLong("as"), help: "As this user; groups come from the access file.") var user: String?
  @Option(name: .long, help: "Most passages, neighbours and relations.") var limit = 10
  @Option(name: .long, help: "The collection as it was then (ISO 8601).") var asOf: String?
  @Flag(name: .long, help: "List names that begin so.") var names = false

  func validate() throws {
    guard (1...1000).contains(limit) else { throw ValidationError("--limit must lie in 1...1000.") }
    guard asOf == nil || date != nil else { throw ValidationError("--as-of must be a time of ISO 8601.") }
  }

  private var date: Date? { asOf.flatMap { try? Date($0, strategy: .iso8601) } }

  func run() async throws {
    try await common.run {
      let opened = try OpenedIndex(documents)
      let store = try opened.wiring.store()
      let lookup = EntityLookup(store: store, index: try await opened.open(repairs: true))
      let groups = try await store.groups(in: opened.name)
      let principal =
        user.map { user in
          Principal(user: user, groups: Set(groups.filter { $0.value.contains(user) }.keys))
        } ?? .anonymous
      if names {
        let names = try await lookup.names(prefix: entity, as: principal, limit: limit)
        if common.json { return Terminal.json(["names": .array(names.map(JSON.string))]) }
        return names.forEach { Terminal.out($0) }
      }
      guard let found = try await lookup.describe(entity, as: principal, asOf: date, limit: limit) else {
        let near = try await lookup.names(prefix: String(entity.prefix(4)), as: principal, limit: 5)
        throw CommandError(
          CommandError.unknownRun, "There is no entity \(entity) that \(principal.user) may read of.",
          remedy: near.isEmpty
            ? "Say who asks with --as, and which collection with --collection."
            : "Did you mean: \(near.joined(separator: ", "))?")
      }
      if common.json { Terminal.json(json(found)) } else { show(found) }
    }
  }

  private func show(_ found: EntityDescription) {
    let entity = found.entity
    Terminal.out(Terminal.bold(entity.name))
    Terminal.out("  named \(entity.mentionCount) times in \(entity.passages.count) passages")
    for relation in entity.relations.prefix(limit) {
      let times = relation.count > 1 ? " (\(relation.count) times)" : ""
      Terminal.out(
        Terminal.wrapped("\(relation.subject) — \(relation.predicate) → \(relation.object)\(times)", indent: "  "))
    }
    if !entity.neighbours.isEmpty {
      let names = entity.neighbours.prefix(limit).map { "\($0.name) (\($0.chunkCount))" }
      Terminal.out(Terminal.wrapped("beside: " + names.joined(separator: ", "), indent: "  "))
    }
    for passage in found.passages {
      let role = passage.isSubject ? " · about it" : ""
      Terminal.out("")
      Terminal.out(Terminal.bold("\(passage.chunk.document)") + Terminal.dim(" · \(passage.count)×\(role)"))
      Terminal.out(Terminal.wrapped(passage.chunk.text, indent: "  "))
    }
  }

  private func json(_ found: EntityDescription) -> JSON {
    let entity = found.entity
    return [
      "entity": .string(entity.name), "mentions": .int(entity.mentionCount), "passages": .int(entity.passages.count),
      "neighbours": .array(
        entity.neighbours.prefix(limit).map { ["name": .string($0.name), "passages": .int($0.chunkCount)] }),
      "relations": .array(
        entity.relations.prefix(limit).map {
          [
            "subject": .string($0.subject), "predicate": .string($0.predicate), "object": .string($0.object),
            "count": .int($0.count), "chunks": .array($0.chunks.map { .int(Int($0)) }),
          ]
        }),
      "readable": .array(
        found.passages.map {
          [
            "document": .string($0.chunk.document), "version": .int($0.chunk.version), "chunk": .int(Int($0.chunk.id)),
            "start": .int($0.chunk.range.lowerBound), "end": .int($0.chunk.range.upperBound),
            "count": .int($0.count), "subject": .bool($0.isSubject), "text": .string($0.chunk.text),
          ]
        }),
    ]
  }
}
