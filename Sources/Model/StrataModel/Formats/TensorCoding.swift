// Owns turning tensor bytes into floats and back. Knows nothing about names or shapes.
import CStrataKernels
import StrataCore

extension TensorType {
  /// The values of `bytes` in this type; nil when they are no whole number of blocks.
  func decode(_ bytes: UnsafeRawBufferPointer, count: Int) -> [Float]? {
    guard byteCount(elementCount: count) == bytes.count, let source = bytes.baseAddress else { return nil }
    var status: Int32 = -1
    let values = [Float](unsafeUninitializedCapacity: count) { buffer, initialized in
      guard let target = buffer.baseAddress else { return }
      status = strata_dequantize(strata_type(rawValue), source, target, count)
      initialized = status == 0 ? count : 0
    }
    return status == 0 ? values : nil
  }

  /// `values` in this type; nil when the type cannot be written or they are no whole number of blocks.
  func encode(_ values: [Float]) -> [UInt8]? {
    guard let byteCount = byteCount(elementCount: values.count) else { return nil }
    var status: Int32 = -1
    let bytes = [UInt8](unsafeUninitializedCapacity: byteCount) { buffer, initialized in
      guard let target = buffer.baseAddress else { return }
      status = strata_quantize(strata_type(rawValue), values, target, values.count)
      initialized = status == 0 ? byteCount : 0
    }
    return status == 0 ? bytes : nil
  }
}
