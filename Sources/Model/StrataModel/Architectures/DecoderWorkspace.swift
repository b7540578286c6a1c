// Owns the order of computing of one decoder step and its memory. Knows nothing about files, sampling or scheduling.
// Everything here runs on raw buffers: a step allocates nothing once the workspace has grown to its size.
import CStrataKernels
import StrataCore

/// Activations of one step, row-major; `m` counts the rows of all slices together.
struct DecoderWorkspace: ~Copyable {
  private let configuration: DecoderConfiguration
  private var rope: RopeTable
  private var rowCapacity = 0
  private var spans: [strata_span] = []
  private var wantedSpans: [strata_span] = []
  /// The pages of all slices, one slice after another; spans point into it.
  private var pageTable = PageTable()
  private var positions: [Int32] = []
  private var wantedPositions: [Int32] = []
  /// Rows of the step that want logits.
  private var wantedRows: [Int] = []
  private var wantedPerSlice: [Int] = []
  /// [m, embedding]: the residual stream.
  private var stream = FloatBuffer(count: 0)
  /// [m, embedding]: the stream, normalized.
  private var normed = FloatBuffer(count: 0)
  /// [m, queries], [m, keys], [m, keys]
  private var queries = FloatBuffer(count: 0)
  private var keys = FloatBuffer(count: 0)
  private var values = FloatBuffer(count: 0)
  /// [m, queries]
  private var attended = FloatBuffer(count: 0)
  /// [m, hidden] each
  private var gate = FloatBuffer(count: 0)
  private var up = FloatBuffer(count: 0)

  init(configuration: DecoderConfiguration, ropeFactors: [Float]?) {
    self.configuration = configuration
    rope = RopeTable(configuration: configuration, factors: ropeFactors)
  }

  /// Runs a checked batch; the caches' counts are left for the caller to advance.
  mutating func run(_ batch: [BatchSlice], model: DecoderModel, logits: LogitsBuffer) {
    let m = plan(batch)
    let target = logits.prepare(rowsPerSlice: wantedPerSlice, vocabularySize: configuration.vocabularySize)
    embed(batch, model)
    let layers = model.weights.layers
    for index in layers.indices.dropLast() {
      computeLayer(layers[index], index: index, m: m, pool: model.pool.handle)
    }
    guard let last = layers.last else { return }
    computeLastLayer(last, index: layers.count - 1, m: m, pool: model.pool.handle)
    let wanted = wantedRows.count
    guard wanted > 0 else { return }
    let embedding = Int64(configuration.embeddingLength)
    strata_rms_norm(
      model.pool.handle, normed.pointer, embedding, stream.pointer, embedding, Int64(wanted), embedding,
      model.weights.outputNorm.pointer, configuration.rmsEpsilon)
    strata_matmul(
      model.pool.handle, target, Int64(configuration.vocabularySize), normed.pointer, embedding, Int64(wanted),
      model.weights.output.handle, nil)
  }

  /// Lays out the rows of the step and makes room for them.
  private mutating func plan(_ batch: [BatchSlice]) -> Int {
    spans.removeAll(keepingCapacity: true)
    wantedSpans.removeAll(keepingCapacity: true)
    positions.removeAll(keepingCapacity: true)
    wantedPositions.removeAll(keepingCapacity: true)
    wantedRows.removeAll(keepingCapacity: true)
    wantedPerSlice.removeAll(keepingCapacity: true)
    pageTable.reserve(batch.reduce(0) { $0 + $1.cache.pages.count })
    var highest = 0
    for slice in batch {
      let count = slice.tokens.count
      let start = slice.cache.count
      let wanted = slice.logits.rowCount(of: count)
      let firstRow = positions.count
      let pages = pageTable.append(slice.cache.pages)
      let store = slice.cache.store.handle
      spans.append(strata_span(kv: store, pages: pages, position: Int32(start), count: Int32(count)))
      for offset in 0..<count { positions.append(Int32(start + offset)) }
      wantedPerSlice.append(wanted)
      if wanted > 0 {
        let first = count - wanted
        wantedSpans.append(
          strata_span(kv: store, pages: pages, position: Int32(start + first), count: Int32(wanted)))
        for offset in first..<count {
          wantedPositions.append(Int32(start + offset))
          wantedRows.append(firstRow + offset)
        }
      }
      highest = max(highest, start + count)
    }
    rope.cover(highest)
    reserve(positions.count)
    return positions.count
  }

