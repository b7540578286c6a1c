// Owns the way from what a model wrote to a JSON value that fits a schema. The forgiving parser is in LenientParser.

import StrataCore

/// What had to be done to read a text as JSON.
public enum JSONRepair: String, Sendable, Hashable, CaseIterable {
  case removedCodeFence = "removed a code fence"
  case removedProse = "removed text around the value"
  case replacedQuotes = "replaced single or typographic quotes"
  case quotedName = "quoted a member name"
  case quotedString = "quoted a bare string"
  case removedComma = "removed a comma too many"
  case insertedComma = "inserted a missing comma"
  case insertedColon = "inserted a missing colon"
  case closedString = "closed a string"
  case closedContainer = "closed an object or array"
  case escapedControl = "escaped a line break or control character in a string"
  case escapedQuote = "escaped a quote in a string"
  case fixedEscape = "fixed an escape sequence"
  case replacedWord = "replaced a Python or JavaScript word"
  case fixedNumber = "rewrote a number"
  case removedComment = "removed a comment"
  case convertedType = "converted a value to the type that the schema wants"
}

/// A JSON value found in a text that need not have been JSON.
public struct RepairedJSON: Sendable, Hashable {
  public let value: JSON
  /// What was repaired, each kind once; empty when the text was JSON.
  public let repairs: [JSONRepair]
  /// What is still wrong under the schema; empty when there is none or the value fits.
  public let issues: [ValidationIssue]

  public var isValid: Bool { issues.isEmpty }

  /// Reads a model's output as JSON: without fences and prose, with quotes, commas, brackets, escapes and words set
  /// right, and validates it. Of several values in the text the first that fits the schema counts, else the best.
  /// - Throws: ``SchemaError`` with code `schema_no_value` when nothing in the text looks like JSON.
  /// - Complexity: O(text) for each of at most 16 places where a value may begin.
  public init(reading text: String, schema: JSONSchema? = nil) throws(SchemaError) {
    self = try RepairedJSON.read(text, schema)
  }

  private static func read(_ text: String, _ schema: JSONSchema?) throws(SchemaError) -> RepairedJSON {
    if let value = try? JSON(parsing: text) {
      let found = fitted(value, [], schema)
      if found.isValid || value.stringValue == nil { return found }
    }
    var best: RepairedJSON?
    for (bytes, fence) in RepairedJSON.candidates(in: text) {
      for start in RepairedJSON.starts(in: bytes) {
        var parser = LenientParser(bytes, from: start)
        guard let value = parser.parse() else { continue }
        var repairs = parser.repairs
        if fence { repairs.insert(.removedCodeFence, at: 0) }
        let skipsText = bytes[..<start].contains { $0 > 0x20 }
        if skipsText || !parser.isAtEnd, !repairs.contains(.removedProse) { repairs.append(.removedProse) }
        let found = RepairedJSON.fitted(value, repairs, schema)
        if found.isValid, RepairedJSON.isContainer(value) || schema != nil {
          return found
        }
        if best.map({ found.issues.count < $0.issues.count }) ?? true { best = found }
      }
    }
    guard let best else {
      throw SchemaError(
        SchemaError.noValue, "The text holds no JSON value.", remedy: "Ask the model for JSON alone, or constrain it.")
    }
    return best
  }

  private init(value: JSON, repairs: [JSONRepair], issues: [ValidationIssue]) {
    self.value = value
    self.repairs = repairs
    self.issues = issues
  }

  private static func isContainer(_ value: JSON) -> Bool { value.arrayValue != nil || value.objectValue != nil }

  /// Fenced blocks first, then the whole text.
  private static func candidates(in text: String) -> [(bytes: [UInt8], isFenced: Bool)] {
    let bytes = Array(text.utf8)
    let fence = Array("```".utf8)
    var result: [([UInt8], Bool)] = []
    var index = 0
    while result.count < 8, let open = find(fence, in: bytes, from: index) {
      var start = open + 3
      // The language name stands on the rest of the line, unless the value begins there.
      while start < bytes.count, bytes[start] != 0x0A, bytes[start] != 0x7B, bytes[start] != 0x5B { start += 1 }
      let close = find(fence, in: bytes, from: start) ?? bytes.count
      if start < close { result.append((Array(bytes[start..<close]), true)) }
      index = close + 3
    }
    return result + [(bytes, false)]
  }

