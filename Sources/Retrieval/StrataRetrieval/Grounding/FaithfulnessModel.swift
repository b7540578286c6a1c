// Owns the judgement: from features to probabilities of supported, partial and unsupported, and their interval.
import Foundation
import StrataCore

/// Two logistic regressions, "at least partly supported" and "supported" (Frank and Hall 2001, A Simple Approach to
/// Ordinal Classification), calibrated by being fitted to labelled sentences.
public struct FaithfulnessModel: Sendable, Hashable {
  /// Of the features, in their order.
  public let features: [String]
  /// The ``EntailmentJudge`` whose odds are among the features; nil when none is.
  public let judge: String?
  let atLeastPartial: LogisticRegression
  let supported: LogisticRegression
  /// How frequent each ``Support`` was among the labelled sentences: a verdict is what the evidence makes most more
  /// likely than it was, so that rare verdicts count as much as frequent ones.
  let frequencies: [Double]

  /// - Parameter rows: [sentences][features], finite.
  public init(
    fitting rows: [[Double]], labels: [Support], features: [String], judge: String? = nil,
    penalty: Double = FaithfulnessModel.defaultPenalty
  ) {
    self.features = features
    self.judge = judge
    atLeastPartial = LogisticRegression(rows: rows, labels: labels.map { $0 >= .partial }, penalty: penalty)
    supported = LogisticRegression(rows: rows, labels: labels.map { $0 == .supported }, penalty: penalty)
    let count = Double(max(1, labels.count))
    frequencies = Support.allCases.map { support in max(1, Double(labels.count { $0 == support })) / count }
  }

  /// Anything from 3 to 100 does about as well on the development data.
  public static let defaultPenalty = 30.0

  public func estimate(_ row: [Double]) -> SupportEstimate {
    let partial = atLeastPartial.logit(row)
    let full = supported.logit(row)
    func bound(_ logit: (mean: Double, deviation: Double), _ deviations: Double) -> Double {
      LogisticRegression.probability(logit.mean + deviations * logit.deviation)
    }
    let full0 = bound(full, 0)
    // Who is supported is supported in part.
    let partial0 = max(bound(partial, 0), full0)
    let probabilities = [1 - partial0, partial0 - full0, full0]
    let gains = zip(probabilities, frequencies).map { $0 / $1 }
    let likeliest = Support.allCases.max { gains[$0.rawValue] < gains[$1.rawValue] } ?? .unsupported
    // However much else agrees: a name or a figure that no evidence has is not supported by it.
    let lacksSpecifics = features.firstIndex(of: FaithfulnessFeatures.specificsMissing).map { row[$0] > 0 } ?? false
    let verdict = lacksSpecifics ? min(likeliest, .partial) : likeliest
    let score = (partial0 + full0) / 2
    return SupportEstimate(
      probabilities: probabilities, score: score,
      low: min(score, (bound(partial, -1.96) + bound(full, -1.96)) / 2),
      high: max(score, (bound(partial, 1.96) + bound(full, 1.96)) / 2), verdict: verdict)
  }

  // MARK: JSON

  public var json: JSON {
    func numbers(_ values: [Double]) -> JSON { .array(values.map { .double(($0 * 1e6).rounded() / 1e6) }) }
    func regression(_ model: LogisticRegression) -> JSON {
      [
        "means": numbers(model.means), "scales": numbers(model.scales), "weights": numbers(model.weights),
        "covariance": numbers(model.covariance),
      ]
    }
    return [
      "features": .array(features.map(JSON.string)), "judge": judge.map(JSON.string) ?? .null,
      "frequencies": numbers(frequencies),
      "at_least_partial": regression(atLeastPartial), "supported": regression(supported),
    ]
  }

  /// - Throws: ``RetrievalError`` `faithfulness_model_invalid` for anything that ``json`` does not write.
  public init(_ json: JSON) throws(RetrievalError) {
    let features = json["features"]?.arrayValue?.compactMap(\.stringValue) ?? []
    func numbers(_ json: JSON?, _ count: Int) -> [Double]? {
      guard let values = json?.arrayValue?.map(\.doubleValue), values.count == count else { return nil }
      let known = values.compactMap { $0 }.filter(\.isFinite)
      return known.count == count ? known : nil
    }
    func regression(_ json: JSON?) -> LogisticRegression? {
      let size = features.count + 1
      guard let means = numbers(json?["means"], size - 1), let scales = numbers(json?["scales"], size - 1),
        let weights = numbers(json?["weights"], size), let covariance = numbers(json?["covariance"], size * size),
        scales.allSatisfy({ $0 > 0 })
      else { return nil }
      return LogisticRegression(means: means, scales: scales, weights: weights, covariance: covariance)
    }
    guard let frequencies = numbers(json["frequencies"], Support.allCases.count), frequencies.allSatisfy({ $0 > 0 }),
      let partial = regression(json["at_least_partial"]), let full = regression(json["supported"])
    else {
      throw RetrievalError(
        ErrorCode("faithfulness_model_invalid", .invalidInput), "The file is no faithfulness model.",
        remedy: "Write one with `strata eval faithfulness DATA --write FILE`.")
    }
    self.features = features
    judge = json["judge"]?.stringValue
    self.frequencies = frequencies
    atLeastPartial = partial
    supported = full
  }
}

extension FaithfulnessModel {
  /// The model that comes with Strata, fitted to WiCE's development set (Kamoi et al. 2023): the first one by the same
  /// Newton steps in NumPy. `strata eval faithfulness DATA --write FILE` fits another.
  static func trained(withVectors: Bool) throws(RetrievalError) -> FaithfulnessModel {
    let file = (try? JSON(parsing: PackageResources.faithfulness_json)) ?? [:]
    return try FaithfulnessModel(file[withVectors ? "vectors" : "words"] ?? .null)
  }
}
