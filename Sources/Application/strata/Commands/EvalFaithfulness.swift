// Owns `strata eval faithfulness`: the faithfulness score against people's judgements, beside simpler ones.
import ArgumentParser
import Foundation
import StrataCore
import StrataEvaluation
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
  @Option(name: .long, help: "Threads for the embedder (default: all processors).") var threads: Int?

  func validate() throws {
    guard (2...100).contains(folds) else { throw ValidationError("--folds must lie in 2...100.") }
  }

  func run() async throws {
    try await common.run {
      let dataset = try FaithfulnessDataset(path: data)
      let wiring = try Wiring()
      let embedder = try wiring.embedder(pool: wiring.pool(threads: threads))
      let bar = ProgressBar("features") { "\(Terminal.formatted($0, digits: 1)) claims/s" }
      let names = FaithfulnessScorer.featureNames(withVectors: true)
      var rows: [[Double]] = []
      for claim in dataset.claims {
        let row = try await FaithfulnessScorer.features(of: claim.text, evidence: claim.evidence, embedder: embedder)
        rows.append(row ?? [])
        bar.update(rows.count, of: dataset.claims.count)
      }
      bar.finish()
      // What has no features is judged without a model, and teaches none.
      let known = rows.indices.filter { rows[$0].count == names.count }
      let labels = known.map { dataset.claims[$0].label }
      let table = FeatureTable(names: names, rows: known.map { rows[$0] }, labels: labels)
      let report = FaithfulnessEvaluationReport(
        dataset: dataset.name, claimCount: labels.count, folds: folds,
        scores: FeatureTable.judges.map { judge in
          let predictions = FaithfulnessEvaluation.crossValidated(labels, folds: folds) {
            table.fit(judge.features, training: $0)
          }
          return FaithfulnessEvaluation.score(judge.name, labels, predictions)
        })
      if let write {
        try table.models.text().write(toFile: write, atomically: true, encoding: .utf8)
      }
      if common.json { Terminal.json(report.json) } else { Terminal.out(report.text) }
    }
  }
}

/// Labelled claims as rows of features, from which judges learn.
private struct FeatureTable {
  let names: [String]
  let rows: [[Double]]
  let labels: [Int]

  /// The score, without vectors too, and what it is compared with: each baseline has its thresholds fitted as well.
  static let judges: [(name: String, features: [String])] = [
    ("majority", []), ("lexical overlap", ["words_found"]), ("cosine", ["cosine_1"]),
    ("strata, words only", FaithfulnessScorer.featureNames(withVectors: false)),
    ("strata", FaithfulnessScorer.featureNames(withVectors: true)),
  ]

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
      labels: training.map { Support(rawValue: labels[$0]) ?? .unsupported }, features: features)
  }

  /// Fitted to all claims.
  var models: JSON {
    func json(_ withVectors: Bool) -> JSON {
      model(FaithfulnessScorer.featureNames(withVectors: withVectors), training: Array(rows.indices)).json
    }
    return ["words": json(false), "vectors": json(true)]
  }
}
