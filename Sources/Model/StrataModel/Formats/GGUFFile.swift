// Owns reading GGUF v2 and v3 from untrusted bytes. Knows nothing about architectures or tokenizers.
// Format: https://github.com/ggml-org/ggml/blob/master/docs/gguf.md
import StrataCore

/// A tensor of a weights file: where its bytes are and what they mean.
public struct TensorInfo: Sendable, Hashable {
  public let name: String
  public let type: TensorType
  /// Elements per dimension, the fastest-varying first: a weight matrix is `[inputs, outputs]`.
  public let shape: [Int]
  /// Byte range in the file.
  public let range: Range<Int>

  public var elementCount: Int { shape.reduce(1, *) }
  public var byteCount: Int { range.count }
}

/// A GGUF file, mapped into memory and checked: every offset, count and length lies inside the file.
public final class GGUFFile: Sendable {
  public let version: Int
  public let metadata: [String: GGUFValue]
  /// The keys of the metadata in file order.
  public let metadataKeys: [String]
  /// In file order.
  public let tensors: [TensorInfo]
  public let storage: MappedFile
  /// Nil when made from bytes.
  public let path: String?
  private let tensorIndex: [String: Int]

  /// Maps and checks the file at `path`.
  /// - Throws: ``ModelError``: `model_file_unreadable`, `gguf_bad_magic`, `gguf_unsupported_version`,
  ///   `gguf_truncated`, `gguf_malformed` or `unsupported_tensor_type`.
  /// - Complexity: O(metadata bytes); weights are not touched.
  public convenience init(path: String) throws(ModelError) {
    let storage = try MappedFile(path: path)
    do throws(ModelError) {
      try self.init(storage: storage, path: path)
    } catch {
      throw error.located(at: path)
    }
  }

  /// Checks a copy of `bytes`.
  public convenience init(bytes: [UInt8]) throws(ModelError) {
    try self.init(storage: MappedFile(copying: bytes), path: nil)
  }

  private init(storage: MappedFile, path: String?) throws(ModelError) {
    var parser = GGUFParser(storage: storage)
    let header = try parser.parse()
    self.storage = storage
    self.path = path
    version = header.version
    metadata = header.metadata
    metadataKeys = header.metadataKeys
    tensors = header.tensors
    tensorIndex = header.tensorIndex
  }

  /// The tensor named `name`.
  public func tensor(_ name: String) -> TensorInfo? { tensorIndex[name].map { tensors[$0] } }

  /// The raw bytes of one of this file's tensors; valid while the file lives.
  public func bytes(of tensor: TensorInfo) -> UnsafeRawBufferPointer {
    UnsafeRawBufferPointer(rebasing: storage.bytes[tensor.range.clamped(to: 0..<storage.bytes.count)])
  }
}

extension GGUFFile {
  /// Typed access: nil when the key is absent or has another type.
  public func string(_ key: String) -> String? { metadata[key]?.stringValue }
  public func integer(_ key: String) -> Int? { metadata[key]?.intValue }
  public func float(_ key: String) -> Double? { metadata[key]?.doubleValue }
  public func bool(_ key: String) -> Bool? { metadata[key]?.boolValue }
  public func strings(_ key: String) -> [String]? { metadata[key]?.arrayValue?.strings }
  public func integers(_ key: String) -> [Int]? { metadata[key]?.arrayValue?.integers }
  public func floats(_ key: String) -> [Float]? { metadata[key]?.arrayValue?.floats }
}

/// One pass over the header.
private struct GGUFParser {
  struct Header {
    var version: Int
    var metadata: [String: GGUFValue]
    var metadataKeys: [String]
    var tensors: [TensorInfo]
    var tensorIndex: [String: Int]
  }

  private struct Entry {
    var name: String
    var type: TensorType
    var shape: [Int]
    var offset: Int
    var byteCount: Int
  }

  // Shortest encodings: a key of length 0 with a type and one byte; a name of length 0 with no dimensions.
  private static let leastMetadataBytes = 8 + 4 + 1
  private static let leastTensorBytes = 8 + 4 + 4 + 8
  private static let mostDimensions = 4

