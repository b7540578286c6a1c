// Owns `strata index`: proving the index, telling its sizes, making it small, making it again.
import ArgumentParser
import Foundation
import StrataCore
import StrataIndex
import StrataRetrieval

struct IndexCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "index", abstract: "Verify, measure, compact and rebuild the index of a collection.",
    subcommands: [
      IndexVerify.self, IndexStats.self, IndexCompact.self, IndexRebuild.self, IndexHistory.self, IndexVectors.self,
      IndexLoad.self,
    ])
}

/// An index that is there, opened as it is: for looking at it, no model is needed.
struct OpenedIndex {
  let wiring: Wiring
  let name: String
  let folder: String

  init(_ documents: CollectionOptions) throws { self.init(try Wiring(), documents.collection) }

  init(_ wiring: Wiring, _ name: String) {
    self.wiring = wiring
    self.name = name
    folder = CollectionIndex.indexFolder(wiring.home.index.path, collection: name)
  }

  /// Of the vectors in the index; those of the default encoder where no file tells.
  func dimension() throws -> Int {
    let known = try? HybridIndex.storedDimension(folder: folder)
    return try known ?? wiring.embedder(pool: wiring.pool(threads: 1)).dimension
  }

  /// What verifying each tenant's memory finds; no model is loaded where nothing is remembered.
  func verifiedMemories() async throws -> [(tenant: String, verification: IndexVerification)] {
    let store = try wiring.store()
    guard try await !store.memoryTenants().isEmpty else { return [] }
    return try await wiring.memoryIndex(store, embedder: try wiring.embedder(pool: wiring.pool(threads: 1))).verify()
  }

  /// - Parameter repairs: whether a damaged index gives way to a new one.
  func open(repairs: Bool) async throws -> CollectionIndex {
    let store = try wiring.store()
    guard try await store.collections().contains(name) else {
      throw CommandError(
        CommandError.nothingIngested, "There is no collection \(name).",
        remedy: "Take documents in first: strata ingest FOLDER --collection \(name)")
    }
    return try await CollectionIndex.open(
      store: store, dimension: try dimension(), embedder: try await store.embedders(of: name).current, collection: name,
      folder: wiring.home.index.path, repairsDamage: repairs
    )
  }
}

struct IndexVerify: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "verify", abstract: "Prove that the index holds what the store says, and that no file is damaged.",
    discussion: """
      Compares each current chunk of the store (text, title, fields, vector, entities, readers) with the index, and checks
      every byte of its files and the store itself; then the same of every tenant's memory, facts and episodes. Leaves with
      code 8 when something differs.
      Example: strata index verify --json
      """)
  @OptionGroup var common: CommonOptions
  @OptionGroup var documents: CollectionOptions

  func run() async throws {
    try await common.run {
      let opened = try OpenedIndex(documents)
      let index = try await opened.open(repairs: false)
      let verification = try await index.verify()
      let storeProblems = try await opened.wiring.store().verify()
      let memories = try await opened.verifiedMemories()
      let memoryProblems = memories.flatMap(\.verification.problems)
      let isSound = verification.problems.isEmpty && storeProblems.isEmpty && memoryProblems.isEmpty
      let remedy = "Make the index again from the store: strata index rebuild --collection \(opened.name)"
      if common.json {
        Terminal.json([
          "collection": .string(opened.name), "sound": .bool(isSound), "chunks": .int(verification.chunkCount),
          "token": .int(Int(verification.token)),
          "problems": .array(verification.problems.map(Self.json)),
          "memory": .array(
            memories.map { tenant, verification in
              [
                "tenant": .string(tenant), "rows": .int(verification.chunkCount),
                "problems": .array(verification.problems.map(Self.json)),
              ]
            }),
          "store_problems": .array(storeProblems.map(JSON.string)),
          "remedy": verification.problems.isEmpty ? nil : .string(remedy),
        ])
      } else if isSound {
        Terminal.out("\(verification.chunkCount) chunks: store and index agree, no file is damaged")
        for (tenant, verification) in memories {
          Terminal.out("\(verification.chunkCount) rows of memory (\(tenant)): store and index agree")
        }
      } else {
        for problem in verification.problems.prefix(20) { Terminal.out(problem.description) }
        if verification.problems.count > 20 { Terminal.out("… and \(verification.problems.count - 20) more") }
        if !verification.problems.isEmpty { Terminal.out(remedy) }
        for problem in memoryProblems.prefix(20) { Terminal.out("memory: \(problem)") }
        if !memoryProblems.isEmpty { Terminal.out("Make it again from the store: strata memory rebuild") }
        for problem in storeProblems { Terminal.out("store: \(problem)") }
      }
      if !isSound { throw ExitCode(ErrorKind.corrupted.exitCode) }
    }
  }

  private static func json(_ problem: IndexProblem) -> JSON {
    [
      "kind": .string(problem.kind.rawValue), "chunk": problem.chunk.map { .int(Int($0)) } ?? nil,
      "message": .string(problem.description),
    ]
  }
}

