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