  private static func find(_ needle: [UInt8], in bytes: [UInt8], from start: Int) -> Int? {
    guard start >= 0, bytes.count >= needle.count, start <= bytes.count - needle.count else { return nil }
    return (start...(bytes.count - needle.count)).first { bytes[$0] == needle[0] && bytes[$0...].starts(with: needle) }
  }

  /// Where a value may begin: at brackets that are in no earlier candidate, or else at the first byte that is no space.
  private static func starts(in bytes: [UInt8]) -> [Int] {
    var starts: [Int] = []
    for (index, byte) in bytes.enumerated() where byte == 0x7B || byte == 0x5B {
      starts.append(index)
      if starts.count == 12 { break }
    }
    if let first = bytes.firstIndex(where: { $0 > 0x20 }), !starts.contains(first) {
      let isQuoteOrDigit = [0x22, 0x27, 0x2D].contains(bytes[first]) || (0x30...0x39).contains(bytes[first])
      let isWord = ["true", "false", "null", "True", "False", "None"].contains { bytes[first...].starts(with: $0.utf8) }
      if isQuoteOrDigit || isWord { starts.append(first) }
    }
    return starts
  }

  // MARK: Types

  /// Converts values whose type alone is wrong, as long as that leaves fewer issues.
  private static func fitted(_ value: JSON, _ repairs: [JSONRepair], _ schema: JSONSchema?) -> RepairedJSON {
    guard let schema else { return RepairedJSON(value: value, repairs: repairs, issues: []) }
    var value = value
    var repairs = repairs
    var issues = schema.validate(value)
    for _ in 0..<32 {
      let wrong = issues.filter { $0.keyword == "type" || $0.keyword == "enum" || $0.keyword == "const" }
      var improved: (JSON, [ValidationIssue])?
      for issue in wrong.prefix(16) {
        guard let path = JSONPointer.tokens(issue.instancePointer) else { continue }
        for changed in value.replacing(at: path[...], conversions) {
          let left = schema.validate(changed)
          if left.count < (improved?.1.count ?? issues.count) { improved = (changed, left) }
        }
        if improved != nil { break }
      }
      guard let improved else { break }
      (value, issues) = improved
      if !repairs.contains(.convertedType) { repairs.append(.convertedType) }
    }
    return RepairedJSON(value: value, repairs: repairs, issues: issues)
  }

  /// What a value of the wrong type may have meant.
  private static func conversions(_ value: JSON) -> [JSON] {
    switch value {
    case .string(let text):
      let trimmed = Array(text.utf8.drop { $0 == 0x20 })
      var result: [JSON] = []
      if let inner = try? JSON(parsing: trimmed), inner.stringValue == nil { result.append(inner) }
      switch text.lowercased() {
      case "true", "yes": result.append(true)
      case "false", "no": result.append(false)
      case "", "none", "null": result.append(nil)
      default: break
      }
      return result + [.array([value])]
    case .number, .bool: return [.string(value.text()), .array([value])]
    case .null: return [.array([]), "", .object([:])]
    case .array(let items): return items.count == 1 ? items : []
    case .object: return [.array([value])]
    }
  }
}

extension JSON {
  /// Copies of the value in which the part at `path` is replaced by each of its conversions.
  fileprivate func replacing(at path: ArraySlice<String>, _ conversions: (JSON) -> [JSON]) -> [JSON] {
    guard let step = path.first else { return conversions(self) }
    switch self {
    case .array(var items):
      guard let index = Int(step), items.indices.contains(index) else { return [] }
      return items[index].replacing(at: path.dropFirst(), conversions).map { changed in
        items[index] = changed
        return .array(items)
      }
    case .object(var members):
      guard let member = members[step] else { return [] }
      return member.replacing(at: path.dropFirst(), conversions).map { changed in
        members[step] = changed
        return .object(members)
      }
    default: return []
    }
  }
}
