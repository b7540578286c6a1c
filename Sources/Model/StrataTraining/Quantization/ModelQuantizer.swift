// Owns converting a model file to other tensor types, tensor by tensor. Knows nothing about architectures or terminals.
import StrataCore
import StrataModel

/// Writes a copy of a GGUF file whose matrices have other types.
///
/// Memory stays within some tens of megabytes whatever the model's size: rows are decoded, encoded and written in
/// pieces. Scales are searched for the least squared error, weighted by an ``ImportanceMatrix`` when there is one.
public struct ModelQuantizer: Sendable {
  /// One tensor of the result.
  public struct TensorReport: Sendable, Hashable {
    public let name: String
    public let sourceType: TensorType
    public let type: TensorType
    public let byteCount: Int
    /// Root of the mean squared difference from the source's values; 0 for tensors that were copied.
    public let error: Double
    public let usedImportance: Bool
  }

  public struct Report: Sendable, Hashable {
    public let tensors: [TensorReport]
    public let sourceByteCount: Int
    public let byteCount: Int
    public let parameterCount: Int

    public var bitsPerWeight: Double { Double(byteCount) * 8 / Double(max(parameterCount, 1)) }
  }

  public let source: GGUFFile
  public let type: QuantizationType
  public let importance: ImportanceMatrix?
  private let pool: ComputePool
  private let plan: [Entry]

  private struct Entry: Sendable {
    let tensor: TensorInfo
    let type: TensorType
    let byteCount: Int
    let importance: [Float]?
  }

  /// Plans the conversion; nothing is read but the header.
  /// - Throws: ``TrainingError``: `importance_mismatch`, `unsupported_conversion`.
  public init(
    source: GGUFFile, type: QuantizationType, importance: ImportanceMatrix? = nil, pool: ComputePool
  ) throws(TrainingError) {
    let mix = QuantizationMix(type, for: source, hasImportance: importance != nil)
    var plan: [Entry] = []
    for tensor in source.tensors {
      let type = mix.type(of: tensor)
      guard let byteCount = type.byteCount(elementCount: tensor.elementCount) else {
        throw TrainingError(
          TrainingError.unsupportedConversion, "The tensor's rows are no whole number of \(type.name) blocks.",
          remedy: "Choose another type.", location: tensor.name)
      }
      let weights = type == tensor.type ? nil : try importance?.weights(for: tensor)
      plan.append(Entry(tensor: tensor, type: type, byteCount: byteCount, importance: weights))
    }
    self.source = source
    self.type = type
    self.importance = importance
    self.pool = pool
    self.plan = plan
  }

  /// The types that the result's tensors will have, in file order.
  public var plannedTypes: [(name: String, type: TensorType)] { plan.map { ($0.tensor.name, $0.type) } }

  /// Bytes of the file that ``write(to:progress:)`` makes.
  public var plannedByteCount: Int {
    plan.reduce(header().count) { $0 + $1.byteCount + GGUFWriter.padding(after: $1.byteCount) }
  }

  /// Tensors of the source that are quantized already and would be quantized again, losing a second time.
  public var requantizedCount: Int {
    plan.count { $0.tensor.type.blockElementCount > 1 && $0.type.blockElementCount > 1 && $0.type != $0.tensor.type }
  }

  /// Matrices that get values but have no entry in the importance matrix.
  public var unweightedCount: Int {
    guard importance != nil else { return 0 }
    return plan.count { $0.type != $0.tensor.type && $0.type.blockElementCount > 1 && $0.importance == nil }
  }

  /// Writes the result to `path`: whole and on disk, or not at all.
  /// - Parameter progress: bytes of the source that are done, of how many, and the tensor at work.
  /// - Throws: ``TrainingError`` `weight_invalid` (an infinity, NaN or too large a weight, with the tensor's name),
  ///   `out_of_memory`; ``ModelError`` `disk_full`, `model_file_unwritable`; `CancellationError`.
  @discardableResult
  public func write(
    to path: String, progress: (_ done: Int, _ total: Int, _ tensor: String) throws -> Void = { _, _, _ in }
  ) throws -> Report {
    let header = header()
    let total = plan.reduce(0) { $0 + $1.tensor.byteCount }
    let size = plannedByteCount
    let file = try AtomicFile(path: path, byteCount: size)
    try file.write(header)
    var reports: [TensorReport] = []
    var done = 0
    for entry in plan {
      let error = try write(entry, to: file) { bytes in
        try Task.checkCancellation()
        try progress(done + bytes, total, entry.tensor.name)
      }
      try file.write([UInt8](repeating: 0, count: GGUFWriter.padding(after: entry.byteCount)))
      done += entry.tensor.byteCount
      reports.append(
        TensorReport(
          name: entry.tensor.name, sourceType: entry.tensor.type, type: entry.type, byteCount: entry.byteCount,
          error: error, usedImportance: entry.importance != nil))
    }
    try file.commit()
    return Report(
      tensors: reports, sourceByteCount: source.storage.bytes.count, byteCount: size,
      parameterCount: plan.reduce(0) { $0 + $1.tensor.elementCount })
  }

