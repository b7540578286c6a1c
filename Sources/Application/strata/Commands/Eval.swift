// Owns `strata eval`: retrieval against judged queries, answers against known facts.
import ArgumentParser
import Foundation
import StrataAgents
import StrataCore
import StrataEvaluation

struct Eval: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "eval", abstract: "Measure retrieval and answers against known truth.",
    subcommands: [
      EvalRetrieval.self, EvalQuestions.self, EvalChunking.self, EvalFaithfulness.self, EvalConversations.self,
    ])
}

struct EvalQuestions: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "questions", abstract: "Ask known questions: answered, cited and refused correctly, nothing leaked.",
    discussion: "Example: strata eval questions Examples/handbook/questions.yaml")
  @OptionGroup var common: CommonOptions
  @OptionGroup var options: ModelOptions
  @OptionGroup var documents: CollectionOptions
  @Argument(help: "A questions file.", completion: .file()) var file: String
  @Option(name: .customLong("as"), help: "Ask everything as this user instead (repeatable).") var users: [String] = []
  @Flag(name: .long, help: "Show each question with what came back.") var verbose = false
  @Option(name: .long, help: "Also write a JUnit report.", completion: .file()) var junit: String?

  func run() async throws {
    try await common.run {
      let set = try QuestionSet(file: file)
      let wiring = try Wiring()
      let pool = try wiring.pool(threads: options.threads)
      let collection = try await wiring.collection(documents.collection, pool: pool)
      try await collection.requireDocuments()
      let model = try wiring.model(options, pool: pool)
      let runner = try wiring.runner(for: collection, model: model)
      let groups = try await collection.store.groups(in: collection.name)
      let bar = ProgressBar("questions") { "\(Terminal.formatted($0, digits: 2)) questions/s" }
      let report = try await QuestionEvaluation.run(
        set, model: model.info.id, groups: groups, users: users.isEmpty ? nil : users,
        ask: { question, principal in try await Self.ask(question, principal, runner) }
      ) { result, done, total in
        bar.update(done, of: total)
        if verbose { Self.show(result) }
      }
      bar.finish()
      if let junit { try report.junit.write(toFile: junit, atomically: true, encoding: .utf8) }
      if common.json { Terminal.json(report.json) } else { Terminal.out(report.text) }
    }
  }

  /// Asks, and keeps everything that the asker could have seen: each event as the page and the terminal get it.
  private static func ask(_ question: String, _ principal: Principal, _ runner: AgentRunner) async throws
    -> QuestionReply
  {
    var exposed: [String] = []
    var final: GroundedAnswer?
    var translation = EventTranslation(model: "")
    for await event in runner.run(AgentRequest(question, as: principal)) {
      exposed.append(event.json.text())
      exposed += translation.translate(event).map { $0.json.text() }
      switch event {
      case .finished(let answer): final = answer
      case .failed(let error): throw error
      default: break
      }
    }
    guard let final else { throw CancellationError() }
    return QuestionReply(
      answer: final.answer, answerable: final.answerable,
      citations: final.citations.map { ($0.document, $0.quote) }, droppedCitations: final.droppedCitations,
      exposed: exposed, usage: final.usage, faithfulness: final.faithfulness)
  }

  private static func show(_ result: QuestionResult) {
    let mark = result.isCorrect ? "right" : "WRONG"
    Terminal.err("\(mark)  \(result.question.id) (\(result.user)): \(result.question.question)")
    Terminal.err(Terminal.dim("       \(result.reply?.answer ?? result.error ?? "")"))
    for citation in result.reply?.citations ?? [] {
      Terminal.err(Terminal.dim("       [\(citation.document)] \(citation.quote)"))
    }
  }
}
