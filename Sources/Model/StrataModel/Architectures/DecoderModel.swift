// Owns loading a decoder and its public face. Knows nothing about tokens' text, sampling or scheduling.
import StrataCore
import Synchronization

/// A decoder-only transformer, loaded and immutable.
///
/// Forward passes from several threads take turns: one pass already uses all threads of the pool.
public final class DecoderModel: Sendable {
  public let configuration: DecoderConfiguration
  /// The file that the weights came from; its metadata hold the tokenizer and the chat template.
  public let file: GGUFFile
  public let pool: ComputePool
  let device: any Device
  let weights: DecoderWeights
  private let workspace: Mutex<DecoderWorkspace>

  /// Loads the weights of an opened file.
  /// - Parameter contextLength: the most positions of a sequence, when fewer than the model was made for.
  /// - Throws: ``ModelError``: `unsupported_architecture`, `metadata_missing`, `metadata_invalid`, `tensor_missing`,
  ///   `tensor_shape`, or `out_of_memory` (before anything is loaded).
  public convenience init(gguf file: GGUFFile, pool: ComputePool, contextLength: Int? = nil) throws(ModelError) {
    try self.init(gguf: file, pool: pool, contextLength: contextLength, observer: nil)
  }

  /// - Parameter observer: sees the inputs of all linear layers of each step.
  package init(
    gguf file: GGUFFile, pool: ComputePool, contextLength: Int? = nil, observer: (any ActivationObserver)?
  ) throws(ModelError) {
    let configuration = try DecoderConfiguration(gguf: file, contextLength: contextLength)
    let weightBytes = file.tensors.reduce(0) { $0 + $1.byteCount }
    // Repacked weights take up to an eighth more than in the file; the rest is workspace and the first cache.
    try SystemMemory.require(weightBytes + weightBytes / 8 + 64 << 20, for: "The model")
    file.storage.willReadAll()
    self.configuration = configuration
    self.file = file
    self.pool = pool
    let device: any Device = observer.map { ObservingDevice(CPUDevice(pool: pool), $0) } ?? CPUDevice(pool: pool)
    self.device = device
    weights = try DecoderWeights(gguf: file, configuration: configuration, device: device)
    file.storage.willNotNeed()
    workspace = Mutex(
      DecoderWorkspace(configuration: configuration, ropeDivisors: weights.ropeDivisors, device: device))
  }

  /// Opens and loads the file at `path`, with threads of its own.
  public convenience init(path: String, threads: Int) throws(ModelError) {
    try self.init(gguf: GGUFFile(path: path), pool: ComputePool(threads: threads))
  }

  /// Memory for the keys and values of many sequences: ``KVStore/positionsPerPage`` positions a page.
  /// - Throws: ``ModelError`` `invalid_argument` without a page, or `out_of_memory`.
  public func makeStore(pageCount: Int, type: KVType = .f16) throws(ModelError) -> KVStore {
    try device.makeStore(
      layers: configuration.layerCount, heads: configuration.keyValueHeadCount,
      headDimension: configuration.headDimension, pageCount: pageCount, type: type)
  }

  /// An empty cache for one sequence of at most `capacity` tokens, with a store of its own.
  /// - Throws: ``ModelError`` `context_overflow` when `capacity` exceeds the model's context, or `out_of_memory`.
  public func makeCache(capacity: Int, type: KVType = .f16) throws(ModelError) -> KVCache {
    guard capacity > 0, capacity <= configuration.contextLength else {
      throw ModelError(
        ModelError.contextOverflow,
        "A cache of \(capacity) positions was asked for; the model's context is \(configuration.contextLength).",
        remedy: "Shorten the prompt or lower the number of tokens to generate.")
    }
    return KVCache(owning: try makeStore(pageCount: KVStore.pages(for: capacity), type: type), capacity: capacity)
  }

  /// An empty cache for one sequence, of pages of `store` that whoever schedules gives it.
  package func makeCache(in store: KVStore) -> KVCache {
    KVCache(store: store, limit: configuration.contextLength)
  }

  /// Rows that one step may have in all its slices together.
  public static let mostRowsPerStep = 16_384

  /// Runs one step over several sequences: each slice's tokens are appended to its cache, and the rows that want them
  /// get logits. Linear layers run over the rows of all slices together, attention runs per slice.
  /// - Throws: ``ModelError`` `token_out_of_range`, `context_overflow`, `adapter_mismatch` or `invalid_argument` (no
  ///   tokens, or one cache in two slices); then nothing has been computed and no cache has changed.
  /// - Complexity: O(rows · parameters + rows · positions).
  public func forward(_ batch: [BatchSlice], into logits: LogitsBuffer) throws(ModelError) {
    try check(batch)
    workspace.withLock { workspace in
      workspace.run(batch, weights: weights, logits: logits)
    }
    for slice in batch { slice.cache.count += slice.tokens.count }
  }

  private var keyValueShape: [Int] {
    [configuration.layerCount, configuration.keyValueHeadCount, configuration.headDimension]
  }

  private func check(_ batch: [BatchSlice]) throws(ModelError) {
    var caches = Set<ObjectIdentifier>()
    var rowCount = 0
    for slice in batch {
      guard !slice.tokens.isEmpty, caches.insert(ObjectIdentifier(slice.cache)).inserted else {
        throw ModelError(
          ModelError.invalidArgument, "A slice of the batch has no tokens, or its cache is in the batch twice.",
          remedy: "Give each sequence one slice with at least one token.")
      }
      guard slice.tokens.count <= slice.cache.capacity - slice.cache.count else {
        throw ModelError(
          ModelError.contextOverflow,
          "\(slice.tokens.count) more tokens do not fit: \(slice.cache.count) of \(slice.cache.capacity) positions "
            + "are in use.",
          remedy: "Shorten the prompt, lower the number of tokens to generate or make a larger cache.")
      }
      let used = KVStore.pages(for: slice.cache.count + slice.tokens.count)
      guard
        slice.cache.pages.prefix(used).allSatisfy({ $0 >= 0 && $0 < slice.cache.store.pageCount }),
        slice.cache.store.shape == keyValueShape
      else {
        throw ModelError(
          ModelError.invalidArgument, "A cache has a page that its store has not, or a store of another model.",
          remedy: "Give the caches pages of a store that this model made.")
      }
      if let token = slice.tokens.first(where: { $0 < 0 || $0 >= configuration.vocabularySize }) {
        throw ModelError(
          ModelError.tokenOutOfRange, "The token \(token) is none of the model's \(configuration.vocabularySize).",
          remedy: "Encode the text with the tokenizer of this model.")
      }
      guard slice.adapter?.fits(configuration) ?? true else {
        throw ModelError(
          ModelError.adapterMismatch, "The adapter `\(slice.adapter?.name ?? "")` belongs to a model of another shape.",
          remedy: ModelError.otherBase)
      }
      rowCount += slice.tokens.count
    }
    guard rowCount <= Self.mostRowsPerStep else {
      throw ModelError(
        ModelError.invalidArgument, "A step of \(rowCount) tokens is too large; \(Self.mostRowsPerStep) are allowed.",
        remedy: "Split the prompt into chunks.")
    }
  }
}
