// Owns `strata check`: whether an answer's citations still hold, and how far its evidence supports each sentence.
import ArgumentParser
import Foundation
import StrataAgents
import StrataCore
import StrataRetrieval

struct Check: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Check an answer's citations and each of its sentences.",
    discussion: """
      Reads what `strata ask --json` wrote, or a text with its evidence given.
      Example: strata ask "How many days?" --as sofia --json > answer.json && strata check answer.json --as sofia
      """)
  @OptionGroup var common: CommonOptions
  @OptionGroup var documents: CollectionOptions
  @Argument(help: "A file: JSON with `answer` and `citations`, or text.", completion: .file()) var answer: String
  @Option(name: .long, help: "A text that the answer may rest on (repeatable).", completion: .file())
  var evidence: [String] = []
  @Option(name: .customLong("as"), help: "Check citations as this user.") var user: String?
  @Option(name: .long, help: "Also ask this language model whether each sentence is supported; needs --weights.")
  var model: String?
  @Option(name: .long, help: "What `strata eval faithfulness DATA --write FILE` wrote.", completion: .file())
  var weights: String?
  @Option(name: .long, help: "Threads for the embedder (default: all processors).") var threads: Int?

  func validate() throws {
    guard model == nil || weights != nil else {
      throw ValidationError(
        "The odds of a language model have to be calibrated first: --weights FILE, from "
          + "`strata eval faithfulness DATA --model \(model ?? "") --write FILE`.")
    }
  }

  func run() async throws {
    try await common.run {
      let text = try Self.read(answer)
      let json = (try? JSON(parsing: text)).flatMap { $0["answer"]?.stringValue == nil ? nil : $0 }
      let wiring = try Wiring()
      let pool = try wiring.pool(threads: threads)
      let collection = try await wiring.collection(documents.collection, pool: pool)
      let citations = (json?["citations"]?.arrayValue ?? []).compactMap(Citation.init)
      let checks = try await CitationChecker(
        store: collection.store, collection: collection.name, gate: collection.gate
      )
      .check(citations.map(\.place), as: collection.principal(user))
      // What no longer stands where it was cited from supports nothing.
      let standing = zip(citations, checks).filter { $1.status == .verified || $1.status == .stale }.map(\.0.quote)
      let scorer = try FaithfulnessScorer(
        embedder: collection.embedder, judge: model.map { try wiring.judge($0, pool: pool) },
        model: weights.map {
          try FaithfulnessModel(JSON(parsing: Self.read($0))[model == nil ? "vectors" : "judge"] ?? .null)
        })
      let report = try await scorer.check(
        json?["answer"]?.stringValue ?? text, evidence: standing + evidence.map(Self.read))
      if common.json {
        return Terminal.json(["citations": .array(checks.map(\.json)), "faithfulness": report.json])
      }
      Self.show(checks, report)
    }
  }

  private static func read(_ path: String) throws -> String {
    guard let data = FileManager.default.contents(atPath: path) else {
      throw CommandError(CommandError.usage, "There is no readable file \(path).")
    }
    return String(decoding: data, as: UTF8.self)
  }

  private static func show(_ checks: [CitationCheck], _ report: FaithfulnessReport) {
    for check in checks {
      let place =
        "\(check.place.document) v\(check.place.version) \(check.place.range.lowerBound)-\(check.place.range.upperBound)"
      Terminal.out("\(check.status.rawValue.padding(toLength: 12, withPad: " ", startingAt: 0)) [\(place)]")
    }
    Terminal.out(Terminal.support(report) ?? "The answer claims nothing.")
  }
}
