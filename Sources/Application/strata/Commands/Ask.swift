// Owns `strata ask`: one question, one cited answer, in the terminal.
import ArgumentParser
import Foundation
import StrataAgents
import StrataCore

struct Ask: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Answer a question from the documents, with citations and a verdict on each sentence.",
    discussion: "Example: strata ask \"How many weeks of parental leave does each parent have?\" --as sofia")
  @OptionGroup var common: CommonOptions
  @OptionGroup var options: ModelOptions
  @OptionGroup var documents: CollectionOptions
  @Argument(help: "The question.") var question: String
  @Option(name: .customLong("as"), help: "Ask as this user; groups come from the access file.") var user: String?
  @Flag(name: .long, help: "Show what the agent does, one event per line (with --json: as JSON lines).") var events =
    false

  func run() async throws {
    try await common.run {
      let wiring = try Wiring()
      let pool = try wiring.pool(threads: options.threads)
      let collection = try await wiring.collection(documents.collection, pool: pool)
      try await collection.requireDocuments()
      let runner = try wiring.runner(for: collection, model: wiring.model(options, pool: pool))
      let principal = try await collection.principal(user)
      let view = AnswerView(json: common.json, events: events)
      let answer = try await runner.answer(AgentRequest(question, as: principal)) { view.show($0) }
      view.finish(answer)
    }
  }
}

/// How a run looks in the terminal.
struct AnswerView: Sendable {
  let json: Bool
  let events: Bool

  func show(_ event: AgentEvent) {
    if events {
      if json { return Terminal.json(event.json) }
      if case .answerDelta = event { return }
      return Terminal.err(Terminal.dim("· \(event.name)"))
    }
    guard !json, Terminal.isInteractive else { return }
    switch event {
    case .searched(_, let query, let passages): Terminal.err("searched “\(query)”: \(passages.count) passages")
    case .answering(_, let passages): Terminal.err("reading \(passages) passages …")
    default: break
    }
  }

  func finish(_ answer: GroundedAnswer) {
    if json {
      if !events { Terminal.json(answer.json) }
      return
    }
    Terminal.out(Terminal.wrapped(answer.answer))
    if let support = answer.faithfulness.flatMap(Terminal.support) { Terminal.out("\n" + support) }
    for (index, citation) in answer.citations.enumerated() {
      Terminal.out("")
      Terminal.out(Terminal.bold("[\(index + 1)] \(citation.document)") + Terminal.dim("  version \(citation.version)"))
      Terminal.out(Terminal.wrapped("“\(citation.quote)”", indent: "    "))
    }
    Terminal.out(Terminal.dim("\n\(answer.run) · \(answer.usage.totalTokens) tokens"))
  }
}