  private mutating func reserve(_ rows: Int) {
    guard rows > rowCapacity else { return }
    rowCapacity = max(rows, min(rowCapacity * 2, DecoderModel.mostRowsPerStep))
    stream = FloatBuffer(count: rowCapacity * configuration.embeddingLength)
    normed = FloatBuffer(count: rowCapacity * configuration.embeddingLength)
    queries = FloatBuffer(count: rowCapacity * configuration.queryLength)
    keys = FloatBuffer(count: rowCapacity * configuration.keyLength)
    values = FloatBuffer(count: rowCapacity * configuration.keyLength)
    attended = FloatBuffer(count: rowCapacity * configuration.queryLength)
    gate = FloatBuffer(count: rowCapacity * configuration.feedForwardLength)
    up = FloatBuffer(count: rowCapacity * configuration.feedForwardLength)
  }

  private func embed(_ batch: [BatchSlice], _ model: DecoderModel) {
    let tensor = model.weights.embeddings
    let width = configuration.embeddingLength
    let bytes = model.file.bytes(of: tensor)
    let rowBytes = bytes.count / configuration.vocabularySize
    guard let base = bytes.baseAddress else { return }
    let type = strata_type(tensor.type.rawValue)
    var row = 0
    for slice in batch {
      for token in slice.tokens {
        strata_dequantize(type, base + Int(token) * rowBytes, stream.pointer + row * width, width)
        row += 1
      }
    }
  }

  private func computeLayer(_ layer: DecoderLayer, index: Int, m: Int, pool: OpaquePointer) {
    normalize(layer.attentionNorm, m: m, pool: pool)
    project(
      m: m, pool: pool,
      [
        (layer.query, layer.queryBias, queries), (layer.key, layer.keyBias, keys),
        (layer.value, layer.valueBias, values),
      ])
    rotate(keys, heads: configuration.keyValueHeadCount, positions, pool: pool)
    rotate(queries, heads: configuration.headCount, positions, pool: pool)
    store(layer: index, pool: pool)
    attendAndFeedForward(layer, index: index, spans, m: m, pool: pool)
  }

  /// In the last layer only the rows that want logits go on after their keys and values are stored.
  private func computeLastLayer(_ layer: DecoderLayer, index: Int, m: Int, pool: OpaquePointer) {
    guard wantedRows.count < m else { return computeLayer(layer, index: index, m: m, pool: pool) }
    normalize(layer.attentionNorm, m: m, pool: pool)
    project(m: m, pool: pool, [(layer.key, layer.keyBias, keys), (layer.value, layer.valueBias, values)])
    rotate(keys, heads: configuration.keyValueHeadCount, positions, pool: pool)
    store(layer: index, pool: pool)
    let wanted = wantedRows.count
    guard wanted > 0 else { return }
    let width = configuration.embeddingLength
    // Wanted rows ascend and never move up, so that compacting in place overwrites nothing that is still needed.
    for (target, row) in wantedRows.enumerated() where target != row {
      stream.pointer.advanced(by: target * width).update(from: stream.pointer + row * width, count: width)
      normed.pointer.advanced(by: target * width).update(from: normed.pointer + row * width, count: width)
    }
    project(m: wanted, pool: pool, [(layer.query, layer.queryBias, queries)])
    rotate(queries, heads: configuration.headCount, wantedPositions, pool: pool)
    attendAndFeedForward(layer, index: index, wantedSpans, m: wanted, pool: pool)
  }