  private let storage: MappedFile
  private var cursor: ByteCursor

  init(storage: MappedFile) {
    self.storage = storage
    cursor = ByteCursor(storage.bytes, truncated: ModelError.ggufTruncated)
  }

  mutating func parse() throws(ModelError) -> Header {
    let version = try parseVersion()
    let tensorCount = try cursor.readCount(leastBytes: Self.leastTensorBytes, "tensors")
    let metadataCount = try cursor.readCount(leastBytes: Self.leastMetadataBytes, "metadata entries")
    var metadata: [String: GGUFValue] = [:]
    var keys: [String] = []
    for _ in 0..<metadataCount {
      let key = try cursor.readString("a metadata key")
      let value = try parseValue(of: key)
      guard metadata.updateValue(value, forKey: key) == nil else {
        throw malformed("The metadata key `\(key)` occurs twice.")
      }
      keys.append(key)
    }
    var entries: [Entry] = []
    for _ in 0..<tensorCount { entries.append(try parseEntry()) }
    let start = try alignedDataStart(metadata["general.alignment"])
    var tensors: [TensorInfo] = []
    var index: [String: Int] = [:]
    for entry in entries {
      let tensor = try place(entry, dataStart: start.offset, alignment: start.alignment)
      guard index.updateValue(tensors.count, forKey: entry.name) == nil else {
        throw malformed("The tensor name `\(entry.name)` occurs twice.")
      }
      tensors.append(tensor)
    }
    return Header(
      version: version, metadata: metadata, metadataKeys: keys, tensors: tensors, tensorIndex: index)
  }

  private mutating func parseVersion() throws(ModelError) -> Int {
    let magic = try cursor.read(UInt32.self, "the magic number")
    guard magic == 0x4655_4747 else {
      throw ModelError(
        ModelError.ggufBadMagic, "This is no GGUF file: it does not begin with the bytes `GGUF`.",
        remedy: "Give a .gguf file; convert other formats with llama.cpp's convert_hf_to_gguf.py.", location: "byte 0")
    }
    let version = try cursor.read(UInt32.self, "the version")
    guard version == 2 || version == 3 else {
      let isBigEndian = version.byteSwapped == 2 || version.byteSwapped == 3
      throw ModelError(
        ModelError.ggufUnsupportedVersion,
        isBigEndian ? "This is a big-endian GGUF file." : "GGUF version \(version) is not supported.",
        remedy: "Give a little-endian file of version 2 or 3.", location: "byte 4")
    }
    return Int(version)
  }

  private mutating func parseValue(of key: String) throws(ModelError) -> GGUFValue {
    let what = "the value of `\(key)`"
    switch try parseType(of: key) {
    case .uint8: return .uint8(try cursor.read(UInt8.self, what))
    case .int8: return .int8(try cursor.read(Int8.self, what))
    case .uint16: return .uint16(try cursor.read(UInt16.self, what))
    case .int16: return .int16(try cursor.read(Int16.self, what))
    case .uint32: return .uint32(try cursor.read(UInt32.self, what))
    case .int32: return .int32(try cursor.read(Int32.self, what))
    case .uint64: return .uint64(try cursor.read(UInt64.self, what))
    case .int64: return .int64(try cursor.read(Int64.self, what))
    case .float32: return .float32(try cursor.read(Float.self, what))
    case .float64: return .float64(try cursor.read(Double.self, what))
    case .bool: return .bool(try cursor.read(UInt8.self, what) != 0)
    case .string: return .string(try cursor.readString(what))
    case .array: return .array(try parseArray(of: key))
    }
  }

  private mutating func parseType(of key: String) throws(ModelError) -> GGUFValueType {
    let raw = try cursor.read(UInt32.self, "the type of `\(key)`")
    guard let type = GGUFValueType(rawValue: raw) else {
      throw malformed("The metadata key `\(key)` has the unknown type \(raw).")
    }
    return type
  }

