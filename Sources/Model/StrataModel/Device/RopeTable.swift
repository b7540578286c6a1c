// Owns the cosines and sines of rotary position embedding. Knows nothing about heads or caches.
import Foundation
import StrataCore

/// Tables [positions, rotary dimension / 2], computed up to the highest position used so far.
///
/// Su et al. 2021, RoFormer; scaling as in ``RopeScaling``; `divisors` divide the frequencies (llama3, LongRoPE).
struct RopeTable {
  private(set) var cosines = FloatBuffer(count: 0)
  private(set) var sines = FloatBuffer(count: 0)
  private(set) var positionCount = 0
  let configuration: RopeConfiguration
  private let frequencies: [Double]
  private let magnitude: Double

  init(_ configuration: RopeConfiguration, divisors: [Float]?) {
    let dimension = Double(configuration.dimension)
    var magnitude = configuration.magnitude
    if case .yarn(let factor, _, _, _) = configuration.scaling { magnitude *= 1 + 0.1 * log(factor) }
    frequencies = (0..<configuration.dimension / 2).map { index in
      let plain = pow(configuration.base, -2 * Double(index) / dimension) / Double(divisors?[index] ?? 1)
      switch configuration.scaling {
      case .none, .long: return plain
      case .linear(let factor): return plain / factor
      case .yarn(let factor, let original, let betaFast, let betaSlow):
        func place(ofRotations rotations: Double) -> Double {
          dimension * log(Double(original) / (rotations * 2 * .pi)) / (2 * log(configuration.base))
        }
        let low = max(0, place(ofRotations: betaFast).rounded(.down))
        let high = min(dimension - 1, place(ofRotations: betaSlow).rounded(.up))
        let ramp = min(1, max(0, (Double(index) - low) / max(0.001, high - low)))
        return plain * (1 - ramp) + plain / factor * ramp
      }
    }
    self.configuration = configuration
    self.magnitude = magnitude
  }

  /// Makes the tables cover positions 0..<count; doubles at least, so that growing is amortized.
  mutating func cover(_ count: Int) {
    guard count > positionCount else { return }
    let half = frequencies.count
    let target = max(count, positionCount * 2, 1024)
    let newCosines = FloatBuffer(count: target * half)
    let newSines = FloatBuffer(count: target * half)
    newCosines.pointer.update(from: cosines.pointer, count: positionCount * half)
    newSines.pointer.update(from: sines.pointer, count: positionCount * half)
    for position in positionCount..<target {
      for index in 0..<half {
        let angle = Double(position) * frequencies[index]
        newCosines.pointer[position * half + index] = Float(cos(angle) * magnitude)
        newSines.pointer[position * half + index] = Float(sin(angle) * magnitude)
      }
    }
    cosines = newCosines
    sines = newSines
    positionCount = target
  }
}
