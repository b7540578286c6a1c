// Owns converting rows of weights from one tensor type to another. Knows nothing about files or which type is wanted.
import CStrataKernels
import StrataCore

/// Why rows could not be converted.
package enum TensorConversionFailure: Error, Sendable, Hashable {
  /// An infinity or NaN, with its index among the values of the call.
  case notFinite(Int)
  /// A value that the target's scales or floats cannot hold, with the index of its row's first value.
  case tooLarge(Int)
  case outOfMemory
  /// A row is no whole number of blocks, or the bytes do not fit the shape.
  case unsupported
}

extension TensorType {
  /// Encodes rows of this type as `type`, over the threads of `pool`. Scales of quantized types are searched for the
  /// least squared error, weighted by `importance` [columns].
  /// - Parameter target: receives the rows, from its beginning.
  /// - Returns: the sum of squared differences.
  package func convert(
    _ source: UnsafeRawBufferPointer, to type: TensorType, rows: Int, columns: Int, importance: ArraySlice<Float>?,
    pool: ComputePool, into target: UnsafeMutableRawBufferPointer
  ) throws(TensorConversionFailure) -> Double {
    guard rows > 0, columns > 0 else { return 0 }
    let needed = strata_matrix_source_bytes(strata_type(type.rawValue), Int64(rows), Int64(columns))
    guard strata_matrix_source_bytes(strata_type(rawValue), Int64(rows), Int64(columns)) == source.count,
      needed > 0, needed <= target.count, importance.map({ $0.count == columns }) ?? true,
      let from = source.baseAddress, let to = target.baseAddress
    else { throw .unsupported }
    var errors = [Double](repeating: 0, count: rows)
    let result = (importance ?? []).withUnsafeBufferPointer { weights in
      strata_convert(
        pool.handle, strata_type(rawValue), from, strata_type(type.rawValue), to, Int64(rows), Int64(columns),
        importance == nil ? nil : weights.baseAddress, &errors)
    }
    switch result.status {
    case STRATA_CONVERSION_DONE: return errors.reduce(0, +)
    case STRATA_CONVERSION_NOT_FINITE: throw .notFinite(Int(result.place))
    case STRATA_CONVERSION_TOO_LARGE: throw .tooLarge(Int(result.place))
    case STRATA_CONVERSION_NO_MEMORY: throw .outOfMemory
    default: throw .unsupported
    }
  }
}