  private mutating func parseArray(of key: String) throws(ModelError) -> GGUFArray {
    let type = try parseType(of: key)
    guard type != .array else { throw malformed("The metadata key `\(key)` is an array of arrays.") }
    let count = try cursor.readCount(leastBytes: type.byteCount ?? 8, "elements of `\(key)`")
    let start = cursor.offset
    if let size = type.byteCount {
      try cursor.skip(count * size, "`\(key)`")
    } else {
      for _ in 0..<count {
        let length = try cursor.readCount(leastBytes: 1, "bytes of a string in `\(key)`")
        try cursor.skip(length, "a string of `\(key)`")
      }
    }
    return GGUFArray(elementType: type, count: count, storage: storage, range: start..<cursor.offset)
  }

  private mutating func parseEntry() throws(ModelError) -> Entry {
    let name = try cursor.readString("a tensor name")
    let rank = try cursor.read(UInt32.self, "the dimensions of `\(name)`")
    guard rank <= Self.mostDimensions else {
      throw malformed("The tensor `\(name)` has \(rank) dimensions; at most \(Self.mostDimensions) are possible.")
    }
    var shape: [Int] = []
    var elementCount = 1
    for _ in 0..<rank {
      let raw = try cursor.read(UInt64.self, "a dimension of `\(name)`")
      guard let dimension = Int(exactly: raw) else { throw malformed("The tensor `\(name)` has a dimension \(raw).") }
      let (product, overflow) = elementCount.multipliedReportingOverflow(by: dimension)
      guard !overflow else { throw malformed("The tensor `\(name)` has more elements than can be counted.") }
      elementCount = product
      shape.append(dimension)
    }
    let rawType = try cursor.read(UInt32.self, "the type of `\(name)`")
    guard let type = TensorType(rawValue: rawType) else {
      let supported = TensorType.allCases.map(\.name).joined(separator: ", ")
      throw ModelError(
        ModelError.unsupportedTensorType, "The tensor `\(name)` has the type \(TensorType.describe(rawType)).",
        remedy: "Use a file with these types: \(supported).", location: "byte \(cursor.offset - 4)")
    }
    guard (shape.first ?? 1) % type.blockElementCount == 0, let bytes = type.byteCount(elementCount: elementCount)
    else { throw malformed("The rows of tensor `\(name)` (\(shape)) are no whole number of \(type.name) blocks.") }
    let rawOffset = try cursor.read(UInt64.self, "the offset of `\(name)`")
    guard let offset = Int(exactly: rawOffset) else { throw malformed("The tensor `\(name)` is at \(rawOffset).") }
    return Entry(name: name, type: type, shape: shape, offset: offset, byteCount: bytes)
  }

  private func alignedDataStart(_ value: GGUFValue?) throws(ModelError) -> (offset: Int, alignment: Int) {
    let alignment = value == nil ? 32 : value?.intValue ?? 0
    guard alignment > 0, alignment <= 1 << 20, alignment & (alignment - 1) == 0 else {
      throw malformed("`general.alignment` is \(alignment), which is no power of two up to 1048576.")
    }
    return ((cursor.offset + alignment - 1) & ~(alignment - 1), alignment)
  }

  private func place(_ entry: Entry, dataStart: Int, alignment: Int) throws(ModelError) -> TensorInfo {
    guard entry.offset % alignment == 0 else {
      throw malformed("The tensor `\(entry.name)` begins at \(entry.offset), no multiple of \(alignment).")
    }
    let (start, startOverflow) = dataStart.addingReportingOverflow(entry.offset)
    let (end, endOverflow) = start.addingReportingOverflow(entry.byteCount)
    guard !startOverflow, !endOverflow, end <= storage.bytes.count else {
      throw ModelError(
        ModelError.ggufTruncated,
        "The tensor `\(entry.name)` (\(entry.byteCount) bytes) reaches beyond the end of the file "
          + "(\(storage.bytes.count) bytes).",
        remedy: ModelError.downloadAgain, location: "tensor data offset \(entry.offset)")
    }
    return TensorInfo(name: entry.name, type: entry.type, shape: entry.shape, range: start..<end)
  }

  private func malformed(_ message: String) -> ModelError {
    ModelError(
      ModelError.ggufMalformed, message, remedy: ModelError.downloadAgain, location: "byte \(cursor.offset)")
  }
}
