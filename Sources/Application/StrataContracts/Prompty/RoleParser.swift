// Owns role markers: where a rendered prompt becomes messages. Only the author's own lines can be markers.
import StrataCore

/// One message of a rendered prompt.
public struct PromptMessage: Sendable, Hashable {
  public var role: Message.Role
  public var text: String
  /// From `user[name="Ada"]:`.
  public var attributes: JSONObject

  public init(role: Message.Role, text: String, attributes: JSONObject = JSONObject()) {
    self.role = role
    self.text = text
    self.attributes = attributes
  }

  public var message: Message { Message(role: role, content: text, name: attributes["name"]?.stringValue) }
}

public enum RoleParser {
  /// Splits at lines that consist of a role and a colon and were written by the author. Text before the first marker is
  /// the system's.
  public static func messages(
    _ segments: [PromptSegment], threads: [String: [PromptMessage]] = [:]
  ) -> [PromptMessage] {
    var builder = Builder()
    for segment in segments {
      switch segment.kind {
      case .thread(let input): builder.insert(threads[input] ?? [])
      case .literal: builder.add(Array(segment.text.utf8), isLiteral: true)
      case .interpolated: builder.add(Array(segment.text.utf8), isLiteral: false)
      }
    }
    return builder.finish()
  }

  private struct Builder {
    var messages: [PromptMessage] = []
    var current = PromptMessage(role: .system, text: "")
    var hasMarker = false
    var content: [UInt8] = []
    var line: [UInt8] = []
    var lineIsLiteral = true

    mutating func add(_ bytes: [UInt8], isLiteral: Bool) {
      for byte in bytes {
        if byte == 0x0A {
          if !isLiteral { lineIsLiteral = false }
          endLine(newline: true)
        } else {
          line.append(byte)
          lineIsLiteral = lineIsLiteral && isLiteral
        }
      }
    }

    private mutating func endLine(newline: Bool) {
      if lineIsLiteral, let marker = RoleParser.marker(line) {
        flush()
        current = marker
        hasMarker = true
      } else {
        content += line
        if newline { content.append(0x0A) }
      }
      line = []
      lineIsLiteral = true
    }

    mutating func insert(_ thread: [PromptMessage]) {
      endLine(newline: false)
      flush()
      messages += thread
      current = PromptMessage(role: messages.last { $0.role != .tool }?.role ?? .system, text: "")
      hasMarker = false
    }

    private mutating func flush() {
      let text = String(decoding: content, as: UTF8.self).trimmingNewlines
      if hasMarker || content.contains(where: { $0 > 0x20 }) {
        current.text = text
        messages.append(current)
      }
      content = []
    }

    mutating func finish() -> [PromptMessage] {
      if !line.isEmpty { endLine(newline: false) }
      flush()
      return messages
    }
  }

  static let roles: [String: Message.Role] = [
    "system": .system, "user": .user, "assistant": .assistant, "developer": .developer, "tool": .tool,
  ]

  /// `  # User [name="Ada", id=7] :` → a message without text.
  static func marker(_ line: [UInt8]) -> PromptMessage? {
    guard line.count <= 512, let (role, rest) = role(at: line[...]) else { return nil }
    guard let (attributes, tail) = attributes(rest) else { return nil }
    var end = tail.drop(while: isSpace)
    guard end.popFirst() == UInt8(ascii: ":"), end.allSatisfy({ isSpace($0) || $0 == 0x0D }) else { return nil }
    return PromptMessage(role: role, text: "", attributes: attributes)
  }

  /// Whether a line of `text` starts like a marker, text after the colon or not.
  static func forgesMarker(_ text: String) -> Bool {
    Array(text.utf8).split(whereSeparator: { $0 == 0x0A || $0 == 0x0D }).contains { line in
      guard let (_, rest) = role(at: line), let (_, tail) = attributes(rest) else { return false }
      return tail.drop(while: isSpace).first == UInt8(ascii: ":")
    }
  }

  private static func isSpace(_ byte: UInt8) -> Bool { byte == 0x20 || byte == 0x09 }

  private static func role(at line: ArraySlice<UInt8>) -> (Message.Role, ArraySlice<UInt8>)? {
    var rest = line.drop(while: isSpace)
    if rest.first == UInt8(ascii: "#") { rest = rest.dropFirst().drop(while: isSpace) }
    let word = rest.prefix { (0x41...0x5A).contains($0) || (0x61...0x7A).contains($0) }
    guard let role = roles[String(decoding: word, as: UTF8.self).lowercased()] else { return nil }
    return (role, rest[word.endIndex...])
  }

  private static func attributes(_ rest: ArraySlice<UInt8>) -> (JSONObject, ArraySlice<UInt8>)? {
    let trimmed = rest.drop(while: isSpace)
    guard trimmed.first == UInt8(ascii: "[") else { return (JSONObject(), rest) }
    guard let close = trimmed.firstIndex(of: UInt8(ascii: "]")) else { return nil }
    var object = JSONObject()
    for part in trimmed[(trimmed.startIndex + 1)..<close].split(separator: UInt8(ascii: ",")) {
      guard let equals = part.firstIndex(of: UInt8(ascii: "=")) else { return nil }
      let name = String(decoding: part[..<equals], as: UTF8.self).trimmingSpaces
      let value = String(decoding: part[(equals + 1)...], as: UTF8.self).trimmingSpaces
      if value.utf8.count >= 2, let quote = value.first, quote == "\"" || quote == "'", value.last == quote {
        object[name] = .string(String(value.dropFirst().dropLast()))
      } else if let scalar = try? JSON(parsing: value), scalar.numberValue != nil || scalar.boolValue != nil {
        object[name] = scalar
      } else {
        object[name] = .string(value)
      }
    }
    return (object, trimmed[(close + 1)...])
  }
}
