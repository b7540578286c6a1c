// Owns `strata eval faithfulness`: the faithfulness score against people's judgements, beside simpler ones.
import ArgumentParser
import Foundation
import StrataCore
import StrataEvaluation
import StrataModel
import StrataRetrieval

struct EvalFaithfulness: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "faithfulness",
    abstract: "Accuracy of the faithfulness score on labelled claims, by cross-validation.",
    discussion: "Example: strata eval faithfulness ../shared/data/retrieval/wice-dev")
  @OptionGroup var common: CommonOptions
  @Argument(help: "A file or folder of WiCE.", completion: .file()) var data: String
  @Option(name: .long, help: "Parts that the claims are divided into.") var folds = 10
  @Option(name: .long, help: "Also fit to all claims, and write the model here.", completion: .file()) var write:
    String?
  @Option(name: .long, help: "Also ask this language model whether each claim is supported.") var model: String?
  @Option(name: .long, help: "Only this many claims, evenly taken.") var limit: Int?
  @Option(name: .long, help: "Also write the label and the features of each claim here, as CSV.", completion: .file())
  var features: String?
  @Option(name: .long, help: "Threads for the embedder (default: all processors).") var threads: Int?

  func validate() throws {
    guard (2...100).contains(folds) else { throw ValidationError("--folds must lie in 2...100.") }
    guard (limit ?? 20) >= 20 else { throw ValidationError("--limit must be at least 20.") }
  }

  func run() async throws {
    try await common.run {
      let dataset = try FaithfulnessDataset(path: data)
      let claims = Self.sample(dataset.claims, limit)
      let wiring = try Wiring()
      let pool = try wiring.pool(threads: threads)
      let judge = try model.map { try wiring.judge($0, pool: pool) }
      let table = try await Self.table(claims, try wiring.embedder(pool: pool), judge)
      let report = FaithfulnessEvaluationReport(
        dataset: dataset.name, claimCount: table.labels.count, folds: folds,
        scores: table.judges.map { name, features in
          let predictions = FaithfulnessEvaluation.crossValidated(table.labels, folds: folds) {
            table.fit(features, training: $0)
          }
          return FaithfulnessEvaluation.score(name, table.labels, predictions)
        })
      if let features { try table.csv.write(toFile: features, atomically: true, encoding: .utf8) }
      if let write { try table.models.text().write(toFile: write, atomically: true, encoding: .utf8) }
      if common.json { Terminal.json(report.json) } else { Terminal.out(report.text) }
    }
  }

  private static func sample(
    _ claims: [FaithfulnessDataset.Claim], _ limit: Int?
  ) -> [FaithfulnessDataset.Claim] {
    guard let limit, limit < claims.count else { return claims }
    return (0..<limit).map { claims[$0 * claims.count / limit] }
  }

  private static func table(
    _ claims: [FaithfulnessDataset.Claim], _ embedder: MiniLMEmbedder, _ judge: EntailmentJudge?
  ) async throws -> FeatureTable {
    let rate: @Sendable (Double) -> String = { "\(Terminal.formatted($0, digits: 1)) claims/s" }
    let reading = ProgressBar("features", rate: rate)
    let judging = ProgressBar("judge", rate: rate)
    let count = claims.count
    let rows = try await FaithfulnessScorer.features(
      of: claims.map { ($0.text, $0.evidence) }, embedder: embedder, judge: judge
    ) { isJudged, done in
      if isJudged { judging.update(done, of: count) } else { reading.update(done, of: count) }
      if !isJudged, done == count { reading.finish() }
    }
    judging.finish()
    let names = FaithfulnessScorer.featureNames(withVectors: true, withJudge: judge != nil)
    // What has no features is judged without a model, and teaches none.
    let known = rows.indices.filter { rows[$0]?.count == names.count }
    return FeatureTable(
      names: names, rows: known.compactMap { rows[$0] }, labels: known.map { claims[$0].label }, judge: judge?.id)
  }
}

/// Labelled claims as rows of features, from which judges learn.
private struct FeatureTable {
  let names: [String]
  let rows: [[Double]]
  let labels: [Int]
  /// The language model and its prompt, if one was asked.
  let judge: String?

  /// The score, without vectors too, and what it is compared with: each baseline has its thresholds fitted as well.
  var judges: [(name: String, features: [String])] {
    let alone: [(name: String, features: [String])] = [
      ("majority", []), ("lexical overlap", ["words_found"]), ("cosine", ["cosine_1"]),
      ("strata, words", FaithfulnessScorer.featureNames(withVectors: false)),
      ("strata", FaithfulnessScorer.featureNames(withVectors: true)),
    ]
    guard judge != nil else { return alone }
    return alone + [
      ("model's yes", ["entailment"]),
      ("strata + model", FaithfulnessScorer.featureNames(withVectors: true, withJudge: true)),
    ]
  }

  func fit(_ features: [String], training: [Int]) -> (Int) -> SupportPrediction {
    let known = training.map { labels[$0] }
    let shares = (0...2).map { label in Double(known.count { $0 == label }) / Double(max(1, known.count)) }
    guard !features.isEmpty else {
      let majority = shares.indices.max { shares[$0] < shares[$1] } ?? 1
      return { _ in SupportPrediction(verdict: majority, isSupported: majority == 2, probabilities: shares) }
    }
    let columns = columns(features)
    let model = model(features, training: training)
    return { index in
      let estimate = model.estimate(columns.map { rows[index][$0] })
      return SupportPrediction(
        verdict: estimate.verdict.rawValue, isSupported: estimate.probabilities[2] > shares[2],
        probabilities: estimate.probabilities)
    }
  }

  private func columns(_ features: [String]) -> [Int] { features.compactMap { names.firstIndex(of: $0) } }

  private func model(_ features: [String], training: [Int]) -> FaithfulnessModel {
    let columns = columns(features)
    return FaithfulnessModel(
      fitting: training.map { index in columns.map { rows[index][$0] } },
      labels: training.map { Support(rawValue: labels[$0]) ?? .unsupported }, features: features,
      judge: features.contains("entailment") ? judge : nil)
  }

  /// Fitted to all claims.
  var models: JSON {
    func json(_ features: [String]) -> JSON { model(features, training: Array(rows.indices)).json }
    var models: JSONObject = [
      "words": json(FaithfulnessScorer.featureNames(withVectors: false)),
      "vectors": json(FaithfulnessScorer.featureNames(withVectors: true)),
    ]
    if judge != nil { models["judge"] = json(FaithfulnessScorer.featureNames(withVectors: true, withJudge: true)) }
    return .object(models)
  }

  var csv: String {
    let lines = zip(labels, rows).map { label, row in ([String(label)] + row.map { String($0) }).joined(separator: ",")
    }
    return ((["label"] + names).joined(separator: ",") + "\n") + lines.map { $0 + "\n" }.joined()
  }
}
