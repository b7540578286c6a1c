// Owns measuring an importance matrix: running a model over a text and summing squares. Knows nothing about files.
import StrataCore
import StrataModel
import Synchronization

extension ImportanceMatrix {
  /// Reads `tokens` in windows of `contextLength`, each on its own, and sums the squares of what each linear layer is
  /// given, as llama-imatrix does. The output layer is left out, as there: most of a vocabulary never occurs in a text.
  /// - Parameters:
  ///   - source: an original model; a quantized one measures nearly the same.
  ///   - bos: replaces the first token of each window.
  /// - Throws: ``TrainingError`` `invalid_argument` when there is no whole window, and what loading and running throw.
  public static func measure(
    _ source: GGUFFile, tokens: [Int32], dataset: String, contextLength: Int = 512, bos: Int32? = nil,
    pool: ComputePool, progress: (_ done: Int, _ total: Int) throws -> Void = { _, _ in }
  ) throws -> ImportanceMatrix {
    guard contextLength > 0, tokens.count >= contextLength else {
      throw TrainingError(
        TrainingError.invalidArgument,
        "The calibration text has \(tokens.count) tokens, less than one window of \(contextLength).",
        remedy: "Give a longer text; 50,000 tokens and more are usual.")
    }
    let collector = ImportanceCollector()
    let model = try DecoderModel(gguf: source, pool: pool, observer: collector)
    let cache = try model.makeCache(capacity: contextLength)
    let logits = LogitsBuffer()
    let count = tokens.count / contextLength
    for window in 0..<count {
      try Task.checkCancellation()
      var ids = Array(tokens[(window * contextLength)..<((window + 1) * contextLength)])
      if let bos { ids[0] = bos }
      cache.truncate(to: 0)
      // In blocks, so that logits of a large vocabulary stay small; rows without logits would skip the last layer.
      for start in stride(from: 0, to: contextLength, by: 64) {
        let block = ids[start..<min(start + 64, contextLength)]
        try model.forward([BatchSlice(tokens: block, cache: cache, logits: .all)], into: logits)
      }
      try progress(window + 1, count)
    }
    return ImportanceMatrix(
      name: dataset, entries: collector.entries, datasets: [dataset], chunkCount: count, chunkSize: contextLength)
  }
}

/// Sums squares per column of each linear layer's input.
private final class ImportanceCollector: ActivationObserver {
  fileprivate struct Sums {
    var squares: [Double]
    var rows = 0
  }

  private let sums = Mutex<[String: Sums]>([:])

  var entries: [String: ImportanceMatrix.Entry] {
    sums.withLock { sums in
      sums.mapValues { ImportanceMatrix.Entry(squareSums: $0.squares.map(Float.init), counts: [Float($0.rows)]) }
    }
  }

  func observe(tensor: String, input: UnsafeBufferPointer<Float>, rows: Int, columns: Int) {
    guard tensor.hasPrefix("blk.") else { return }
    sums.withLock { sums in
      sums[tensor, default: Sums(squares: [Double](repeating: 0, count: columns))].add(input, rows, columns)
    }
  }
}

extension ImportanceCollector.Sums {
  fileprivate mutating func add(_ input: UnsafeBufferPointer<Float>, _ rows: Int, _ columns: Int) {
    guard columns == squares.count, input.count == rows * columns else { return }
    squares.withUnsafeMutableBufferPointer { sums in
      for row in 0..<rows {
        let values = UnsafeBufferPointer(rebasing: input[(row * columns)..<((row + 1) * columns)])
        for column in 0..<columns { sums[column] += Double(values[column] * values[column]) }
      }
    }
    self.rows += rows
  }
}
