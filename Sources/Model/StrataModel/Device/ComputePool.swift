// Owns the Swift handle of kernel threads. Knows nothing about weights or architectures.
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
