// Owns the keys and values of one sequence. Knows nothing about scheduling or sharing between sequences.
import CStrataKernels
import StrataCore

/// Keys and values of one sequence in all layers of a model. Memory is reserved for `capacity` positions and taken from
/// the system as positions are written.
///
/// Not safe for use from several threads at once; whoever schedules the sequence owns its cache.
public final class KVCache: @unchecked Sendable {
  // Unchecked: used by one owner at a time, as documented.
  let handle: OpaquePointer
  public let capacity: Int
  /// Positions that hold keys and values; the next token gets this position.
  public internal(set) var count = 0
  /// Bytes that one position takes in all layers.
  public let bytesPerPosition: Int

  init(configuration: DecoderConfiguration, capacity: Int) throws(ModelError) {
    guard capacity > 0, capacity <= configuration.contextLength else {
      throw ModelError(
        ModelError.contextOverflow,
        "A cache of \(capacity) positions was asked for; the model's context is \(configuration.contextLength).",
        remedy: "Shorten the prompt or lower the number of tokens to generate.")
    }
    guard
      let handle = strata_kv_create(
        Int32(configuration.layerCount), Int32(configuration.keyValueHeadCount), Int32(configuration.headDimension),
        Int32(capacity))
    else {
      throw ModelError(
        ModelError.outOfMemory, "There is no memory for a cache of \(capacity) positions.",
        remedy: "Lower the context length or the number of sequences.")
    }
    self.handle = handle
    self.capacity = capacity
    bytesPerPosition = strata_kv_bytes_per_position(handle)
  }

  deinit { strata_kv_destroy(handle) }

  /// Bytes of the positions in use.
  public var byteCount: Int { count * bytesPerPosition }

  /// Forgets positions from `newCount` on; does nothing when there are fewer.
  public func truncate(to newCount: Int) {
    count = min(count, max(0, newCount))
  }

  /// Replaces the contents by the first `prefixCount` positions of `source`, a cache of the same model.
  /// - Throws: ``ModelError`` `context_overflow` when they do not fit, `invalid_argument` when `source` has fewer
  ///   positions or belongs to a model of another shape.
  public func copyPrefix(from source: KVCache, count prefixCount: Int) throws(ModelError) {
    guard prefixCount <= capacity else {
      throw ModelError(
        ModelError.contextOverflow, "A prefix of \(prefixCount) positions does not fit a cache of \(capacity).",
        remedy: "Make the cache as large as the prompt and the completion.")
    }
    guard source !== self, prefixCount >= 0, prefixCount <= source.count,
      strata_kv_copy_prefix(handle, source.handle, Int32(prefixCount))
    else {
      throw ModelError(
        ModelError.invalidArgument,
        "\(prefixCount) positions cannot be copied from a cache that holds \(source.count).",
        remedy: "Copy between different caches of one model, and no more than the source holds.")
    }
    count = prefixCount
  }
}
