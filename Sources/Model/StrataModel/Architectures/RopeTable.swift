// Owns the cosines and sines of rotary position embedding. Knows nothing about heads or caches.
import Foundation
import StrataCore

/// Tables [positions, rotaryDimension / 2], computed up to the highest position used so far.
///
/// Su et al. 2021, RoFormer; scaling as in ``RopeScaling``; `factors` divide the frequencies (llama3).
struct RopeTable {
  private(set) var cosines = FloatBuffer(count: 0)
  private(set) var sines = FloatBuffer(count: 0)
  private(set) var positionCount = 0
  private let frequencies: [Double]
  private let magnitude: Double

  init(configuration: DecoderConfiguration, factors: [Float]?) {
    let half = configuration.rotaryDimension / 2
    let base = configuration.ropeBase
    var magnitude = 1.0
    frequencies = (0..<half).map { index in
      let exponent = -2 * Double(index) / Double(configuration.rotaryDimension)
      let plain = pow(base, exponent) / Double(factors?[index] ?? 1)
      switch configuration.ropeScaling {
      case .none: return plain
      case .linear(let factor): return plain / factor
      case .yarn(let factor, let original, let attentionFactor, let betaFast, let betaSlow):
        magnitude = attentionFactor * (1 + 0.1 * log(factor))
        func dimension(rotations: Double) -> Double {
          Double(configuration.rotaryDimension) * log(Double(original) / (rotations * 2 * .pi)) / (2 * log(base))
        }
        let low = max(0, dimension(rotations: betaFast).rounded(.down))
        let high = min(Double(configuration.rotaryDimension - 1), dimension(rotations: betaSlow).rounded(.up))
        let ramp = min(1, max(0, (Double(index) - low) / max(0.001, high - low)))
        return plain * (1 - ramp) + plain / factor * ramp
      }
    }
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
