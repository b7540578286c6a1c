// Owns writing GGUF v3 files, whole or tensor by tensor. Knows nothing about what the tensors mean.
import StrataCore

/// Collects metadata and tensors and lays them out as a GGUF v3 file.
package struct GGUFWriter {
  package enum Value: Sendable {
    case uint32(UInt32)
    case uint64(UInt64)
    case float32(Float)
    case bool(Bool)
    case string(String)
    case strings([String])
    case int32s([Int32])
    case float32s([Float])
    /// A value of another file, arrays byte for byte.
    case kept(GGUFValue)
  }

  private struct Tensor {
    var name: String
    var type: TensorType
    var shape: [Int]
    var byteCount: Int
    /// Empty for declared tensors, whose bytes follow the header in a stream.
    var bytes: [UInt8]
  }

  private static let alignment = 32
  private var metadata: [(key: String, value: Value)] = []
  private var tensors: [Tensor] = []

  package init() {}

  /// Sets a key; a key that is there already keeps its place and gets the new value.
  package mutating func set(_ key: String, _ value: Value) {
    if let index = metadata.firstIndex(where: { $0.key == key }) {
      metadata[index].value = value
    } else {
      metadata.append((key, value))
    }
  }

  /// Adds a tensor whose `bytes` are already in the layout of `type`; `shape` has the fastest-varying dimension first.
  package mutating func add(_ name: String, type: TensorType, shape: [Int], bytes: [UInt8]) {
    tensors.append(Tensor(name: name, type: type, shape: shape, byteCount: bytes.count, bytes: bytes))
  }

  package mutating func add(_ name: String, shape: [Int], floats: [Float]) {
    add(name, type: .f32, shape: shape, bytes: floats.withUnsafeBytes(Array.init))
  }

  /// Announces a tensor whose bytes the caller writes after ``header()``, in the order of these calls, each tensor
  /// followed by ``padding(after:)`` zeros.
  package mutating func declare(_ name: String, type: TensorType, shape: [Int], byteCount: Int) {
    tensors.append(Tensor(name: name, type: type, shape: shape, byteCount: byteCount, bytes: []))
  }

  /// Everything before the first tensor's bytes.
  package func header() -> [UInt8] {
    var out: [UInt8] = Array("GGUF".utf8)
    out.append(littleEndian: UInt32(3))
    out.append(littleEndian: UInt64(tensors.count))
    out.append(littleEndian: UInt64(metadata.count))
    for (key, value) in metadata {
      out.append(ggufString: key)
      Self.append(value, to: &out)
    }
    var offset = 0
    for tensor in tensors {
      out.append(ggufString: tensor.name)
      out.append(littleEndian: UInt32(tensor.shape.count))
      for dimension in tensor.shape { out.append(littleEndian: UInt64(dimension)) }
      out.append(littleEndian: tensor.type.rawValue)
      out.append(littleEndian: UInt64(offset))
      offset += Self.aligned(tensor.byteCount)
    }
    out.pad(to: Self.aligned(out.count))
    return out
  }

  /// The whole file, of added tensors.
  package func encoded() -> [UInt8] {
    var out = header()
    for tensor in tensors {
      out += tensor.bytes
      out.pad(to: Self.aligned(out.count))
    }
    return out
  }

  /// Zeros that follow a tensor of `byteCount` bytes.
  package static func padding(after byteCount: Int) -> Int { aligned(byteCount) - byteCount }

  private static func aligned(_ count: Int) -> Int { (count + alignment - 1) & ~(alignment - 1) }

  private static func append(_ value: Value, to out: inout [UInt8]) {
    func tag(_ type: GGUFValueType) { out.append(littleEndian: type.rawValue) }
    switch value {
    case .uint32(let value):
      tag(.uint32)
      out.append(littleEndian: value)
    case .uint64(let value):
      tag(.uint64)
      out.append(littleEndian: value)
    case .float32(let value):
      tag(.float32)
      out.append(littleEndian: value.bitPattern)
    case .bool(let value):
      tag(.bool)
      out.append(value ? 1 : 0)
    case .string(let value):
      tag(.string)
      out.append(ggufString: value)
    case .strings(let values):
      tag(.array)
      tag(.string)
      out.append(littleEndian: UInt64(values.count))
      for value in values { out.append(ggufString: value) }
    case .int32s(let values):
      tag(.array)
      tag(.int32)
      out.append(littleEndian: UInt64(values.count))
      for value in values { out.append(littleEndian: value) }
    case .float32s(let values):
      tag(.array)
      tag(.float32)
      out.append(littleEndian: UInt64(values.count))
      for value in values { out.append(littleEndian: value.bitPattern) }
    case .kept(let value):
      append(value, to: &out)
    }
  }

  private static func append(_ value: GGUFValue, to out: inout [UInt8]) {
    func put(_ type: GGUFValueType, _ value: some FixedWidthInteger) {
      out.append(littleEndian: type.rawValue)
      out.append(littleEndian: value)
    }
    switch value {
    case .uint8(let value): put(.uint8, value)
    case .int8(let value): put(.int8, value)
    case .uint16(let value): put(.uint16, value)
    case .int16(let value): put(.int16, value)
    case .uint32(let value): put(.uint32, value)
    case .int32(let value): put(.int32, value)
    case .uint64(let value): put(.uint64, value)
    case .int64(let value): put(.int64, value)
    case .float32(let value): put(.float32, value.bitPattern)
    case .float64(let value): put(.float64, value.bitPattern)
    case .bool(let value): put(.bool, UInt8(value ? 1 : 0))
    case .string(let value): append(Value.string(value), to: &out)
    case .array(let array):
      put(.array, array.elementType.rawValue)
      out.append(littleEndian: UInt64(array.count))
      out.append(contentsOf: array.bytes)
    }
  }
}

extension [UInt8] {
  fileprivate mutating func append(littleEndian value: some FixedWidthInteger) {
    Swift.withUnsafeBytes(of: value.littleEndian) { append(contentsOf: $0) }
  }

  fileprivate mutating func append(ggufString text: String) {
    let utf8 = Array(text.utf8)
    append(littleEndian: UInt64(utf8.count))
    append(contentsOf: utf8)
  }

  fileprivate mutating func pad(to size: Int) {
    if size > count { append(contentsOf: repeatElement(0, count: size - count)) }
  }
}
