// Owns writing GGUF v3 files. Knows nothing about what the tensors mean.
import StrataCore

/// Collects metadata and tensors and lays them out as a GGUF v3 file.
package struct GGUFWriter {
  /// What can be written; the reader's ``GGUFValue`` refers to a file instead.
  package enum Value: Sendable {
    case uint32(UInt32)
    case uint64(UInt64)
    case float32(Float)
    case bool(Bool)
    case string(String)
    case strings([String])
    case int32s([Int32])
    case float32s([Float])
  }

  private struct Tensor {
    var name: String
    var type: TensorType
    var shape: [Int]
    var bytes: [UInt8]
  }

  private static let alignment = 32
  private var metadata: [(key: String, value: Value)] = []
  private var tensors: [Tensor] = []

  package init() {}

  package mutating func set(_ key: String, _ value: Value) { metadata.append((key, value)) }

  /// Adds a tensor whose `bytes` are already in the layout of `type`; `shape` has the fastest-varying dimension first.
  package mutating func add(_ name: String, type: TensorType, shape: [Int], bytes: [UInt8]) {
    tensors.append(Tensor(name: name, type: type, shape: shape, bytes: bytes))
  }

  package mutating func add(_ name: String, shape: [Int], floats: [Float]) {
    add(name, type: .f32, shape: shape, bytes: floats.withUnsafeBytes(Array.init))
  }

  /// The whole file.
  package func encoded() -> [UInt8] {
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
      offset += Self.aligned(tensor.bytes.count)
    }
    out.pad(to: Self.aligned(out.count))
    for tensor in tensors {
      out += tensor.bytes
      out.pad(to: Self.aligned(out.count))
    }
    return out
  }

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
