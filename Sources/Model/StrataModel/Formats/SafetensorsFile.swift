// Owns reading safetensors from untrusted bytes. Knows nothing about architectures.
// Format: https://github.com/huggingface/safetensors (8-byte header length, JSON header, data).
import StrataCore

/// A safetensors file, mapped into memory and checked: every tensor lies inside the file and has the size of its shape.
public final class SafetensorsFile: Sendable {
  public enum DataType: String, Sendable, Hashable, CaseIterable {
    case f64 = "F64"
    case f32 = "F32"
    case f16 = "F16"
    case bf16 = "BF16"
    case i64 = "I64"
    case i32 = "I32"
    case i16 = "I16"
    case i8 = "I8"
    case u64 = "U64"
    case u32 = "U32"
    case u16 = "U16"
    case u8 = "U8"
    case bool = "BOOL"

    public var byteCount: Int {
      switch self {
      case .f64, .i64, .u64: 8
      case .f32, .i32, .u32: 4
      case .f16, .bf16, .i16, .u16: 2
      case .i8, .u8, .bool: 1
      }
    }
  }

  public struct Tensor: Sendable, Hashable {
    public let name: String
    public let type: DataType
    /// Elements per dimension, the slowest-varying first, as in PyTorch.
    public let shape: [Int]
    /// Byte range in the file.
    public let range: Range<Int>
  }

  /// In header order.
  public let tensors: [Tensor]
  /// The free-form strings of `__metadata__`.
  public let metadata: [String: String]
  public let storage: MappedFile
  private let tensorIndex: [String: Int]

  /// A header longer than this is refused before it is parsed (the reference implementation's limit is 100 MB).
  private static let mostHeaderBytes = 100_000_000

  /// Maps and checks the file at `path`.
  /// - Throws: ``ModelError``: `model_file_unreadable`, `safetensors_truncated`, `safetensors_malformed` or
  ///   `unsupported_tensor_type`.
  public convenience init(path: String) throws(ModelError) {
    let storage = try MappedFile(path: path)
    do throws(ModelError) {
      try self.init(storage: storage)
    } catch {
      throw error.located(at: path)
    }
  }

  /// Checks a copy of `bytes`.
  public convenience init(bytes: [UInt8]) throws(ModelError) {
    try self.init(storage: MappedFile(copying: bytes))
  }

  private init(storage: MappedFile) throws(ModelError) {
    var cursor = ByteCursor(storage.bytes, truncated: ModelError.safetensorsTruncated)
    let headerCount = try cursor.readCount(leastBytes: 1, "bytes of header")
    guard headerCount <= Self.mostHeaderBytes else {
      throw Self.malformed("The header is \(headerCount) bytes long; at most \(Self.mostHeaderBytes) are allowed.")
    }
    let dataStart = 8 + headerCount
    let header: JSON
    do throws(JSONParseError) {
      header = try JSON(parsing: Array(storage.bytes[8..<dataStart]), depthLimit: 8)
    } catch {
      throw ModelError(
        ModelError.safetensorsMalformed, "The header is no JSON.", remedy: ModelError.downloadAgain, cause: error)
    }
    guard let members = header.objectValue else { throw Self.malformed("The header is no JSON object.") }
    var tensors: [Tensor] = []
    var index: [String: Int] = [:]
    var metadata: [String: String] = [:]
    for (name, entry) in members {
      if name == "__metadata__" {
        for (key, value) in entry.objectValue ?? JSONObject([]) { metadata[key] = value.stringValue }
        continue
      }
      index[name] = tensors.count
      tensors.append(try Self.tensor(name, entry, dataStart: dataStart, fileSize: storage.bytes.count))
    }
    self.tensors = tensors
    self.metadata = metadata
    self.storage = storage
    tensorIndex = index
  }

  /// The tensor named `name`.
  public func tensor(_ name: String) -> Tensor? { tensorIndex[name].map { tensors[$0] } }

  /// The raw bytes of one of this file's tensors; valid while the file lives, not necessarily aligned.
  public func bytes(of tensor: Tensor) -> UnsafeRawBufferPointer {
    UnsafeRawBufferPointer(rebasing: storage.bytes[tensor.range.clamped(to: 0..<storage.bytes.count)])
  }

