// Owns the order of computing of one decoder step and its memory. Knows nothing about files, sampling, scheduling, or
// what kind of device computes. Buffers are kept: they grow to the largest step.
import StrataCore

/// Activations of one step, row-major; `m` counts the rows of all slices together.
struct DecoderWorkspace: ~Copyable {
  private let configuration: DecoderConfiguration
  private let device: any Device
  private var rope: RopeTable
  private var localRope: RopeTable
  private var rowCapacity = 0
  private var tokens: [Int32] = []
  private var rows = RowPlan()
  /// The part of the rows that wants logits, and where in the step they are.
  private var wanted = RowPlan()
  private var wantedRows: [Int] = []
  private var wantedPerSlice: [Int] = []
  /// [m, embedding]: the residual stream.
  private var stream: FloatBuffer
  /// [m, embedding]: the stream, normalized; then what a layer's half gives, before it is normalized and added.
  private var normed: FloatBuffer
  /// [m, queries], [m, keys], [m, keys]
  private var queries: FloatBuffer
  private var keys: FloatBuffer
  private var values: FloatBuffer
  /// [m, queries]
  private var attended: FloatBuffer
  /// [m, hidden] each
  private var gate: FloatBuffer
  private var up: FloatBuffer

  /// Rows of a step: which sequence, position and adapter each belongs to.
  private struct RowPlan {
    var spans = SpanTable()
    var positions: [Int32] = []
    var adapters = AdapterPlan()

    var count: Int { positions.count }

    mutating func removeAll() {
      spans.removeAll()
      positions.removeAll(keepingCapacity: true)
      adapters.removeAll()
    }

    mutating func append(_ cache: KVCache, position: Int, count: Int, _ adapter: LoRAAdapter?) {
      spans.append(cache, position: position, count: count)
      if let adapter { adapters.append(adapter, rows: self.count..<(self.count + count)) }
      for offset in 0..<count { positions.append(Int32(position + offset)) }
    }
  }

  init(configuration: DecoderConfiguration, ropeDivisors: [Float]?, device: any Device) {
    self.configuration = configuration
    self.device = device
    rope = RopeTable(configuration.rope, divisors: ropeDivisors)
    localRope = RopeTable(configuration.localRope, divisors: nil)
    let empty = device.makeFloats(count: 0)
    (stream, normed, queries, keys) = (empty, empty, empty, empty)
    (values, attended, gate, up) = (empty, empty, empty, empty)
  }

  /// Runs a checked batch; the caches' counts are left for the caller to advance.
  mutating func run(_ batch: [BatchSlice], weights: DecoderWeights, logits: LogitsBuffer) {
    plan(batch)
    let target = logits.prepare(
      rowsPerSlice: wantedPerSlice, vocabularySize: configuration.vocabularySize, device: device)
    device.embed(tokens, from: weights.embeddings, scale: configuration.embeddingScale, into: stream)
    for (index, layer) in weights.layers.enumerated() {
      let isLast = index == weights.layers.count - 1
      compute(layer, index: index, onlyWanted: isLast && wanted.count < rows.count)
    }
    guard wanted.count > 0 else { return device.synchronize() }
    device.normalize(
      stream, rows: wanted.count, by: weights.outputNorm, epsilon: configuration.rmsEpsilon, into: normed)
    device.multiply(normed, rows: wanted.count, by: [Product(weights.output, into: target)])
    if let cap = configuration.logitSoftcap {
      device.softcap(target, count: wanted.count * configuration.vocabularySize, cap: cap)
    }
    device.synchronize()
  }

  /// Lays out the rows of the step and makes room for them.
  private mutating func plan(_ batch: [BatchSlice]) {
    tokens.removeAll(keepingCapacity: true)
    rows.removeAll()
    wanted.removeAll()
    wantedRows.removeAll(keepingCapacity: true)
    wantedPerSlice.removeAll(keepingCapacity: true)
    var highest = 0
    for slice in batch {
      let count = slice.tokens.count
      let start = slice.cache.count
      let wantedCount = slice.logits.rowCount(of: count)
      rows.append(slice.cache, position: start, count: count, slice.adapter)
      tokens.append(contentsOf: slice.tokens)
      wantedPerSlice.append(wantedCount)
      if wantedCount > 0 {
        wanted.append(slice.cache, position: start + count - wantedCount, count: wantedCount, slice.adapter)
        wantedRows.append(contentsOf: (rows.count - wantedCount)..<rows.count)
      }
      highest = max(highest, start + count)
    }
    rows.adapters.close()
    wanted.adapters.close()
    rope.cover(highest)
    if configuration.layers.contains(where: { $0.rotation == .local }) { localRope.cover(highest) }
    reserve(rows.count)
  }