struct IndexVectors: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "vectors", abstract: "Choose how nearest vectors are found: by a graph, or in lists.",
    discussion: """
      A graph is faster while it fits memory; lists keep vectors in a few bytes and read only what a search looks into, \
      for collections larger than memory. Segments are remade in the background when the index is next written to.
      Example: strata index vectors lists
      """)
  @OptionGroup var common: CommonOptions
  @OptionGroup var documents: CollectionOptions
  @Argument(help: "graph or lists.") var structure: String
  @Option(name: .long, help: "Lists; by default four times the square root of the vectors.") var lists: Int?
  @Option(name: .long, help: "Components that share 4 bits.") var partWidth = 2
  @Option(name: .long, help: "Lists that a search looks into; by default a twentieth of them.") var probes: Int?

  func run() async throws {
    try await common.run {
      let chosen: VectorStructure
      switch structure {
      case "graph": chosen = .graph
      case "lists": chosen = .lists(VectorListOptions(count: lists, partWidth: partWidth, probes: probes))
      default: throw CommandError(CommandError.usage, "A structure is graph or lists, not \(structure).")
      }
      let store = try Wiring().store()
      try await CollectionIndex.setVectors(chosen, store: store, collection: documents.collection)
      if common.json {
        Terminal.json(["collection": .string(documents.collection), "structure": .string(structure)])
      } else {
        Terminal.out("From now on vectors of \(documents.collection) are found by \(structure)")
      }
    }
  }
}

struct IndexStats: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "stats", abstract: "Show how much the index holds and what it takes.",
    discussion: "Example: strata index stats")
  @OptionGroup var common: CommonOptions
  @OptionGroup var documents: CollectionOptions

  func run() async throws {
    try await common.run {
      let opened = try OpenedIndex(documents)
      let start = ContinuousClock.now
      let index = try await opened.open(repairs: false)
      try await index.refresh()
      let seconds = start.duration(to: .now) / Duration.seconds(1)
      let statistics = index.index.statistics()
      if common.json {
        Terminal.json([
          "collection": .string(opened.name), "folder": .string(opened.folder), "chunks": .int(statistics.chunkCount),
          "buffered": .int(statistics.bufferedCount), "removed": .int(statistics.removedCount),
          "history": .int(statistics.historyCount), "files": .int(statistics.fileCount),
          "bytes": .int(statistics.byteCount), "token": .int(Int(statistics.token)),
          "history_start": .string(statistics.historyStart.formatted(.iso8601)), "open_seconds": .double(seconds),
        ])
      } else {
        Terminal.out(opened.folder)
        Terminal.out("chunks       \(statistics.chunkCount), \(statistics.bufferedCount) of them not yet in a file")
        Terminal.out(
          "files        \(statistics.fileCount), \(Terminal.formatted(bytes: statistics.byteCount)) on disk")
        Terminal.out(
          "removed      \(statistics.removedCount) still take space, \(statistics.historyCount) of them for history")
        Terminal.out("history      every state since \(statistics.historyStart.formatted(.iso8601))")
        Terminal.out("opened in    \(Terminal.formatted(seconds: seconds))")
      }
    }
  }
}

struct IndexCompact: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "compact", abstract: "Make one file of the index, without what was removed, and give back the space.",
    discussion: "Example: strata index compact --forget-history")
  @OptionGroup var common: CommonOptions
  @OptionGroup var documents: CollectionOptions
  @Flag(name: .long, help: "Also let go of what searches as of a time could still find.") var forgetHistory = false

  func run() async throws {
    try await common.run {
      let opened = try OpenedIndex(documents)
      let index = try await opened.open(repairs: true)
      let before = index.index.statistics()
      try await index.refresh()
      try index.index.compact(forgettingHistory: forgetHistory)
      try await opened.wiring.store().compact(changeLimit: 100)
      let after = index.index.statistics()
      if common.json {
        Terminal.json([
          "bytes_before": .int(before.byteCount), "bytes": .int(after.byteCount), "chunks": .int(after.chunkCount),
        ])
      } else {
        Terminal.out(
          "\(after.chunkCount) chunks in \(Terminal.formatted(bytes: after.byteCount)), "
            + "\(Terminal.formatted(bytes: before.byteCount)) before")
      }
    }
  }
}

struct IndexRebuild: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "rebuild", abstract: "Throw the index away and make it again from the store.",
    discussion: "Example: strata index rebuild")
  @OptionGroup var common: CommonOptions
  @OptionGroup var documents: CollectionOptions

  func run() async throws {
    try await common.run {
      let opened = try OpenedIndex(documents)
      let dimension = try opened.dimension()
      try HybridIndex.discard(folder: opened.folder)
      let store = try opened.wiring.store()
      let index = try await CollectionIndex.open(
        store: store, dimension: dimension, embedder: store.embedders(of: opened.name).current,
        collection: opened.name, folder: opened.wiring.home.index.path)
      try await index.reload()
      try await index.flush()
      let count = await index.chunkCount
      if common.json {
        Terminal.json(["chunks": .int(count)])
      } else {
        Terminal.out("\(count) chunks indexed again")
      }
    }
  }
}

struct IndexHistory: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "history", abstract: "Say for how long removed chunks can be searched as of a time before.",
    discussion: """
      They take their space for that long. What deleted documents said is not found again: only their older versions,
      and only by those who may read them now.
      Example: strata index history --days 30
      """)
  @OptionGroup var common: CommonOptions
  @OptionGroup var documents: CollectionOptions
  @Option(name: .long, help: "Days to keep; 0 keeps nothing.") var days: Double
  @Option(name: .long, help: "Most removed chunks to keep.") var chunks = 1_000_000

  func run() async throws {
    try await common.run {
      guard days >= 0, days <= 36_500, chunks >= 0 else {
        throw CommandError(CommandError.usage, "--days must lie in 0...36500 and --chunks must not be negative.")
      }
      let policy = HistoryPolicy(age: .seconds(Int(days * 86_400)), chunkLimit: chunks)
      let store = try Wiring().store()
      try await CollectionIndex.setHistory(policy, store: store, collection: documents.collection)
      if common.json {
        Terminal.json(["days": .double(days), "chunks": .int(chunks)])
      } else {
        Terminal.out("From now on removed chunks are kept for \(Terminal.formatted(days, digits: 1)) days")
      }
    }
  }
}