  private static func tensor(
    _ name: String, _ entry: JSON, dataStart: Int, fileSize: Int
  ) throws(ModelError) -> Tensor {
    guard let typeName = entry["dtype"]?.stringValue, let shapeValues = entry["shape"]?.arrayValue,
      let offsets = entry["data_offsets"]?.arrayValue, offsets.count == 2,
      let begin = offsets[0].intValue, let end = offsets[1].intValue
    else { throw malformed("The entry of tensor `\(name)` lacks dtype, shape or data_offsets.") }
    guard let type = DataType(rawValue: typeName) else {
      throw ModelError(
        ModelError.unsupportedTensorType, "The tensor `\(name)` has the type \(typeName).",
        remedy: "Use a file with these types: \(DataType.allCases.map(\.rawValue).joined(separator: ", ")).")
    }
    var shape: [Int] = []
    var byteCount = type.byteCount
    for value in shapeValues {
      guard let dimension = value.intValue, dimension >= 0 else {
        throw malformed("The tensor `\(name)` has a dimension that is no count.")
      }
      let (product, overflow) = byteCount.multipliedReportingOverflow(by: dimension)
      guard !overflow else { throw malformed("The tensor `\(name)` has more elements than can be counted.") }
      byteCount = product
      shape.append(dimension)
    }
    guard begin >= 0, end >= begin, end - begin == byteCount else {
      throw malformed("The tensor `\(name)` takes bytes \(begin) to \(end), but its shape needs \(byteCount).")
    }
    guard end <= fileSize - dataStart else {
      throw ModelError(
        ModelError.safetensorsTruncated,
        "The tensor `\(name)` ends at data byte \(end), but the file has \(fileSize - dataStart).",
        remedy: ModelError.downloadAgain)
    }
    return Tensor(name: name, type: type, shape: shape, range: (dataStart + begin)..<(dataStart + end))
  }

  private static func malformed(_ message: String) -> ModelError {
    ModelError(ModelError.safetensorsMalformed, message, remedy: ModelError.downloadAgain)
  }
}

extension SafetensorsFile {
  /// The tensor's elements as 32-bit floats.
  /// - Throws: `unsupported_tensor_type` for integers.
  public func floats(of tensor: Tensor) throws(ModelError) -> [Float] {
    let bytes = self.bytes(of: tensor)
    let count = bytes.count / tensor.type.byteCount
    switch tensor.type {
    case .f32: return (0..<count).map { bytes.loadUnaligned(fromByteOffset: $0 * 4, as: Float.self) }
    case .f64: return (0..<count).map { Float(bytes.loadUnaligned(fromByteOffset: $0 * 8, as: Double.self)) }
    case .bf16:
      return (0..<count).map {
        Float(bitPattern: UInt32(bytes.loadUnaligned(fromByteOffset: $0 * 2, as: UInt16.self)) << 16)
      }
    case .f16:
      return (0..<count).map {
        Float(halfBits: bytes.loadUnaligned(fromByteOffset: $0 * 2, as: UInt16.self))
      }
    case .i64, .i32, .i16, .i8, .u64, .u32, .u16, .u8, .bool:
      throw ModelError(
        ModelError.unsupportedTensorType, "The tensor `\(tensor.name)` holds \(tensor.type.rawValue), no floats.",
        remedy: "Export the weights as F32, F16 or BF16.")
    }
  }
}

extension Float {
  /// The value of an IEEE 754 half-precision bit pattern; `Float16` is not available on every platform.
  init(halfBits: UInt16) {
    let sign = UInt32(halfBits & 0x8000) << 16
    let exponent = UInt32(halfBits >> 10) & 0x1F
    let mantissa = UInt32(halfBits & 0x3FF)
    switch exponent {
    case 0:
      let magnitude = Float(mantissa) * 0x1p-24
      self = sign == 0 ? magnitude : -magnitude
    case 0x1F: self.init(bitPattern: sign | 0x7F80_0000 | mantissa << 13)
    default: self.init(bitPattern: sign | (exponent + 112) << 23 | mantissa << 13)
    }
  }
}
