// Owns how a text is cut for evaluation, and reading the pieces. Knows nothing about what is measured.
import StrataCore

/// Windows of `length` tokens that are read on their own; the tokens after the first half of each are scored, so that
/// every scored token has at least half a window of context. Tokens after the last whole window are left out.
///
/// That is the method of llama-perplexity (llama.cpp, tools/perplexity/perplexity.cpp), so that figures compare.
struct EvaluationWindows {
  private let tokens: [Int32]
  private let length: Int
  private let bos: Int32?
  let count: Int

  /// - Parameter bos: replaces the first token of each window.
  init(tokens: [Int32], length: Int, bos: Int32?) throws(ModelError) {
    guard length >= 4, tokens.count >= length else {
      throw ModelError(
        ModelError.invalidArgument, "Perplexity needs at least one chunk of \(length) tokens.",
        remedy: "Give a longer text or a shorter context.")
    }
    self.tokens = tokens
    self.length = length
    self.bos = bos
    count = tokens.count / length
  }

  subscript(index: Int) -> [Int32] {
    var ids = Array(tokens[(index * length)..<((index + 1) * length)])
    if let bos { ids[0] = bos }
    return ids
  }

  /// Positions whose next token is scored, in blocks, so that logits of a large vocabulary stay within some tens of
  /// megabytes.
  var scoredBlocks: [Range<Int>] {
    stride(from: length / 2, to: length - 1, by: 64).map { $0..<min($0 + 64, length - 1) }
  }
}

/// A model, a cache and logits for reading one window after another.
struct WindowReader {
  let logits = LogitsBuffer()
  private let model: DecoderModel
  private let cache: KVCache

  init(_ model: DecoderModel, length: Int) throws(ModelError) {
    self.model = model
    cache = try model.makeCache(capacity: length)
  }

  /// Reads the first half of a window.
  mutating func begin(_ window: [Int32]) throws(ModelError) {
    cache.truncate(to: 0)
    try model.forward([BatchSlice(tokens: window[..<(window.count / 2)], cache: cache, logits: .none)], into: logits)
  }

  /// Reads the next tokens and leaves the logits of each in ``logits``.
  mutating func read(_ block: ArraySlice<Int32>) throws(ModelError) {
    try model.forward([BatchSlice(tokens: block, cache: cache, logits: .all)], into: logits)
  }
}
