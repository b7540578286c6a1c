// Owns the handles of what a device holds. Knows nothing about what the numbers mean.
import StrataCore

/// Floats with a fixed, 64-byte aligned address.
///
/// Weights are written only while loading; activations by whoever runs the step.
final class FloatBuffer: @unchecked Sendable {
  // Unchecked: whoever holds it decides who writes.
  let pointer: UnsafeMutablePointer<Float>
  let count: Int

  init(count: Int) {
    let raw = UnsafeMutableRawPointer.allocate(byteCount: max(count, 1) * 4, alignment: 64)
    pointer = raw.initializeMemory(as: Float.self, repeating: 0, count: max(count, 1))
    self.count = count
  }

  convenience init(_ values: [Float]) {
    self.init(count: values.count)
    write(values)
  }

  deinit { UnsafeMutableRawPointer(pointer).deallocate() }

  /// Copies as many of `values` as fit.
  func write(_ values: [Float]) {
    values.withUnsafeBufferPointer { source in
      if let address = source.baseAddress { pointer.update(from: address, count: min(count, values.count)) }
    }
  }
}

/// A weight matrix [rows, columns] (outputs × inputs) in a device's own layout.
final class WeightMatrix: @unchecked Sendable {
  // Unchecked: immutable.

  /// The device's; no one else looks behind it.
  let handle: OpaquePointer
  let rows: Int
  let columns: Int
  /// Bytes of memory held.
  let byteCount: Int
  private let device: any Device

  init(handle: OpaquePointer, rows: Int, columns: Int, byteCount: Int, device: any Device) {
    self.handle = handle
    self.rows = rows
    self.columns = columns
    self.byteCount = byteCount
    self.device = device
  }

  deinit { device.release(matrix: handle) }
}

/// A low-rank update B · A of a weight matrix in a device's own layout.
final class LowRankMatrix: @unchecked Sendable {
  // Unchecked: immutable.

  /// The device's; no one else looks behind it.
  let handle: OpaquePointer
  let inputs: Int
  let outputs: Int
  /// Bytes of memory held.
  let byteCount: Int
  private let device: any Device

  init(handle: OpaquePointer, inputs: Int, outputs: Int, byteCount: Int, device: any Device) {
    self.handle = handle
    self.inputs = inputs
    self.outputs = outputs
    self.byteCount = byteCount
    self.device = device
  }

  deinit { device.release(lowRank: handle) }
}

/// Rows of embeddings [vocabulary, width], decoded as tokens need them. Their bytes stay in the mapped file, so that a
/// table that is the output layer too is held once.
struct EmbeddingTable: Sendable {
  let file: GGUFFile
  let tensor: TensorInfo
  let width: Int
}

/// Which rows of a step belong to which sequence, and where the sequences' keys and values are. Made once per step.
struct SpanTable {
  /// Consecutive rows of one sequence, the first of them at `position`.
  struct Span {
    let store: KVStore
    /// Where the sequence's pages begin in the table's.
    let firstPage: Int
    let position: Int
    let count: Int
  }

  private(set) var spans: [Span] = []
  /// The pages of all spans, one span after another.
  private(set) var pages: [Int32] = []

  mutating func removeAll() {
    spans.removeAll(keepingCapacity: true)
    pages.removeAll(keepingCapacity: true)
  }

  /// Adds rows of a cache whose pages reach to `position + count`.
  mutating func append(_ cache: KVCache, position: Int, count: Int) {
    spans.append(Span(store: cache.store, firstPage: pages.count, position: position, count: count))
    pages.append(contentsOf: cache.pages.prefix(KVStore.pages(for: position + count)))
  }
}
