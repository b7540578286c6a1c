// Owns `strata memory`: what is remembered of a user, recalling, remembering and forgetting it.
import ArgumentParser
import Foundation
import StrataCore
import StrataRetrieval

struct MemoryCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "memory", abstract: "What agents remember of a user.",
    subcommands: [
      MemoryList.self, MemoryRecall.self, MemoryRemember.self, MemoryForget.self, MemoryConsolidate.self,
      MemoryRebuild.self,
    ])
}

/// Whose memory.
struct MemoryOptions: ParsableArguments {
  @Option(name: .customLong("as"), help: "The user.") var user: String
  @Option(name: .long, help: "The agent that remembers.") var agent = "assistant"
  @Option(name: .long, help: "The collection whose access file names the user's groups.") var collection = "default"

  /// - Parameters:
  ///   - meaning: whether facts are compared by meaning, which loads the embedder. Without it the index is not touched:
  ///     it follows the store when it is next searched.
  ///   - model: the model that looks for facts; nil finds them by pattern.
  func open(meaning: Bool, model: String? = nil) async throws -> (memory: AgentMemory, principal: Principal) {
    let wiring = try Wiring()
    let store = try wiring.store()
    let groups = try await store.groups(in: collection).filter { $0.value.contains(user) }.keys
    let pool = try wiring.pool(threads: nil)
    var extractor: any FactExtractor = PatternFactExtractor()
    if let model {
      extractor = ModelFactExtractor(
        model: try wiring.model(model, pool: pool), contract: try wiring.contracts().contract("memory"))
    }
    let embedder = meaning ? try wiring.embedder(pool: pool) : nil
    let memory = AgentMemory(
      store: store, index: embedder.map { wiring.memoryIndex(store, embedder: $0) }, embedder: embedder,
      extractor: extractor, agent: agent)
    return (memory, Principal(user: user, groups: Set(groups)))
  }
}

/// Who looks for facts.
struct FactOptions: ParsableArguments {
  @Option(name: .long, help: "A model that looks for facts (default: fixed patterns, no model).") var model: String?
}

struct MemoryList: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "list", abstract: "The facts that are believed, or were.",
    discussion: "Example: strata memory list --as sofia --history")
  @OptionGroup var common: CommonOptions
  @OptionGroup var options: MemoryOptions
  @Flag(name: .long, help: "Also what is no longer believed.") var history = false

  func run() async throws {
    try await common.run {
      let (memory, principal) = try await options.open(meaning: false)
      let facts = try await memory.list(history: history, as: principal)
      if common.json { return Terminal.json(["facts": .array(facts.map(\.json))]) }
      if facts.isEmpty { Terminal.out("Nothing is remembered of \(options.user).") }
      for fact in facts { Terminal.out(fact.line) }
    }
  }
}

struct MemoryRecall: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "recall", abstract: "The facts that a question is about, now or at another time.",
    discussion: "Example: strata memory recall \"where does she live?\" --as sofia --as-of 2024-05-01")
  @OptionGroup var common: CommonOptions
  @OptionGroup var options: MemoryOptions
  @Argument(help: "The question.") var query: String
  @Option(name: .long, help: "Most facts.") var limit = 8
  @Option(name: .customLong("as-of"), help: "What held at this time (2024-05-01 or 2024-05-01T12:00:00Z).")
  var asOf: String?
  @Option(name: .customLong("known-at"), help: "What was believed at this time.") var knownAt: String?
  @Flag(name: .long, help: "What was said, word for word, instead of the facts found in it.") var episodes = false

  func validate() throws {
    guard (1...1000).contains(limit) else { throw ValidationError("--limit must lie in 1...1000.") }
  }

  func run() async throws {
    try await common.run {
      let (memory, principal) = try await options.open(meaning: true)
      let query = MemoryQuery(query, limit: limit, asOf: try Self.date(asOf), knownAt: try Self.date(knownAt))
      if episodes { return Self.show(try await memory.recallEpisodes(query, as: principal), asJSON: common.json) }
      let found = try await memory.recall(query, as: principal)
      if common.json {
        return Terminal.json([
          "facts": .array(
            found.map { recalled in
              var value = recalled.fact.json.objectValue ?? JSONObject()
              value["score"] = .double(recalled.score)
              return .object(value)
            })
        ])
      }
      if found.isEmpty { Terminal.out("Nothing that is remembered is about that.") }
      for recalled in found { Terminal.out(recalled.fact.line) }
    }
  }

  private static func show(_ found: [RecalledEpisode], asJSON: Bool) {
    if asJSON {
      return Terminal.json([
        "episodes": .array(
          found.map { recalled in
            [
              "id": .int(Int(recalled.episode.id)), "text": .string(recalled.episode.text),
              "occurred_at": .string(recalled.episode.occurredAt.formatted(.iso8601)),
              "score": .double(recalled.score),
            ]
          })
      ])
    }
    if found.isEmpty { Terminal.out("Nothing that was said is about that.") }
    for recalled in found {
      Terminal.out(Terminal.wrapped(recalled.episode.text))
      Terminal.out("      " + Terminal.dim("said \(recalled.episode.occurredAt.formatted(.iso8601))"))
    }
  }

  private static func date(_ text: String?) throws -> Date? {
    guard let text else { return nil }
    let full = text.contains("T") ? text : text + "T00:00:00Z"
    guard let date = try? Date(full, strategy: .iso8601) else {
      throw CommandError(
        CommandError.usage, "`\(text)` is no time.", remedy: "Write 2024-05-01 or 2024-05-01T12:00:00Z.")
    }
    return date
  }
}

