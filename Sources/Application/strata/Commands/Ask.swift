// Owns `strata ask`: a question and its cited answer in the terminal, or a conversation of them.
import ArgumentParser
import Foundation
import StrataAgents
import StrataCore

struct Ask: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Answer a question from the documents, with citations and a verdict on each sentence.",
    discussion: """
      Without a question, each line of the input is one, and may lean on those before it: "And for contractors?"
      Example: strata ask "How many weeks of parental leave does each parent have?" --as sofia
      """)
  @OptionGroup var common: CommonOptions
  @OptionGroup var options: ModelOptions
  @OptionGroup var documents: CollectionOptions
  @Argument(help: "The question; without one, questions are read line by line, as a conversation.") var question:
    String?
  @Option(name: .long, help: "How follow-up questions are completed: rules, or model (which rules check).")
  var rewrite =
    RewriteMethod.rules
  @Option(name: .customLong("as"), help: "Ask as this user; groups come from the access file.") var user: String?
  @Flag(name: .long, help: "Show what the agent does, one event per line (with --json: as JSON lines).") var events =
    false

  enum RewriteMethod: String, ExpressibleByArgument, CaseIterable {
    case rules, model
  }

  func run() async throws {
    try await common.run {
      let wiring = try Wiring()
      let pool = try wiring.pool(threads: options.threads)
      let collection = try await wiring.collection(documents.collection, pool: pool)
      try await collection.requireDocuments()
      let model = try wiring.model(options, pool: pool)
      let rewriter = rewrite == .model ? try wiring.rewriter(model) : nil
      let runner = try wiring.runner(for: collection, model: model, rewriter: rewriter)
      let principal = try await collection.principal(user)
      let view = AnswerView(json: common.json, events: events)
      if let question {
        let answer = try await runner.answer(AgentRequest(question, as: principal)) { view.show($0) }
        return view.finish(answer)
      }
      if Terminal.isInteractive { Terminal.err(Terminal.dim("an empty line or Ctrl-D ends the conversation")) }
      var turns: [ConversationTurn] = []
      while let line = readLine(), line.contains(where: { !$0.isWhitespace }) {
        let request = AgentRequest(line, after: turns, as: principal)
        let answer = try await runner.answer(request) { view.show($0) }
        view.finish(answer)
        turns.append(ConversationTurn(line, answer: answer.answerable ? answer.answer : ""))
      }
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
    case .rewritten(let question): Terminal.err("understood as “\(question.text)”")
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
