// Owns looking at the inputs of linear layers while a model runs on another device. Knows no architecture.
import StrataCore
import Synchronization

/// Sees what linear layers are given, for instance to calibrate a quantization.
package protocol ActivationObserver: AnyObject, Sendable {
  /// Called before each product, on the thread of the step.
  /// - Parameters:
  ///   - tensor: the weights' name in the model file; parts of a fused tensor come one after another under its name.
  ///   - input: [rows, columns], valid during the call.
  func observe(tensor: String, input: UnsafeBufferPointer<Float>, rows: Int, columns: Int)
}

/// A device that tells an observer of each product and has another device do all work. Models that nobody observes do
/// not know of it.
final class ObservingDevice: Device {
  private let base: any Device
  private let observer: any ActivationObserver
  private let names = Mutex<[OpaquePointer: String]>([:])

  init(_ base: any Device, _ observer: any ActivationObserver) {
    self.base = base
    self.observer = observer
  }

  func makeMatrix(
    type: TensorType, bytes: UnsafeRawBufferPointer, rows: Int, columns: Int, name: String
  ) throws(ModelError) -> WeightMatrix {
    let matrix = try base.makeMatrix(type: type, bytes: bytes, rows: rows, columns: columns, name: name)
    names.withLock { $0[matrix.handle] = name }
    return matrix
  }

  func multiply(_ input: FloatBuffer, rows: Int, by products: [Product]) {
    base.synchronize()
    for product in products {
      guard let name = names.withLock({ $0[product.weights.handle] }) else { continue }
      let count = rows * product.weights.columns
      guard count <= input.count else { continue }
      observer.observe(
        tensor: name, input: UnsafeBufferPointer(start: input.pointer, count: count), rows: rows,
        columns: product.weights.columns)
    }
    base.multiply(input, rows: rows, by: products)
  }

  // MARK: Left to the other device

  func makeFloats(count: Int) -> FloatBuffer { base.makeFloats(count: count) }

  func release(matrix handle: OpaquePointer) { base.release(matrix: handle) }

  func makeLowRank(
    a: [Float], b: [Float], rank: Int, scale: Float, name: String
  ) throws(ModelError) -> LowRankMatrix {
    try base.makeLowRank(a: a, b: b, rank: rank, scale: scale, name: name)
  }

  func release(lowRank handle: OpaquePointer) { base.release(lowRank: handle) }

  func add(_ updates: [LowRankUpdate], to rows: [Int32], from input: FloatBuffer) {
    base.add(updates, to: rows, from: input)
  }

  func makeStore(
    layers: Int, heads: Int, headDimension: Int, pageCount: Int, type: KVType
  ) throws(ModelError) -> KVStore {
    try base.makeStore(layers: layers, heads: heads, headDimension: headDimension, pageCount: pageCount, type: type)
  }

  func release(store handle: OpaquePointer) { base.release(store: handle) }

  func copyPage(_ page: Int32, of source: KVStore, to target: Int32, of store: KVStore) -> Bool {
    base.copyPage(page, of: source, to: target, of: store)
  }

  func release(pages: Range<Int32>, of store: KVStore) { base.release(pages: pages, of: store) }

  func embed(_ tokens: [Int32], from table: EmbeddingTable, scale: Float, into output: FloatBuffer) {
    base.embed(tokens, from: table, scale: scale, into: output)
  }

  func embed(
    _ tokens: [Int32], positions: [Int32], from words: FloatBuffer, adding places: FloatBuffer, width: Int,
    into output: FloatBuffer
  ) {
    base.embed(tokens, positions: positions, from: words, adding: places, width: width, into: output)
  }

  func normalize(_ input: FloatBuffer, rows: Int, by weight: FloatBuffer, epsilon: Float, into output: FloatBuffer) {
    base.normalize(input, rows: rows, by: weight, epsilon: epsilon, into: output)
  }

  func addNormalized(_ input: FloatBuffer, rows: Int, by weight: FloatBuffer, epsilon: Float, to output: FloatBuffer) {
    base.addNormalized(input, rows: rows, by: weight, epsilon: epsilon, to: output)
  }

  func normalizeLayer(_ x: FloatBuffer, rows: Int, weight: FloatBuffer, bias: FloatBuffer, epsilon: Float) {
    base.normalizeLayer(x, rows: rows, weight: weight, bias: bias, epsilon: epsilon)
  }

  func rotate(_ x: FloatBuffer, heads: Int, headDimension: Int, positions: [Int32], by table: RopeTable) {
    base.rotate(x, heads: heads, headDimension: headDimension, positions: positions, by: table)
  }

  func activate(_ gate: FloatBuffer, times up: FloatBuffer, rows: Int, width: Int, by activation: GateActivation) {
    base.activate(gate, times: up, rows: rows, width: width, by: activation)
  }

  func gelu(_ x: FloatBuffer, count: Int) { base.gelu(x, count: count) }

  func softcap(_ x: FloatBuffer, count: Int, cap: Float) { base.softcap(x, count: count, cap: cap) }

  func gather(_ rows: [Int], of x: FloatBuffer, width: Int) { base.gather(rows, of: x, width: width) }

  func store(keys: FloatBuffer, values: FloatBuffer, width: Int, of spans: SpanTable, layer: Int) {
    base.store(keys: keys, values: values, width: width, of: spans, layer: layer)
  }

  func attend(
    _ queries: FloatBuffer, shape: AttentionShape, to spans: SpanTable, layer: Int, into output: FloatBuffer
  ) {
    base.attend(queries, shape: shape, to: spans, layer: layer, into: output)
  }

  func attendBothWays(
    queries: FloatBuffer, keys: FloatBuffer, values: FloatBuffer, shape: AttentionShape, lengths: [Int32],
    into output: FloatBuffer
  ) {
    base.attendBothWays(queries: queries, keys: keys, values: values, shape: shape, lengths: lengths, into: output)
  }

  func synchronize() { base.synchronize() }
}
