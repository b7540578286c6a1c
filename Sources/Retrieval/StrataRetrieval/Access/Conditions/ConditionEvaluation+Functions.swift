// Owns the functions and methods that expressions may call.
import Foundation
import StrataCore

extension ConditionEvaluation {
  /// How many arguments each function takes.
  static let functions: [String: ClosedRange<Int>] = [
    "size": 1...1, "int": 1...1, "uint": 1...1, "double": 1...1, "string": 1...1, "bool": 1...1, "duration": 1...1,
    "timestamp": 1...1, "ipaddress": 1...1, "dyn": 1...1,
  ]

  /// How many arguments each method takes, without the value that it is called on.
  static let methods: [String: ClosedRange<Int>] = [
    "size": 0...0, "contains": 1...1, "startsWith": 1...1, "endsWith": 1...1, "matches": 1...1, "in_cidr": 1...1,
    "getFullYear": 0...1, "getMonth": 0...1, "getDate": 0...1, "getDayOfMonth": 0...1, "getDayOfWeek": 0...1,
    "getDayOfYear": 0...1, "getHours": 0...1, "getMinutes": 0...1, "getSeconds": 0...1, "getMilliseconds": 0...1,
  ]

  static func function(_ name: String, _ arguments: [ConditionValue]) throws(ConditionError) -> ConditionValue {
    let argument = arguments[0]
    let result: ConditionValue?
    switch (name, argument) {
    case ("size", _): result = size(argument)
    case ("dyn", _): result = argument
    case ("int", .int), ("uint", .uint), ("double", .double), ("string", .string), ("bool", .bool),
      ("duration", .duration), ("timestamp", .timestamp), ("ipaddress", .ipAddress):
      result = argument
    case ("int", .uint(let value)): result = Int64(exactly: value).map(ConditionValue.int)
    case ("int", .double(let value)): result = Int64(exactly: value.rounded(.towardZero)).map(ConditionValue.int)
    case ("int", .string(let text)): result = Int64(text).map(ConditionValue.int)
    case ("int", .timestamp(let value)):
      result = Int64(exactly: value / Int128(ConditionTime.second)).map(ConditionValue.int)
    case ("uint", .int(let value)): result = UInt64(exactly: value).map(ConditionValue.uint)
    case ("uint", .double(let value)): result = UInt64(exactly: value.rounded(.towardZero)).map(ConditionValue.uint)
    case ("uint", .string(let text)): result = UInt64(text).map(ConditionValue.uint)
    case ("double", .int(let value)): result = .double(Double(value))
    case ("double", .uint(let value)): result = .double(Double(value))
    case ("double", .string(let text)): result = Double(text).map(ConditionValue.double)
    case ("string", .int(let value)): result = .string("\(value)")
    case ("string", .uint(let value)): result = .string("\(value)")
    case ("string", .double(let value)): result = .string("\(value)")
    case ("string", .bool(let value)): result = .string("\(value)")
    case ("bool", .string(let text)): result = Bool(text).map(ConditionValue.bool)
    case ("duration", .string(let text)): result = ConditionTime.duration(text).map(ConditionValue.duration)
    case ("timestamp", .string(let text)): result = ConditionTime.timestamp(text).map(ConditionValue.timestamp)
    case ("ipaddress", .string(let text)): result = IPAddress(text).map(ConditionValue.ipAddress)
    default: result = nil
    }
    guard let result else { throw ConditionError("\(name) has no value for this \(argument.typeName).") }
    return result
  }

  private static func size(_ value: ConditionValue) -> ConditionValue? {
    switch value {
    case .string(let text): .int(Int64(text.unicodeScalars.count))
    case .list(let elements): .int(Int64(elements.count))
    case .map(let members): .int(Int64(members.count))
    default: nil
    }
  }

  /// - Parameter operands: the value that the method is called on, then the arguments.
  mutating func method(_ name: String, _ operands: [ConditionValue]) throws(ConditionError) -> ConditionValue {
    switch (name, operands[0], operands.count > 1 ? operands[1] : .null) {
    case ("size", let value, _):
      if let size = Self.size(value) { return size }
    case ("contains", .string(let text), .string(let part)):
      try spend(text.utf8.count / 8)
      return .bool(part.isEmpty || text.utf8.firstRange(of: part.utf8) != nil)
    case ("startsWith", .string(let text), .string(let part)): return .bool(text.utf8.starts(with: part.utf8))
    case ("endsWith", .string(let text), .string(let part)):
      return .bool(text.utf8.reversed().starts(with: part.utf8.reversed()))
    case ("matches", .string(let text), .string(let pattern)):
      let pattern = try TextPattern(pattern)
      try spend(text.utf8.count * pattern.size / 64)
      return .bool(pattern.isFound(in: text))
    case ("in_cidr", .ipAddress(let address), .string(let range)):
      guard let isIn = address.isIn(range) else { throw ConditionError("\(range) is no range of addresses.") }
      return .bool(isIn)
    case (_, .duration(let length), .null):
      if let value = Self.part(name, of: length) { return .int(value) }
    case (_, .timestamp(let moment), let zone):
      if let value = try Self.part(name, of: moment, zone: zone) { return .int(value) }
    default: break
    }
    throw ConditionError("\(name) is not defined for this \(operands[0].typeName).")
  }

  /// Of a duration: all of it in the unit.
  private static func part(_ name: String, of length: Int64) -> Int64? {
    switch name {
    case "getHours": length / (3600 * ConditionTime.second)
    case "getMinutes": length / (60 * ConditionTime.second)
    case "getSeconds": length / ConditionTime.second
    case "getMilliseconds": length / 1_000_000
    default: nil
    }
  }

  private static func part(
    _ name: String, of moment: Int128, zone: ConditionValue
  ) throws(ConditionError) -> Int64? {
    var zoneName: String?
    if case .string(let text) = zone { zoneName = text } else if zone != .null { return nil }
    guard let parts = ConditionTime.parts(moment, zone: zoneName) else {
      throw ConditionError("There is no time zone \(zoneName ?? "").")
    }
    let value: Int? =
      switch name {
      case "getFullYear": parts.year
      case "getMonth": parts.month.map { $0 - 1 }
      case "getDate": parts.day
      case "getDayOfMonth": parts.day.map { $0 - 1 }
      case "getDayOfWeek": parts.weekday.map { $0 - 1 }
      case "getDayOfYear": parts.dayOfYear.map { $0 - 1 }
      case "getHours": parts.hour
      case "getMinutes": parts.minute
      case "getSeconds": parts.second
      case "getMilliseconds":
        Int(
          (moment % Int128(ConditionTime.second) + Int128(ConditionTime.second)) % Int128(ConditionTime.second)
            / 1_000_000)
      default: nil
      }
    return value.map(Int64.init)
  }
}
