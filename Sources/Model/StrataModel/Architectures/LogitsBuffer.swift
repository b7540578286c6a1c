// Owns the memory that a forward pass writes logits to. Knows nothing about sampling.
import StrataCore

/// Which rows of a slice need logits; they are always its last ones.
public enum LogitsRequest: Sendable, Hashable {
  case none
  case last
  case all
  /// The last rows, at most as many as the slice has.
  case suffix(Int)

  func rowCount(of tokenCount: Int) -> Int {
    switch self {
    case .none: 0
    case .last: min(1, tokenCount)
    case .all: tokenCount
    case .suffix(let count): min(max(0, count), tokenCount)
    }
  }
}

/// Tokens that continue one sequence in a step.
public struct BatchSlice: Sendable {
  public var tokens: ArraySlice<Int32>
  /// Where the sequence's keys and values are, and are written to.
  public var cache: KVCache
  public var logits: LogitsRequest
  /// What changes the linear layers for these tokens; the same for all tokens of a sequence.
  public var adapter: LoRAAdapter?

  public init(
    tokens: ArraySlice<Int32>, cache: KVCache, logits: LogitsRequest = .last, adapter: LoRAAdapter? = nil
  ) {
    self.tokens = tokens
    self.cache = cache
    self.logits = logits
    self.adapter = adapter
  }
}

/// Logits [rows, vocabulary] of one forward pass, reused from pass to pass. Rows are in the order of the slices.
///
/// One owner at a time: it is written by a forward pass and read after it.
public final class LogitsBuffer: @unchecked Sendable {
  // Unchecked: used by one owner at a time, as documented.
  private var storage = FloatBuffer(count: 0)
  private var sliceEnds: [Int] = []
  public private(set) var rowCount = 0
  public private(set) var vocabularySize = 0

  public init() {}

  /// The rows of the batch's slice `index`.
  public func rows(ofSlice index: Int) -> Range<Int> {
    (index == 0 ? 0 : sliceEnds[index - 1])..<sliceEnds[index]
  }

  /// Calls `body` with the logits of one row [vocabulary].
  public func withRow<R, E: Error>(
    _ row: Int, _ body: (UnsafeBufferPointer<Float>) throws(E) -> R
  ) throws(E) -> R {
    precondition(row >= 0 && row < rowCount, "row \(row) of \(rowCount)")
    return try body(UnsafeBufferPointer(start: storage.pointer + row * vocabularySize, count: vocabularySize))
  }

  /// Calls `body` with the logits of one row [vocabulary], to be changed in place (penalties, masks).
  public func withMutableRow<R, E: Error>(
    _ row: Int, _ body: (UnsafeMutableBufferPointer<Float>) throws(E) -> R
  ) throws(E) -> R {
    precondition(row >= 0 && row < rowCount, "row \(row) of \(rowCount)")
    return try body(UnsafeMutableBufferPointer(start: storage.pointer + row * vocabularySize, count: vocabularySize))
  }

  /// Makes room for the rows of each slice and returns where they go.
  func prepare(rowsPerSlice: [Int], vocabularySize: Int, device: any Device) -> FloatBuffer {
    var end = 0
    sliceEnds.removeAll(keepingCapacity: true)
    for rows in rowsPerSlice {
      end += rows
      sliceEnds.append(end)
    }
    rowCount = end
    self.vocabularySize = vocabularySize
    if storage.count < end * vocabularySize { storage = device.makeFloats(count: end * vocabularySize) }
    return storage
  }
}
