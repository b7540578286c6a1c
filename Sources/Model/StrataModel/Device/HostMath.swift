// Owns arithmetic on vectors in this process's memory, such as logits that have come back from a device.
import CStrataKernels

enum HostMath {
  /// Which instructions the kernels use, as `STRATA_ISA` spells it.
  static var instructionSet: String { String(cString: strata_isa_name(strata_isa_current())) }

  /// The largest value, and the sum of exp(x - largest).
  static func logSum(_ values: UnsafeBufferPointer<Float>) -> (maximum: Float, sum: Float) {
    guard let address = values.baseAddress else { return (-.infinity, 0) }
    let result = strata_softmax_sum(address, Int64(values.count), 1)
    return (result.maximum, result.sum)
  }

  /// e^x / Σ e^x in place.
  static func softmax(_ x: UnsafeMutablePointer<Float>, count: Int) { strata_softmax(x, Int64(count), 1) }

  /// The first of the largest values; nil without any.
  static func indexOfLargest(_ values: UnsafeBufferPointer<Float>) -> Int? {
    guard let address = values.baseAddress else { return nil }
    let index = strata_argmax(address, Int64(values.count))
    return index >= 0 ? Int(index) : nil
  }

  static func dot(_ x: UnsafePointer<Float>, _ y: UnsafePointer<Float>, count: Int) -> Float {
    strata_dot_f32(x, y, Int64(count))
  }

  /// y += factor · x, of `count` values.
  static func add(_ x: UnsafePointer<Float>, times factor: Float, to y: UnsafeMutablePointer<Float>, count: Int) {
    strata_axpy(y, factor, x, Int64(count))
  }

  /// y += x, of `count` values.
  static func add(_ x: UnsafePointer<Float>, to y: UnsafeMutablePointer<Float>, count: Int) {
    strata_add(y, x, Int64(count))
  }

  /// The values scaled to length 1; zeros stay.
  static func normalized(_ values: [Float]) -> [Float] {
    let length = strata_dot_f32(values, values, Int64(values.count)).squareRoot()
    return length > 0 ? values.map { $0 / length } : values
  }
}