struct MemoryRemember: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "remember", abstract: "Keep what somebody says of themselves.",
    discussion: "Example: strata memory remember \"I moved to Bergen. Remember that I work mornings.\" --as sofia")
  @OptionGroup var common: CommonOptions
  @OptionGroup var options: MemoryOptions
  @OptionGroup var facts: FactOptions
  @Argument(help: "What was said.") var text: String
  @Option(name: .customLong("readers"), parsing: .upToNextOption, help: "Who else may recall it: everyone, group:NAME.")
  var readers: [String] = []

  func run() async throws {
    try await common.run {
      let also = try readers.map { text in
        guard let reader = Reader(text) else {
          throw CommandError(
            CommandError.usage, "`\(text)` is nobody.", remedy: "Write everyone, user:NAME or group:NAME.")
        }
        return reader
      }
      let (memory, principal) = try await options.open(meaning: true, model: facts.model)
      let facts = try await memory.remember(text, readers: also, as: principal)
      if common.json { return Terminal.json(["facts": .array(facts.map(\.json))]) }
      if facts.isEmpty { Terminal.out("Kept, but it states no new fact.") }
      for fact in facts { Terminal.out(fact.line) }
    }
  }
}

struct MemoryForget: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "forget", abstract: "Erase facts, with what they were found in.",
    discussion: "Example: strata memory forget 12 13 --as sofia")
  @OptionGroup var common: CommonOptions
  @OptionGroup var options: MemoryOptions
  @Argument(help: "Numbers of facts, as `list` shows them.") var ids: [Int64] = []
  @Flag(name: .long, help: "Everything that is remembered of the user.") var all = false

  func validate() throws {
    guard ids.isEmpty == all else { throw ValidationError("Name facts, or --all.") }
  }

  func run() async throws {
    try await common.run {
      // Where there is no embedder there is no index of this command's to erase from.
      let opened = try? await options.open(meaning: true)
      let (memory, principal) = if let opened { opened } else { try await options.open(meaning: false) }
      let count = try await memory.forget(all ? nil : ids, as: principal)
      if common.json { return Terminal.json(["forgotten": .int(count)]) }
      Terminal.out(count == 1 ? "1 row is gone." : "\(count) rows are gone.")
    }
  }
}

struct MemoryConsolidate: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "consolidate", abstract: "Read what was left unread, merge what says the same, drop what is too much.",
    discussion: "Example: strata memory consolidate --as sofia")
  @OptionGroup var common: CommonOptions
  @OptionGroup var options: MemoryOptions
  @OptionGroup var facts: FactOptions

  func run() async throws {
    try await common.run {
      let (memory, principal) = try await options.open(meaning: true, model: facts.model)
      let report = try await memory.consolidate(as: principal)
      if common.json {
        return Terminal.json([
          "found": .int(report.found), "merged": .int(report.merged), "dropped": .int(report.dropped),
        ])
      }
      Terminal.out("\(report.found) facts found, \(report.merged) merged, \(report.dropped) dropped.")
    }
  }
}

struct MemoryRebuild: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "rebuild", abstract: "Throw the index of what is remembered away and make it again from the store.",
    discussion: "Example: strata memory rebuild")
  @OptionGroup var common: CommonOptions

  func run() async throws {
    try await common.run {
      let wiring = try Wiring()
      let embedder = try wiring.embedder(pool: try wiring.pool(threads: 1))
      let count = try await wiring.memoryIndex(try wiring.store(), embedder: embedder).rebuild()
      if common.json { return Terminal.json(["rows": .int(count)]) }
      Terminal.out(count == 1 ? "1 row indexed again" : "\(count) rows indexed again")
    }
  }
}

extension MemoryFact {
  fileprivate var line: String {
    var line = "\(String(id).padding(toLength: 5, withPad: " ", startingAt: 0)) \(text)"
    var times = "since \(Self.day(validFrom))"
    if let validTo { times += " until \(Self.day(validTo))" }
    if let retractedAt { times += ", believed until \(Self.day(retractedAt))" }
    if confirmations > 1 { times += ", said \(confirmations) times" }
    line = Terminal.wrapped(line)
    return line + "\n      " + Terminal.dim(times)
  }

  fileprivate var json: JSON {
    var value: JSONObject = [
      "id": .int(Int(id)), "subject": .string(subject), "predicate": .string(predicate), "object": .string(object),
      "text": .string(text), "valid_from": .string(validFrom.formatted(.iso8601)),
      "recorded_at": .string(recordedAt.formatted(.iso8601)), "confirmations": .int(confirmations),
      "importance": .double(importance), "readers": .array(readers.map { .string($0.description) }),
    ]
    value["valid_to"] = validTo.map { .string($0.formatted(.iso8601)) }
    value["retracted_at"] = retractedAt.map { .string($0.formatted(.iso8601)) }
    return .object(value)
  }

  private static func day(_ date: Date) -> String { String(date.formatted(.iso8601).prefix(10)) }
}
