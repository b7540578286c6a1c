// Owns one logistic regression: fitting it, applying it, and how sure it is. Knows nothing about what it tells apart.
import Foundation

/// A linear model of a probability, fitted with a quadratic penalty, that knows its own uncertainty by the Laplace
/// approximation (MacKay 1992, The Evidence Framework Applied to Classification Networks).
///
/// All sums run in a fixed order, so equal inputs give equal bits.
struct LogisticRegression: Sendable, Hashable {
  /// What is subtracted from each feature, and what it is then divided by.
  var means: [Double]
  var scales: [Double]
  /// One for each feature, and the constant last.
  var weights: [Double]
  /// [weights, weights], row-major: how the weights vary together.
  var covariance: [Double]

  /// Newton's method (iteratively reweighted least squares).
  /// - Parameters:
  ///   - rows: [samples][features].
  ///   - penalty: on the squares of the weights of standardized features; above 0, so that the optimum is unique.
  init(rows: [[Double]], labels: [Bool], penalty: Double) {
    let width = rows.first?.count ?? 0
    let count = Double(max(1, rows.count))
    means = (0..<width).map { column in rows.reduce(0) { $0 + $1[column] } / count }
    scales = (0..<width).map { [means] column in
      let variance = rows.reduce(0) { $0 + ($1[column] - means[column]) * ($1[column] - means[column]) } / count
      return variance > 1e-12 ? variance.squareRoot() : 1
    }
    weights = [Double](repeating: 0, count: width + 1)
    covariance = []
    let inputs = rows.map(standardized)
    for _ in 0..<50 {
      let (gradient, curvature) = slope(inputs, labels, penalty)
      covariance = Self.inverse(curvature, width + 1)
      var largest = 0.0
      for i in 0...width {
        let step = (0...width).reduce(0) { $0 + covariance[i * (width + 1) + $1] * gradient[$1] }
        weights[i] -= step
        largest = max(largest, abs(step))
      }
      if largest < 1e-10 { break }
    }
  }

  init(means: [Double], scales: [Double], weights: [Double], covariance: [Double]) {
    self.means = means
    self.scales = scales
    self.weights = weights
    self.covariance = covariance
  }

  /// The log-odds and their standard deviation.
  func logit(_ row: [Double]) -> (mean: Double, deviation: Double) {
    let input = standardized(row)
    var mean = 0.0
    var variance = 0.0
    for i in input.indices {
      mean += weights[i] * input[i]
      for j in input.indices { variance += input[i] * covariance[i * input.count + j] * input[j] }
    }
    return (mean, max(0, variance).squareRoot())
  }

  static func probability(_ logit: Double) -> Double { 1 / (1 + exp(-min(max(logit, -40), 40))) }

  private func standardized(_ row: [Double]) -> [Double] {
    // A feature far beyond what was seen says no more than the farthest that was.
    means.indices.map { min(max((row[$0] - means[$0]) / scales[$0], -4), 4) } + [1]
  }

  private func slope(_ inputs: [[Double]], _ labels: [Bool], _ penalty: Double) -> ([Double], [Double]) {
    let size = weights.count
    var gradient = [Double](repeating: 0, count: size)
    var curvature = [Double](repeating: 0, count: size * size)
    for (input, label) in zip(inputs, labels) {
      var logit = 0.0
      for i in 0..<size { logit += weights[i] * input[i] }
      let p = Self.probability(logit)
      let spread = max(p * (1 - p), 1e-9)
      for i in 0..<size {
        gradient[i] += (p - (label ? 1 : 0)) * input[i]
        for j in 0...i { curvature[i * size + j] += spread * input[i] * input[j] }
      }
    }
    for i in 0..<size {
      // The constant goes where it must; a trace of penalty keeps it finite when all labels agree.
      let own = i == size - 1 ? 1e-3 : penalty
      gradient[i] += own * weights[i]
      curvature[i * size + i] += own
      for j in 0..<i { curvature[j * size + i] = curvature[i * size + j] }
    }
    return (gradient, curvature)
  }

  /// By Gauss-Jordan elimination with pivoting; the matrix is positive definite.
  private static func inverse(_ matrix: [Double], _ size: Int) -> [Double] {
    var left = matrix
    var right = [Double](repeating: 0, count: size * size)
    for i in 0..<size { right[i * size + i] = 1 }
    for column in 0..<size {
      let pivot = (column..<size).max { abs(left[$0 * size + column]) < abs(left[$1 * size + column]) } ?? column
      if pivot != column {
        for k in 0..<size {
          left.swapAt(pivot * size + k, column * size + k)
          right.swapAt(pivot * size + k, column * size + k)
        }
      }
      let scale = left[column * size + column]
      guard abs(scale) > .leastNormalMagnitude else { continue }
      for k in 0..<size {
        left[column * size + k] /= scale
        right[column * size + k] /= scale
      }
      for row in 0..<size where row != column {
        let factor = left[row * size + column]
        if factor == 0 { continue }
        for k in 0..<size {
          left[row * size + k] -= factor * left[column * size + k]
          right[row * size + k] -= factor * right[column * size + k]
        }
      }
    }
    return right
  }
}