  private func normalize(_ weight: FloatBuffer, m: Int, pool: OpaquePointer) {
    let width = Int64(configuration.embeddingLength)
    strata_rms_norm(
      pool, normed.pointer, width, stream.pointer, width, Int64(m), width, weight.pointer, configuration.rmsEpsilon)
  }

  /// Several products of the normalized stream in one parallel region.
  private func project(
    m: Int, pool: OpaquePointer, _ targets: [(weights: WeightMatrix, bias: FloatBuffer?, output: FloatBuffer)]
  ) {
    withUnsafeTemporaryAllocation(of: strata_matmul_job.self, capacity: targets.count) { jobs in
      for (index, target) in targets.enumerated() {
        jobs.initializeElement(
          at: index,
          to: strata_matmul_job(
            weights: target.weights.handle, y: target.output.pointer, y_stride: Int64(target.weights.rows),
            bias: target.bias.map { UnsafePointer($0.pointer) }, accumulate: false))
      }
      guard let first = jobs.baseAddress else { return }
      strata_matmul_many(
        pool, normed.pointer, Int64(configuration.embeddingLength), Int64(m), first, Int64(targets.count))
    }
  }

  private func rotate(_ buffer: FloatBuffer, heads: Int, _ positions: [Int32], pool: OpaquePointer) {
    let dimension = Int64(configuration.headDimension)
    positions.withUnsafeBufferPointer { rows in
      guard let first = rows.baseAddress else { return }
      strata_rope(
        pool, buffer.pointer, Int64(heads) * dimension, Int64(rows.count), Int64(heads), dimension,
        Int64(configuration.rotaryDimension), rope.cosines.pointer, rope.sines.pointer, first,
        configuration.ropeStyle == .halves ? STRATA_ROPE_HALVES : STRATA_ROPE_INTERLEAVED)
    }
  }

  private func store(layer: Int, pool: OpaquePointer) {
    let stride = Int64(configuration.keyLength)
    spans.withUnsafeBufferPointer { all in
      guard let first = all.baseAddress else { return }
      strata_kv_store(
        pool, first, Int64(all.count), Int32(layer), keys.pointer, stride, values.pointer, stride)
    }
  }

  private func attendAndFeedForward(
    _ layer: DecoderLayer, index: Int, _ spans: [strata_span], m: Int, pool: OpaquePointer
  ) {
    let queryStride = Int64(configuration.queryLength)
    var options = strata_attention_options(
      scale: 1 / Float(configuration.headDimension).squareRoot(), window: 0, softcap: 0)
    spans.withUnsafeBufferPointer { all in
      guard let first = all.baseAddress else { return }
      strata_attention(
        pool, attended.pointer, queryStride, queries.pointer, queryStride, Int32(configuration.headCount),
        Int32(index), first, Int64(all.count), &options)
    }
    accumulate(layer.output, layer.outputBias, from: attended, m: m, pool: pool)
    normalize(layer.feedForwardNorm, m: m, pool: pool)
    project(m: m, pool: pool, [(layer.gate, nil, gate), (layer.up, nil, up)])
    let hidden = Int64(configuration.feedForwardLength)
    strata_silu_mul(pool, gate.pointer, hidden, gate.pointer, hidden, up.pointer, hidden, Int64(m), hidden)
    accumulate(layer.down, nil, from: gate, m: m, pool: pool)
  }

  /// stream += input · Wᵀ + bias
  private func accumulate(
    _ weights: WeightMatrix, _ bias: FloatBuffer?, from input: FloatBuffer, m: Int, pool: OpaquePointer
  ) {
    var job = strata_matmul_job(
      weights: weights.handle, y: stream.pointer, y_stride: Int64(weights.rows),
      bias: bias.map { UnsafePointer($0.pointer) }, accumulate: true)
    strata_matmul_many(pool, input.pointer, Int64(weights.columns), Int64(m), &job, 1)
  }
}
