// Owns the Swift handles of kernel threads and of repacked weights. Knows nothing about architectures.
import CStrataKernels
import StrataCore

/// Threads that run one kernel call together. Models that share a pool take turns; each call uses all threads.
public final class ComputePool: @unchecked Sendable {
  // Unchecked: the C pool takes calls from any thread, one after another.
  let handle: OpaquePointer
  public let threadCount: Int

  /// Starts the threads; the calling thread of each operation is one of them.
  /// - Throws: ``ModelError`` `out_of_memory` when the system gives no threads.
  public init(threads: Int) throws(ModelError) {
    guard let handle = strata_pool_create(Int32(clamping: max(1, min(threads, 256)))) else {
      throw ModelError(
        ModelError.outOfMemory, "The system gave no \(threads) threads.", remedy: "Ask for fewer threads.")
    }
    self.handle = handle
    threadCount = Int(strata_pool_threads(handle))
  }

  deinit { strata_pool_destroy(handle) }

  /// Calls `body` with each of 0..<count, on all threads, in no order; returns when all calls have.
  func forEach(_ count: Int, _ body: @escaping @Sendable (Int) -> Void) {
    withUnsafePointer(to: body) { pointer in
      strata_parallel_for(
        handle, Int64(count), 1,
        { context, first, last in
          guard let body = context?.assumingMemoryBound(to: (@Sendable (Int) -> Void).self).pointee else { return }
          for index in first..<last { body(Int(index)) }
        }, UnsafeMutableRawPointer(mutating: pointer))
    }
  }
}

/// A weight matrix [rows, columns] (outputs × inputs), repacked for the kernels.
final class WeightMatrix: @unchecked Sendable {
  // Unchecked: immutable after `init`.
  let handle: OpaquePointer
  let rows: Int
  let columns: Int

  init(
    type: TensorType, bytes: UnsafeRawBufferPointer, rows: Int, columns: Int, name: String, pool: ComputePool
  ) throws(ModelError) {
    let kind = strata_type(type.rawValue)
    let needed = strata_matrix_source_bytes(kind, Int64(rows), Int64(columns))
    guard needed > 0, needed == bytes.count, let address = bytes.baseAddress else {
      throw ModelError(
        ModelError.tensorShape,
        "The tensor `\(name)` has \(bytes.count) bytes, no \(type.name) matrix of \(rows) × \(columns).",
        remedy: ModelError.downloadAgain)
    }
    guard let handle = strata_matrix_create(kind, address, Int64(rows), Int64(columns), pool.handle) else {
      throw ModelError(
        ModelError.outOfMemory, "There is no memory for the tensor `\(name)` (\(bytes.count) bytes).",
        remedy: "Use a smaller model or close other programs.")
    }
    self.handle = handle
    self.rows = rows
    self.columns = columns
  }

  deinit { strata_matrix_destroy(handle) }

  var byteCount: Int { strata_matrix_byte_count(handle) }
}

/// Floats with a fixed, 64-byte aligned address.
final class FloatBuffer: @unchecked Sendable {
  // Unchecked: whoever holds it decides who writes; weights are written only while loading.
  let pointer: UnsafeMutablePointer<Float>
  let count: Int

  init(count: Int) {
    let raw = UnsafeMutableRawPointer.allocate(byteCount: max(count, 1) * 4, alignment: 64)
    pointer = raw.initializeMemory(as: Float.self, repeating: 0, count: max(count, 1))
    self.count = count
  }

  convenience init(_ values: [Float]) {
    self.init(count: values.count)
    values.withUnsafeBufferPointer { source in
      if let address = source.baseAddress { pointer.update(from: address, count: values.count) }
    }
  }

  deinit { UnsafeMutableRawPointer(pointer).deallocate() }
}
