// Owns the device that is this machine's processor: the C kernels behind the seam. Knows no architecture.
import CStrataKernels
import StrataCore

/// The processor: memory is this process's, operations run on a pool's threads and are done when they return.
final class CPUDevice: Device {
  let pool: ComputePool
  private var handle: OpaquePointer { pool.handle }

  init(pool: ComputePool) { self.pool = pool }

  func synchronize() {}

  // MARK: Memory

  func makeFloats(count: Int) -> FloatBuffer { FloatBuffer(count: count) }

  func makeMatrix(
    type: TensorType, bytes: UnsafeRawBufferPointer, rows: Int, columns: Int, name: String
  ) throws(ModelError) -> WeightMatrix {
    let kind = strata_type(type.rawValue)
    let needed = strata_matrix_source_bytes(kind, Int64(rows), Int64(columns))
    guard needed > 0, needed == bytes.count, let address = bytes.baseAddress else {
      throw ModelError(
        ModelError.tensorShape,
        "The tensor `\(name)` has \(bytes.count) bytes, no \(type.name) matrix of \(rows) × \(columns).",
        remedy: ModelError.downloadAgain)
    }
    guard let matrix = strata_matrix_create(kind, address, Int64(rows), Int64(columns), handle) else {
      throw ModelError(
        ModelError.outOfMemory, "There is no memory for the tensor `\(name)` (\(bytes.count) bytes).",
        remedy: "Use a smaller model or close other programs.")
    }
    return WeightMatrix(
      handle: matrix, rows: rows, columns: columns, byteCount: strata_matrix_byte_count(matrix), device: self)
  }

  func release(matrix: OpaquePointer) { strata_matrix_destroy(matrix) }

  func makeLowRank(
    a: [Float], b: [Float], rank: Int, scale: Float, name: String
  ) throws(ModelError) -> LowRankMatrix {
    let (inputs, outputs) = (a.count / rank, b.count / rank)
    guard let pair = strata_lora_create(a, b, Int64(rank), Int64(inputs), Int64(outputs), scale) else {
      throw ModelError(
        ModelError.outOfMemory, "There is no memory for the adapter's matrices of \(name).",
        remedy: "Unload another adapter or close other programs.")
    }
    return LowRankMatrix(
      handle: pair, inputs: inputs, outputs: outputs, byteCount: strata_lora_byte_count(pair), device: self)
  }

  func release(lowRank: OpaquePointer) { strata_lora_destroy(lowRank) }

  func makeStore(
    layers: Int, heads: Int, headDimension: Int, pageCount: Int, type: KVType
  ) throws(ModelError) -> KVStore {
    let kind =
      switch type {
      case .f16: STRATA_KV_F16
      case .bf16: STRATA_KV_BF16
      case .q8: STRATA_KV_Q8
      }
    guard pageCount > 0, let count = Int32(exactly: pageCount) else {
      throw ModelError(
        ModelError.invalidArgument, "A store of \(pageCount) pages was asked for.",
        remedy: "Ask for at least one page and fewer than two thousand million.")
    }
    guard let store = strata_kv_create(Int32(layers), Int32(heads), Int32(headDimension), count, kind) else {
      throw ModelError(
        ModelError.outOfMemory,
        "There is no memory for the keys and values of \(pageCount * KVStore.positionsPerPage) positions.",
        remedy: "Lower the context length or the number of sequences.")
    }
    return KVStore(
      handle: store, shape: [layers, heads, headDimension], pageCount: pageCount, type: type,
      bytesPerPage: strata_kv_page_bytes(store), device: self)
  }

  func release(store: OpaquePointer) { strata_kv_destroy(store) }

  func copyPage(_ page: Int32, of source: KVStore, to target: Int32, of store: KVStore) -> Bool {
    strata_kv_copy_page(store.handle, target, source.handle, page)
  }

  func release(pages: Range<Int32>, of store: KVStore) {
    strata_kv_release_pages(store.handle, pages.lowerBound, Int32(pages.count))
  }

  // MARK: Linear layers

  func embed(_ tokens: [Int32], from table: EmbeddingTable, scale: Float, into output: FloatBuffer) {
    let bytes = table.file.bytes(of: table.tensor)
    let rowBytes = table.tensor.type.byteCount(elementCount: table.width) ?? 0
    guard let base = bytes.baseAddress else { return }
    let type = strata_type(table.tensor.type.rawValue)
    for (row, token) in tokens.enumerated() {
      strata_dequantize(type, base + Int(token) * rowBytes, output.pointer + row * table.width, table.width)
    }
    if scale != 1 { strata_scale(output.pointer, scale, Int64(tokens.count * table.width)) }
  }

  func embed(
    _ tokens: [Int32], positions: [Int32], from words: FloatBuffer, adding places: FloatBuffer, width: Int,
    into output: FloatBuffer
  ) {
    var target = output.pointer
    for (token, position) in zip(tokens, positions) {
      target.update(from: words.pointer + Int(token) * width, count: width)
      strata_add(target, places.pointer + Int(position) * width, Int64(width))
      target += width
    }
  }

  func multiply(_ input: FloatBuffer, rows: Int, by products: [Product]) {
    guard let columns = products.first?.weights.columns else { return }
    withUnsafeTemporaryAllocation(of: strata_matmul_job.self, capacity: products.count) { jobs in
      for (index, product) in products.enumerated() {
        jobs.initializeElement(
          at: index,
          to: strata_matmul_job(
            weights: product.weights.handle, y: product.output.pointer, y_stride: Int64(product.weights.rows),
            bias: product.bias.map { UnsafePointer($0.pointer) }, accumulate: product.accumulates))
      }
      guard let first = jobs.baseAddress else { return }
      strata_matmul_many(handle, input.pointer, Int64(columns), Int64(rows), first, Int64(products.count))
    }
  }

