// Owns importance matrices and their file format, that of llama.cpp's llama-imatrix. Knows nothing about running models.
import Foundation
import StrataCore
import StrataModel

/// For each linear layer, the mean square of each input over a calibration text: how much an error in that column of
/// the weights shows in the output.
public struct ImportanceMatrix: Sendable {
  /// Sums over the rows that one matrix saw; a tensor of experts has as many `counts` as experts.
  public struct Entry: Sendable, Hashable {
    /// Σ x² per column, [columns · experts].
    public var squareSums: [Float]
    /// Rows seen, [experts].
    public var counts: [Float]

    public init(squareSums: [Float], counts: [Float]) {
      self.squareSums = squareSums
      self.counts = counts
    }
  }

  /// What files that use this matrix call it.
  public var name: String
  /// By tensor name, for example `blk.0.attn_q.weight`.
  public var entries: [String: Entry]
  /// Names of the texts.
  public var datasets: [String]
  /// Windows of the text that were read, and the tokens of one.
  public var chunkCount: Int
  public var chunkSize: Int

  public init(
    name: String, entries: [String: Entry] = [:], datasets: [String], chunkCount: Int = 0, chunkSize: Int = 512
  ) {
    self.name = name
    self.entries = entries
    self.datasets = datasets
    self.chunkCount = chunkCount
    self.chunkSize = chunkSize
  }

  private static let sums = ".in_sum2"
  private static let counts = ".counts"

  /// Reads a file of this format, also one that llama-imatrix wrote.
  /// - Throws: ``ModelError`` when it is no GGUF file, ``TrainingError`` `importance_invalid` when it is another one.
  public init(path: String) throws {
    try self.init(file: GGUFFile(path: path), name: (path as NSString).lastPathComponent)
  }

  init(file: GGUFFile, name: String) throws(TrainingError) {
    self.init(
      name: name, datasets: file.strings("imatrix.datasets") ?? [],
      chunkCount: file.integer("imatrix.chunk_count") ?? 0, chunkSize: file.integer("imatrix.chunk_size") ?? 512)
    for tensor in file.tensors where tensor.name.hasSuffix(Self.sums) {
      let matrix = String(tensor.name.dropLast(Self.sums.count))
      guard let counts = file.tensor(matrix + Self.counts), tensor.type == .f32, counts.type == .f32,
        counts.elementCount > 0, tensor.elementCount % counts.elementCount == 0
      else { throw Self.invalid("The entry of `\(matrix)` lacks counts that fit, or is not F32.", file.path) }
      let entry = Entry(squareSums: Self.floats(tensor, file), counts: Self.floats(counts, file))
      guard entry.squareSums.allSatisfy({ $0.isFinite && $0 >= 0 }), entry.counts.allSatisfy({ $0.isFinite && $0 >= 0 })
      else { throw Self.invalid("The entry of `\(matrix)` holds a number that is no sum of squares.", file.path) }
      entries[matrix] = entry
    }
    guard !entries.isEmpty else {
      throw Self.invalid("The file holds no importance matrix: no tensor ends in `\(Self.sums)`.", file.path)
    }
  }

  private static func floats(_ tensor: TensorInfo, _ file: GGUFFile) -> [Float] {
    let bytes = file.bytes(of: tensor)
    return (0..<tensor.elementCount).map { bytes.loadUnaligned(fromByteOffset: $0 * 4, as: Float.self) }
  }

  private static func invalid(_ message: String, _ path: String?) -> TrainingError {
    TrainingError(
      TrainingError.importanceInvalid, message,
      remedy: "Give a file that `strata model imatrix` or llama-imatrix (GGUF format) wrote.", location: path)
  }

  /// The file's bytes; entries are ordered by name, so that equal matrices give equal files.
  func encoded() -> [UInt8] {
    var writer = GGUFWriter()
    writer.set("general.type", .string("imatrix"))
    writer.set("imatrix.datasets", .strings(datasets))
    writer.set("imatrix.chunk_count", .uint32(UInt32(clamping: chunkCount)))
    writer.set("imatrix.chunk_size", .uint32(UInt32(clamping: chunkSize)))
    for (name, entry) in entries.sorted(by: { $0.key < $1.key }) {
      let experts = max(entry.counts.count, 1)
      let columns = entry.squareSums.count / experts
      writer.add(name + Self.sums, shape: [columns, experts], floats: entry.squareSums)
      writer.add(name + Self.counts, shape: [1, experts], floats: entry.counts)
    }
    return writer.encoded()
  }

  /// Writes the file, whole or not at all.
  /// - Throws: ``ModelError``: `disk_full` or `model_file_unwritable`.
  public func write(to path: String) throws {
    let bytes = encoded()
    let file = try AtomicFile(path: path, byteCount: bytes.count)
    try file.write(bytes)
    try file.commit()
  }

  /// The mean squares for the columns of `tensor` [columns · experts], relative to their mean, or nil when it has no
  /// entry.
  /// - Throws: ``TrainingError`` `importance_mismatch` when the entry is of a matrix with other columns,
  ///   `importance_invalid` when it holds a number that is no sum of squares.
  func weights(for tensor: TensorInfo) throws(TrainingError) -> [Float]? {
    guard let entry = entries[tensor.name], let columns = tensor.shape.first else { return nil }
    let experts = entry.counts.count
    guard entry.squareSums.count == columns * experts, experts == 1 || experts == tensor.shape.dropFirst(2).first else {
      throw TrainingError(
        TrainingError.importanceMismatch,
        "The importance matrix has \(entry.squareSums.count) columns for `\(tensor.name)`, which has \(columns).",
        remedy: "Make an importance matrix of this model.", location: tensor.name)
    }
    // Experts that saw no token have no preference among their columns.
    let means = entry.squareSums.enumerated().map { index, sum in
      let count = Double(entry.counts[index / columns])
      return count > 0 ? Double(sum) / count : 1
    }
    // Only ratios matter; of mean 1 they can be squared and summed in floats.
    let mean = means.reduce(0, +) / Double(max(means.count, 1))
    guard mean.isFinite, means.allSatisfy({ $0 >= 0 }) else {
      throw Self.invalid("The entry of `\(tensor.name)` holds a number that is no sum of squares.", nil)
    }
    return mean > 0 ? means.map { Float($0 / mean) } : nil
  }
}
