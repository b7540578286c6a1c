// Owns reading an answer object while it is being written: citations as soon as they are complete, the answer's text
// piece by piece. Tolerates anything; the complete text is validated elsewhere.
import StrataCore

/// An incremental reader of one JSON object with the members `citations` and `answer`.
/// - Complexity: O(1) per byte.
package struct AnswerStream {
  package init() {}

  package enum Part: Hashable, Sendable {
    case citations([JSON])
    case text(String)
  }

  package private(set) var text = ""
  private var bytes: [UInt8] = []
  private var index = 0
  private var depth = 0
  private var inString = false
  private var isEscaped = false
  private var stringStart = 0
  /// Bytes of the answer that have been passed on as whole escapes and characters.
  private var answerCursor: Int?
  private var key: String?
  private var expectsKey = false
  private var valueStart = 0

  package mutating func append(_ piece: String) -> [Part] {
    text += piece
    bytes += piece.utf8
    var parts: [Part] = []
    while index < bytes.count {
      step(&parts)
      index += 1
    }
    if let text = drainAnswer(upTo: bytes.count) { parts.append(.text(text)) }
    return parts
  }

  private mutating func step(_ parts: inout [Part]) {
    let byte = bytes[index]
    if inString {
      if isEscaped {
        isEscaped = false
      } else if byte == UInt8(ascii: "\\") {
        isEscaped = true
      } else if byte == UInt8(ascii: "\"") {
        inString = false
        endString(&parts)
      }
      return
    }
    switch byte {
    case UInt8(ascii: "\""):
      inString = true
      stringStart = index
      if depth == 1, !expectsKey, key == "answer" { answerCursor = index + 1 }
    case UInt8(ascii: "{"), UInt8(ascii: "["):
      depth += 1
      if depth == 1 { expectsKey = true }
      if depth == 2 { valueStart = index }
    case UInt8(ascii: "}"), UInt8(ascii: "]"):
      depth -= 1
      if depth == 1, key == "citations", let json = try? JSON(parsing: Array(bytes[valueStart...index])) {
        parts.append(.citations(json.arrayValue ?? []))
      }
    case UInt8(ascii: ":") where depth == 1: expectsKey = false
    case UInt8(ascii: ",") where depth == 1:
      expectsKey = true
      key = nil
    default: break
    }
  }

  private mutating func endString(_ parts: inout [Part]) {
    guard depth == 1 else { return }
    if expectsKey {
      key = (try? JSON(parsing: Array(bytes[stringStart...index])))?.stringValue
    } else if answerCursor != nil {
      if let text = drainAnswer(upTo: index) { parts.append(.text(text)) }
      answerCursor = nil
    }
  }

  /// Decoded text from the cursor to `end`, without an escape or surrogate pair that is still incomplete.
  private mutating func drainAnswer(upTo end: Int) -> String? {
    guard let start = answerCursor, start < end else { return nil }
    var safe = end
    var scan = start
    while scan < end {
      guard bytes[scan] == UInt8(ascii: "\\") else {
        scan += 1
        continue
      }
      let isUnicode = scan + 1 < end && bytes[scan + 1] == UInt8(ascii: "u")
      var length = isUnicode ? 6 : 2
      if isUnicode, scan + 3 < end, "dD".utf8.contains(bytes[scan + 2]), "89abAB".utf8.contains(bytes[scan + 3]) {
        length = 12
      }
      if scan + length > end {
        safe = scan
        break
      }
      scan += length
    }
    guard safe > start else { return nil }
    let quote = [UInt8(ascii: "\"")]
    guard let decoded = (try? JSON(parsing: quote + bytes[start..<safe] + quote))?.stringValue else { return nil }
    answerCursor = safe
    return decoded
  }
}