  private func header() -> [UInt8] {
    var writer = GGUFWriter()
    for key in source.metadataKeys {
      // The alignment is the writer's own; an importance matrix of the source says nothing about this file.
      guard key != "general.alignment", !key.hasPrefix("quantize.imatrix.") else { continue }
      if let value = source.metadata[key] { writer.set(key, .kept(value)) }
    }
    writer.set("general.quantization_version", .uint32(2))
    writer.set("general.file_type", .uint32(type.fileType))
    if let importance {
      // The keys that llama-quantize writes.
      writer.set("quantize.imatrix.file", .string(importance.name))
      writer.set("quantize.imatrix.dataset", .string(importance.datasets.joined(separator: ", ")))
      writer.set("quantize.imatrix.entries_count", .uint32(UInt32(clamping: importance.entries.count)))
      writer.set("quantize.imatrix.chunks_count", .uint32(UInt32(clamping: importance.chunkCount)))
    }
    for entry in plan {
      writer.declare(entry.tensor.name, type: entry.type, shape: entry.tensor.shape, byteCount: entry.byteCount)
    }
    return writer.header()
  }

  /// Writes one tensor and returns its error. `progress` gets bytes of this tensor's source.
  private func write(
    _ entry: Entry, to file: AtomicFile, progress: (Int) throws -> Void
  ) throws -> Double {
    let bytes = source.bytes(of: entry.tensor)
    guard entry.type != entry.tensor.type else {
      let pieceByteCount = 1 << 26
      for start in stride(from: 0, to: bytes.count, by: pieceByteCount) {
        let end = min(start + pieceByteCount, bytes.count)
        try file.write(UnsafeRawBufferPointer(rebasing: bytes[start..<end]))
        try progress(end)
      }
      return 0
    }
    let columns = entry.tensor.shape[0]
    let matrixRows = entry.tensor.shape.count > 1 ? entry.tensor.shape[1] : 1
    let rowCount = entry.tensor.elementCount / max(columns, 1)
    guard rowCount > 0, columns > 0 else { return 0 }
    let sourceRowBytes = bytes.count / rowCount
    let targetRowBytes = entry.byteCount / rowCount
    let most = max(1, (1 << 24) / max(sourceRowBytes, targetRowBytes))
    var target = [UInt8](repeating: 0, count: min(most, rowCount) * targetRowBytes)
    var sum = 0.0
    var row = 0
    while row < rowCount {
      // A piece stays inside one expert's matrix, whose columns have an importance of their own.
      let count = min(most, rowCount - row, matrixRows - row % matrixRows)
      let piece = UnsafeRawBufferPointer(rebasing: bytes[(row * sourceRowBytes)..<((row + count) * sourceRowBytes)])
      sum += try convert(piece, rows: count, columns: columns, firstRow: row, matrixRows, entry, into: &target)
      try target.withUnsafeBytes { try file.write(UnsafeRawBufferPointer(rebasing: $0[..<(count * targetRowBytes)])) }
      row += count
      try progress(row * sourceRowBytes)
    }
    source.storage.willNotNeed(entry.tensor.range)
    return (sum / Double(entry.tensor.elementCount)).squareRoot()
  }

  private func convert(
    _ piece: UnsafeRawBufferPointer, rows: Int, columns: Int, firstRow: Int, _ matrixRows: Int, _ entry: Entry,
    into target: inout [UInt8]
  ) throws -> Double {
    let importance = entry.importance.map { weights in
      let matrix = weights.count > columns ? firstRow / matrixRows : 0
      return weights[(matrix * columns)..<((matrix + 1) * columns)]
    }
    do {
      return try target.withUnsafeMutableBytes {
        try entry.tensor.type.convert(
          piece, to: entry.type, rows: rows, columns: columns, importance: importance, pool: pool, into: $0)
      }
    } catch let failure as TensorConversionFailure {
      throw Self.error(failure, entry, firstElement: firstRow * columns)
    }
  }

  private static func error(
    _ failure: TensorConversionFailure, _ entry: Entry, firstElement: Int
  ) -> TrainingError {
    let name = entry.tensor.name
    switch failure {
    case .notFinite(let place):
      return TrainingError(
        TrainingError.weightInvalid,
        "The tensor `\(name)` holds an infinity or NaN at element \(firstElement + place).",
        remedy: "The model is damaged or was converted wrongly: convert or download it again.", location: name)
    case .tooLarge(let place):
      return TrainingError(
        TrainingError.weightInvalid,
        "The tensor `\(name)` holds weights too large for \(entry.type.name), in the row of element "
          + "\(firstElement + place).",
        remedy: "Choose BF16 or F32, or check the conversion of the model.", location: name)
    case .outOfMemory:
      return TrainingError(
        TrainingError.outOfMemory, "There is no memory to convert the tensor `\(name)`.",
        remedy: "Close other programs.", location: name)
    case .unsupported:
      return TrainingError(
        TrainingError.unsupportedConversion,
        "The tensor `\(name)` cannot be converted from \(entry.tensor.type.name) to \(entry.type.name).",
        remedy: "Choose another type.", location: name)
    }
  }
}
