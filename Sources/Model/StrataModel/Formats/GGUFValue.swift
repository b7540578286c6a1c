// Owns the metadata values of GGUF. Knows nothing about what any key means.
import StrataCore

/// The type tags of GGUF metadata.
public enum GGUFValueType: UInt32, Sendable, Hashable {
  case uint8 = 0
  case int8, uint16, int16, uint32, int32, float32, bool, string, array, uint64, int64, float64

  /// Bytes of one value; nil for strings and arrays.
  var byteCount: Int? {
    switch self {
    case .uint8, .int8, .bool: 1
    case .uint16, .int16: 2
    case .uint32, .int32, .float32: 4
    case .uint64, .int64, .float64: 8
    case .string, .array: nil
    }
  }
}

/// One metadata value.
public enum GGUFValue: Sendable {
  case uint8(UInt8)
  case int8(Int8)
  case uint16(UInt16)
  case int16(Int16)
  case uint32(UInt32)
  case int32(Int32)
  case uint64(UInt64)
  case int64(Int64)
  case float32(Float)
  case float64(Double)
  case bool(Bool)
  case string(String)
  case array(GGUFArray)

  /// The value of any integer type, if it fits.
  public var intValue: Int? {
    switch self {
    case .uint8(let value): Int(value)
    case .int8(let value): Int(value)
    case .uint16(let value): Int(value)
    case .int16(let value): Int(value)
    case .uint32(let value): Int(value)
    case .int32(let value): Int(value)
    case .uint64(let value): Int(exactly: value)
    case .int64(let value): Int(exactly: value)
    case .float32, .float64, .bool, .string, .array: nil
    }
  }

  /// The value of any float or integer type.
  public var doubleValue: Double? {
    switch self {
    case .float32(let value): Double(value)
    case .float64(let value): value
    default: intValue.map(Double.init)
    }
  }

  public var boolValue: Bool? { if case .bool(let value) = self { value } else { nil } }
  public var stringValue: String? { if case .string(let value) = self { value } else { nil } }
  public var arrayValue: GGUFArray? { if case .array(let value) = self { value } else { nil } }
}

/// An array of scalars or strings, decoded only when asked for: it refers to the bytes of its file and keeps them
/// alive.
public struct GGUFArray: Sendable {
  public let elementType: GGUFValueType
  public let count: Int
  let storage: MappedFile
  /// Byte range of the elements in `storage`, walked and found whole when the file was opened.
  let range: Range<Int>

  /// The elements as the file holds them; valid while this value lives.
  var bytes: UnsafeRawBufferPointer { UnsafeRawBufferPointer(rebasing: storage.bytes[range]) }

  /// Calls `body` with the bytes of each string in order; nothing happens when the elements are no strings.
  /// The buffer is valid during the call only.
  /// - Complexity: O(bytes), without allocation.
  public func forEachString(_ body: (_ index: Int, _ utf8: UnsafeRawBufferPointer) -> Void) {
    guard elementType == .string else { return }
    let bytes = self.bytes
    var offset = 0
    for index in 0..<count {
      let length = Int(bytes.loadUnaligned(fromByteOffset: offset, as: UInt64.self))
      offset += 8
      body(index, UnsafeRawBufferPointer(rebasing: bytes[offset..<(offset + length)]))
      offset += length
    }
  }

  /// The strings, or nil when the elements are something else.
  public var strings: [String]? {
    guard elementType == .string else { return nil }
    var result: [String] = []
    result.reserveCapacity(count)
    forEachString { _, utf8 in result.append(String(decoding: utf8, as: UTF8.self)) }
    return result
  }

  /// The integers (of any width, also booleans as 0 and 1), or nil when the elements are something else.
  public var integers: [Int]? {
    switch elementType {
    case .uint8, .bool: load(UInt8.self).map(Int.init)
    case .int8: load(Int8.self).map(Int.init)
    case .uint16: load(UInt16.self).map(Int.init)
    case .int16: load(Int16.self).map(Int.init)
    case .uint32: load(UInt32.self).map(Int.init)
    case .int32: load(Int32.self).map(Int.init)
    case .uint64: load(UInt64.self).map(Int.init(clamping:))
    case .int64: load(Int64.self).map(Int.init(clamping:))
    case .float32, .float64, .string, .array: nil
    }
  }

  /// The numbers as 32-bit floats, or nil when the elements are strings.
  public var floats: [Float]? {
    switch elementType {
    case .float32: load(Float.self)
    case .float64: load(Double.self).map(Float.init)
    default: integers?.map(Float.init)
    }
  }

  private func load<T: BitwiseCopyable>(_ type: T.Type) -> [T] {
    let bytes = self.bytes
    return (0..<count).map { bytes.loadUnaligned(fromByteOffset: $0 * MemoryLayout<T>.size, as: type) }
  }
}
