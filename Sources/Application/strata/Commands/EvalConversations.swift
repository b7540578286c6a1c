// Owns `strata eval conversations`: whether follow-up questions find what they mean.
import ArgumentParser
import Foundation
import StrataCore
import StrataEvaluation
import StrataRetrieval

struct EvalConversations: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "conversations",
    abstract: "Recall of follow-up questions: alone, with the whole conversation, rewritten.",
    discussion: """
      FILE lists conversations about the documents of the collection.
      Example: strata eval conversations Examples/handbook-conversations.yaml
      """)
  @OptionGroup var common: CommonOptions
  @OptionGroup var documents: CollectionOptions
  @Argument(help: "A file of conversations.", completion: .file()) var file: String
  @Option(name: .long, help: "Also let this model rewrite (a name of the catalog or a file).") var model: String?
  @Option(name: .long, help: "Only this part of the file, for example dev or held.") var split: String?
  @Flag(name: .long, help: "Show each question as it is searched for, with the place of its document.") var verbose =
    false
  @Option(name: .long, help: "Threads (default: all processors).") var threads: Int?

  private typealias Rewrite = @Sendable (EvaluationFollowUp) async throws -> QuerySpec

  func run() async throws {
    try await common.run {
      var set = try ConversationSet(file: file)
      if let split { set.questions.removeAll { $0.split != split } }
      let wiring = try Wiring()
      let pool = try wiring.pool(threads: threads)
      let collection = try await wiring.collection(documents.collection, pool: pool)
      try await collection.requireDocuments()
      var methods: [(name: String, rewrite: Rewrite)] = [
        ("alone", { QuerySpec($0.question) }),
        (
          "all turns",
          { QuerySpec(($0.turns.flatMap { [$0.question, $0.answer] } + [$0.question]).joined(separator: " ")) }
        ),
        ("questions", { QuerySpec(($0.turns.map(\.question) + [$0.question]).joined(separator: " ")) }),
        ("rules, equal", { QuerySpec(ConversationRewriter().rewrite($0.question, after: $0.turns).text) }),
        ("rules", Self.rewriting(ConversationRewriter())),
      ]
      if let model {
        let rewriter = try wiring.rewriter(wiring.model(model, pool: pool))
        methods.append(("model", { QuerySpec(try await rewriter.rewrite($0.question, after: $0.turns).text) }))
      }
      let report = try await ConversationEvaluation.run(
        set,
        methods: methods.map { name, rewrite in
          let search: ConversationEvaluation.Search = { question in
            var query = try await rewrite(question)
            query.limit = 5
            let found = try await collection.retriever.search(query, as: collection.principal(question.user))
              .map(\.document)
            if verbose {
              let place = found.firstIndex(of: question.expected).map { "\($0 + 1)" } ?? "-"
              let carried = query.carried.isEmpty ? "" : " + \(query.carried)"
              Terminal.err("\(name)  \(question.id)  \(place)  \(query.text)\(carried)")
            }
            return found
          }
          return (name: name, search: search)
        })
      if common.json { Terminal.json(report.json) } else { Terminal.out(report.text) }
    }
  }

  private static func rewriting(_ rewriter: any QuestionRewriter) -> Rewrite {
    { question in
      let rewritten = try await rewriter.rewrite(question.question, after: question.turns)
      return QuerySpec(question.question, carried: rewritten.carried)
    }
  }
}
