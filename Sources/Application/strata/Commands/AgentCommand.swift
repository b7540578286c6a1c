// Owns `strata agent`: runs and their journals.
import ArgumentParser
import Foundation
import StrataAgents
import StrataCore
import StrataStore

struct AgentCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "agent", abstract: "List, show and resume runs.",
    subcommands: [AgentList.self, AgentShow.self, AgentResume.self])
}

struct AgentList: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "list", abstract: "Runs, newest first.", discussion: "Example: strata agent list --json")
  @OptionGroup var common: CommonOptions
  @Option(name: .long, help: "Most runs.") var limit = 50

  func run() async throws {
    try await common.run {
      let runs = try await Wiring().store().runs(limit: limit, status: nil)
      if common.json { return Terminal.json(["runs": .array(runs.map(Self.json))]) }
      for run in runs {
        let state = run.status.rawValue.padding(toLength: 10, withPad: " ", startingAt: 0)
        Terminal.out("\(run.run)  \(state) \(run.user)")
        Terminal.out(Terminal.dim("  \(run.title)"))
      }
    }
  }

  static func json(_ run: RunSummary) -> JSON {
    [
      "run": .string(run.run), "status": .string(run.status.rawValue), "user": .string(run.user),
      "title": .string(run.title), "events": .int(run.eventCount),
      "started_at": .string(run.startedAt.formatted(.iso8601)),
      "updated_at": .string(run.updatedAt.formatted(.iso8601)),
    ]
  }
}

struct AgentShow: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "show", abstract: "The journal of a run.", discussion: "Example: strata agent show run-…")
  @OptionGroup var common: CommonOptions
  @Argument(help: "A run from `strata agent list`.") var run: String

  func run() async throws {
    try await common.run {
      let store = try Wiring().store()
      guard let summary = try await store.summary(of: run) else {
        throw CommandError(
          CommandError.unknownRun, "There is no run \(run).", remedy: "List them with `strata agent list`.")
      }
      let events = try await store.events(of: run)
      if common.json {
        return Terminal.json([
          "run": AgentList.json(summary),
          "events": .array(
            events.map { event in
              [
                "sequence": .int(event.sequence), "kind": .string(event.kind), "payload": event.payload,
                "at": .string(event.timestamp.formatted(.iso8601)),
              ]
            }),
        ])
      }
      Terminal.out("\(summary.run) · \(summary.status.rawValue) · \(summary.user)")
      for event in events {
        Terminal.out(Terminal.bold("\(event.sequence) \(event.kind)"))
        Terminal.out(Terminal.dim("  " + String(event.payload.text().prefix(74))))
      }
    }
  }
}

struct AgentResume: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "resume", abstract: "Continue a run that was interrupted.",
    discussion: "Steps that are completed are not repeated. Example: strata agent resume run-…")
  @OptionGroup var common: CommonOptions
  @OptionGroup var options: ModelOptions
  @OptionGroup var documents: CollectionOptions
  @Argument(help: "A run from `strata agent list`.") var run: String

  func run() async throws {
    try await common.run {
      let wiring = try Wiring()
      let pool = try wiring.pool(threads: options.threads)
      let collection = try await wiring.collection(documents.collection, pool: pool)
      guard let summary = try await collection.store.summary(of: run) else {
        throw CommandError(
          CommandError.unknownRun, "There is no run \(run).", remedy: "List them with `strata agent list`.")
      }
      let runner = try wiring.runner(for: collection, model: wiring.model(options, pool: pool))
      let principal = try await collection.principal(summary.user)
      let view = AnswerView(json: common.json, events: false)
      for await event in runner.resume(run, as: principal) {
        view.show(event)
        switch event {
        case .finished(let answer): return view.finish(answer)
        case .failed(let error): throw error
        default: continue
        }
      }
    }
  }
}
