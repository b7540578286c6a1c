// Owns the values that conditions compute with, and how they compare. Knows nothing about expressions.
import Foundation
import StrataCore

indirect enum ConditionValue: Sendable, Hashable {
  case null
  case bool(Bool)
  case int(Int64)
  case uint(UInt64)
  case double(Double)
  case string(String)
  /// Nanoseconds.
  case duration(Int64)
  /// Nanoseconds since 1970-01-01 UTC.
  case timestamp(Int128)
  case ipAddress(IPAddress)
  case list([ConditionValue])
  case map([ConditionValue: ConditionValue])

  /// A value without a declared type.
  init(_ json: JSON) {
    switch json {
    case .null: self = .null
    case .bool(let value): self = .bool(value)
    // As in CEL, where a number from JSON is a double.
    case .number(let number): self = .double(number.doubleValue)
    case .string(let text): self = .string(text)
    case .array(let elements): self = .list(elements.map { ConditionValue($0) })
    case .object(let members):
      self = .map(Dictionary(members.map { (.string($0.key), ConditionValue($0.value)) }) { $1 })
    }
  }

  var typeName: String {
    switch self {
    case .null: "null"
    case .bool: "bool"
    case .int: "int"
    case .uint: "uint"
    case .double: "double"
    case .string: "string"
    case .duration: "duration"
    case .timestamp: "timestamp"
    case .ipAddress: "ipaddress"
    case .list: "list"
    case .map: "map"
    }
  }

  /// Numbers are equal across their types; values of different other types are not.
  func isEqual(to other: ConditionValue) -> Bool {
    switch (self, other) {
    case (.list(let left), .list(let right)):
      left.count == right.count && zip(left, right).allSatisfy { $0.isEqual(to: $1) }
    case (.map(let left), .map(let right)):
      left.count == right.count && left.allSatisfy { key, value in right.find(key)?.isEqual(to: value) ?? false }
    default:
      if let order = numericOrder(other) { order == .equal } else { self == other }
    }
  }

  enum Order { case less, equal, greater, unordered }

  /// Nil when the two have no order.
  func order(_ other: ConditionValue) -> Order? {
    switch (self, other) {
    case (.string(let left), .string(let right)):
      Self.order(left, right) { $0.unicodeScalars.lexicographicallyPrecedes($1.unicodeScalars) }
    case (.bool(let left), .bool(let right)): Self.order(left ? 1 : 0, right ? 1 : 0, by: <)
    case (.duration(let left), .duration(let right)): Self.order(left, right, by: <)
    case (.timestamp(let left), .timestamp(let right)): Self.order(left, right, by: <)
    default: numericOrder(other)
    }
  }

  private func numericOrder(_ other: ConditionValue) -> Order? {
    switch (self, other) {
    case (.double(let left), .double(let right)):
      return left.isNaN || right.isNaN ? .unordered : Self.order(left, right, by: <)
    case (.double(let left), _):
      guard let right = other.integer else { return nil }
      return left.isNaN ? .unordered : Self.order(left, right)
    case (_, .double(let right)):
      guard let left = integer else { return nil }
      if right.isNaN { return .unordered }
      return switch Self.order(right, left) {
      case .less: .greater
      case .greater: .less
      default: .equal
      }
    default:
      guard let left = integer, let right = other.integer else { return nil }
      return Self.order(left, right, by: <)
    }
  }

  private var integer: Int128? {
    switch self {
    case .int(let value): Int128(value)
    case .uint(let value): Int128(value)
    default: nil
    }
  }

  /// Exact, where a conversion to a double would round.
  private static func order(_ left: Double, _ right: Int128) -> Order {
    if left >= 0x1p64 { return .greater }
    if left <= -0x1p64 { return .less }
    let whole = Int128(left.rounded(.down))
    if whole != right { return whole < right ? .less : .greater }
    return left > left.rounded(.down) ? .greater : .equal
  }

  private static func order<Value: Equatable>(
    _ left: Value, _ right: Value, by precedes: (Value, Value) -> Bool
  ) -> Order {
    precedes(left, right) ? .less : left == right ? .equal : .greater
  }
}

extension [ConditionValue: ConditionValue] {
  /// The value of a key, whichever type of number the key is.
  func find(_ key: ConditionValue) -> ConditionValue? {
    if let value = self[key] { return value }
    switch key {
    case .int(let number): return UInt64(exactly: number).flatMap { self[.uint($0)] }
    case .uint(let number): return Int64(exactly: number).flatMap { self[.int($0)] }
    case .double(let number):
      return Int64(exactly: number).flatMap { self[.int($0)] } ?? UInt64(exactly: number).flatMap { self[.uint($0)] }
    default: return nil
    }
  }
}

/// An IPv4 or IPv6 address.
struct IPAddress: Sendable, Hashable {
  /// 4 or 16.
  let bytes: [UInt8]

  init?(_ text: String) {
    var four = in_addr()
    if inet_pton(AF_INET, text, &four) == 1 {
      bytes = withUnsafeBytes(of: &four) { Array($0) }
      return
    }
    var six = in6_addr()
    guard inet_pton(AF_INET6, text, &six) == 1 else { return nil }
    let all = withUnsafeBytes(of: &six) { Array($0) }
    // An IPv4 address in IPv6 clothes is that address.
    bytes = all.prefix(12) == [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xFF, 0xFF] ? Array(all[12...]) : all
  }

  /// Nil when `text` is not `ADDRESS/LENGTH`.
  func isIn(_ text: String) -> Bool? {
    let parts = text.split(separator: "/", omittingEmptySubsequences: false)
    guard parts.count == 2, let network = IPAddress(String(parts[0])), let length = Int(parts[1]),
      (0...8 * network.bytes.count).contains(length)
    else { return nil }
    guard network.bytes.count == bytes.count else { return false }
    let whole = length / 8
    guard network.bytes[..<whole] == bytes[..<whole] else { return false }
    guard length % 8 > 0 else { return true }
    let mask = UInt8(truncatingIfNeeded: 0xFF00 >> (length % 8))
    return network.bytes[whole] & mask == bytes[whole] & mask
  }
}