  private mutating func reserve(_ count: Int) {
    guard count > rowCapacity else { return }
    rowCapacity = max(count, min(rowCapacity * 2, DecoderModel.mostRowsPerStep))
    stream = device.makeFloats(count: rowCapacity * configuration.embeddingLength)
    normed = device.makeFloats(count: rowCapacity * configuration.embeddingLength)
    queries = device.makeFloats(count: rowCapacity * configuration.queryLength)
    keys = device.makeFloats(count: rowCapacity * configuration.keyLength)
    values = device.makeFloats(count: rowCapacity * configuration.keyLength)
    attended = device.makeFloats(count: rowCapacity * configuration.queryLength)
    gate = device.makeFloats(count: rowCapacity * configuration.feedForwardLength)
    up = device.makeFloats(count: rowCapacity * configuration.feedForwardLength)
  }

  /// One layer. In the last one only the rows that want logits go on after all keys and values are stored.
  private func compute(_ layer: DecoderLayer, index: Int, onlyWanted: Bool) {
    let attention = configuration.layers[index]
    let query = (LoRAModule.query, Product(layer.query, bias: layer.queryBias, into: queries))
    let keyAndValue = [
      (LoRAModule.key, Product(layer.key, bias: layer.keyBias, into: keys)),
      (.value, Product(layer.value, bias: layer.valueBias, into: values)),
    ]
    normalize(layer.attentionNorm, count: rows.count)
    multiply(normed, rows, layer: index, by: onlyWanted ? keyAndValue : [query] + keyAndValue)
    turn(keys, heads: configuration.keyValueHeadCount, layer.keyNorm, rows, attention)
    device.store(keys: keys, values: values, width: configuration.keyLength, of: rows.spans, layer: index)
    if onlyWanted {
      guard wanted.count > 0 else { return }
      device.gather(wantedRows, of: stream, width: configuration.embeddingLength)
      device.gather(wantedRows, of: normed, width: configuration.embeddingLength)
      multiply(normed, wanted, layer: index, by: [query])
    }
    finish(layer, index: index, onlyWanted ? wanted : rows, attention)
  }

  /// What follows the products of queries, keys and values.
  private func finish(_ layer: DecoderLayer, index: Int, _ rows: RowPlan, _ attention: LayerAttention) {
    turn(queries, heads: configuration.headCount, layer.queryNorm, rows, attention)
    let shape = AttentionShape(
      heads: configuration.headCount, headDimension: configuration.headDimension, scale: configuration.attentionScale,
      window: attention.window, softcap: configuration.attentionSoftcap)
    device.attend(queries, shape: shape, to: rows.spans, layer: index, into: attended)
    join(
      attended, (.output, layer.output), layer.outputBias, layer.attentionOutputNorm, rows, layer: index)
    normalize(layer.feedForwardNorm, count: rows.count)
    multiply(
      normed, rows, layer: index,
      by: [(.gate, Product(layer.gate, into: gate)), (.up, Product(layer.up, into: up))])
    device.activate(
      gate, times: up, rows: rows.count, width: configuration.feedForwardLength, by: configuration.activation)
    join(gate, (.down, layer.down), nil, layer.feedForwardOutputNorm, rows, layer: index)
  }

  private func normalize(_ weight: FloatBuffer, count: Int) {
    device.normalize(stream, rows: count, by: weight, epsilon: configuration.rmsEpsilon, into: normed)
  }

  /// Normalizes each head where the architecture does, and rotates it to its position.
  private func turn(
    _ x: FloatBuffer, heads: Int, _ norm: FloatBuffer?, _ rows: RowPlan, _ attention: LayerAttention
  ) {
    if let norm {
      device.normalize(x, rows: rows.count * heads, by: norm, epsilon: configuration.rmsEpsilon, into: x)
    }
    guard attention.rotation != .none else { return }
    device.rotate(
      x, heads: heads, headDimension: configuration.headDimension, positions: rows.positions,
      by: attention.rotation == .local ? localRope : rope)
  }

  /// stream += input · Wᵀ + bias, normalized first where the architecture does.
  private func join(
    _ input: FloatBuffer, _ linear: (module: LoRAModule, weights: WeightMatrix), _ bias: FloatBuffer?,
    _ norm: FloatBuffer?, _ rows: RowPlan, layer: Int
  ) {
    let product = Product(
      linear.weights, bias: bias, into: norm == nil ? stream : normed, accumulates: norm == nil)
    multiply(input, rows, layer: layer, by: [(linear.module, product)])
    guard let norm else { return }
    device.addNormalized(normed, rows: rows.count, by: norm, epsilon: configuration.rmsEpsilon, to: stream)
  }

  /// Several products of one input, with what the rows' adapters change in them.
  private func multiply(
    _ input: FloatBuffer, _ rows: RowPlan, layer: Int, by products: [(module: LoRAModule, product: Product)]
  ) {
    device.multiply(input, rows: rows.count, by: products.map(\.product))
    guard !rows.adapters.isEmpty else { return }
    device.add(
      rows.adapters.updates(of: products.map { ($0.module, $0.product.output) }, layer: layer),
      to: rows.adapters.rows, from: input)
  }
}
