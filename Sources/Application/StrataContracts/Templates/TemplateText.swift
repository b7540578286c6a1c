// Owns how values become text in prompts, the same in every template language of contracts.
import StrataCore

extension JSON {
  /// Prompt text of a value: strings as they are, numbers in their shortest form, `true`, nothing for null, JSON for
  /// containers.
  var promptText: String {
    switch self {
    case .null: ""
    case .bool(let value): value ? "true" : "false"
    case .string(let value): value
    case .number(let number): number.intValue.map(String.init) ?? number.text
    case .array, .object: text()
    }
  }

  /// Whether a condition holds: false, zero, null and everything empty do not.
  var isTruthy: Bool {
    switch self {
    case .null: false
    case .bool(let value): value
    case .string(let value): !value.isEmpty
    case .number(let number): number.doubleValue != 0
    case .array(let values): !values.isEmpty
    case .object(let object): !object.isEmpty
    }
  }
}

/// Counts lines so that template errors can name theirs.
func lineNumber(at offset: Int, in bytes: [UInt8]) -> Int {
  1 + bytes[..<min(offset, bytes.count)].count { $0 == 0x0A }
}