  func add(_ updates: [LowRankUpdate], to rows: [Int32], from input: FloatBuffer) {
    rows.withUnsafeBufferPointer { rows in
      withUnsafeTemporaryAllocation(of: strata_lora_job.self, capacity: updates.count) { jobs in
        guard let row = rows.baseAddress, let first = jobs.baseAddress else { return }
        for (index, update) in updates.enumerated() {
          jobs.initializeElement(
            at: index,
            to: strata_lora_job(
              pair: update.matrix.handle, x: input.pointer, x_stride: Int64(update.matrix.inputs),
              y: update.output.pointer, y_stride: Int64(update.matrix.outputs), rows: row + update.rows.lowerBound,
              row_count: Int64(update.rows.count)))
        }
        strata_lora_add(handle, first, Int64(updates.count))
      }
    }
  }

  // MARK: Rows

  func normalize(_ input: FloatBuffer, rows: Int, by weight: FloatBuffer, epsilon: Float, into output: FloatBuffer) {
    let width = Int64(weight.count)
    strata_rms_norm(
      handle, output.pointer, width, input.pointer, width, Int64(rows), width, weight.pointer, epsilon)
  }

  func addNormalized(_ input: FloatBuffer, rows: Int, by weight: FloatBuffer, epsilon: Float, to output: FloatBuffer) {
    let width = Int64(weight.count)
    strata_rms_norm_add(
      handle, output.pointer, width, input.pointer, width, Int64(rows), width, weight.pointer, epsilon)
  }

  func normalizeLayer(_ x: FloatBuffer, rows: Int, weight: FloatBuffer, bias: FloatBuffer, epsilon: Float) {
    let width = Int64(weight.count)
    strata_layer_norm(
      handle, x.pointer, width, x.pointer, width, Int64(rows), width, weight.pointer, bias.pointer, epsilon)
  }

  func rotate(_ x: FloatBuffer, heads: Int, headDimension: Int, positions: [Int32], by table: RopeTable) {
    positions.withUnsafeBufferPointer { rows in
      guard let first = rows.baseAddress else { return }
      strata_rope(
        handle, x.pointer, Int64(heads * headDimension), Int64(rows.count), Int64(heads), Int64(headDimension),
        Int64(table.configuration.dimension), table.cosines.pointer, table.sines.pointer, first,
        table.configuration.style == .halves ? STRATA_ROPE_HALVES : STRATA_ROPE_INTERLEAVED)
    }
  }

  func activate(_ gate: FloatBuffer, times up: FloatBuffer, rows: Int, width: Int, by activation: GateActivation) {
    let (y, m, n) = (gate.pointer, Int64(rows), Int64(width))
    switch activation {
    case .silu: strata_silu_mul(handle, y, n, y, n, up.pointer, n, m, n)
    case .gelu: strata_gelu_mul(handle, y, n, y, n, up.pointer, n, m, n)
    }
  }

  func gelu(_ x: FloatBuffer, count: Int) { strata_gelu(handle, x.pointer, Int64(count)) }

  func softcap(_ x: FloatBuffer, count: Int, cap: Float) { strata_softcap(handle, x.pointer, Int64(count), cap) }

  func gather(_ rows: [Int], of x: FloatBuffer, width: Int) {
    // Rows ascend and never move up, so that nothing is overwritten that is still needed.
    for (target, row) in rows.enumerated() where target != row {
      (x.pointer + target * width).update(from: x.pointer + row * width, count: width)
    }
  }

  // MARK: Attention

  func store(keys: FloatBuffer, values: FloatBuffer, width: Int, of spans: SpanTable, layer: Int) {
    withSpans(spans) { first, count in
      strata_kv_store(handle, first, count, Int32(layer), keys.pointer, Int64(width), values.pointer, Int64(width))
    }
  }

  func attend(
    _ queries: FloatBuffer, shape: AttentionShape, to spans: SpanTable, layer: Int, into output: FloatBuffer
  ) {
    let width = Int64(shape.heads * shape.headDimension)
    var options = strata_attention_options(
      scale: shape.scale, window: Int32(clamping: shape.window ?? 0), softcap: shape.softcap ?? 0)
    withSpans(spans) { first, count in
      strata_attention(
        handle, output.pointer, width, queries.pointer, width, Int32(shape.heads), Int32(layer), first, count, &options)
    }
  }

  func attendBothWays(
    queries: FloatBuffer, keys: FloatBuffer, values: FloatBuffer, shape: AttentionShape, lengths: [Int32],
    into output: FloatBuffer
  ) {
    let width = Int64(shape.heads * shape.headDimension)
    lengths.withUnsafeBufferPointer { all in
      guard let first = all.baseAddress else { return }
      let attend = shape.roundsToBFloat16 ? strata_attention_bidirectional_bf16 : strata_attention_bidirectional
      attend(
        handle, output.pointer, width, queries.pointer, keys.pointer, values.pointer, width, Int32(shape.heads),
        Int32(shape.headDimension), shape.scale, first, Int64(all.count))
    }
  }

  private func withSpans(_ table: SpanTable, _ body: (UnsafePointer<strata_span>, Int64) -> Void) {
    table.pages.withUnsafeBufferPointer { pages in
      withUnsafeTemporaryAllocation(of: strata_span.self, capacity: table.spans.count) { spans in
        guard let first = spans.baseAddress, let page = pages.baseAddress else { return }
        for (index, span) in table.spans.enumerated() {
          spans.initializeElement(
            at: index,
            to: strata_span(
              kv: span.store.handle, pages: page + span.firstPage, position: Int32(span.position),
              count: Int32(span.count)))
        }
        body(first, Int64(table.spans.count))
      }
    }
  }
}
