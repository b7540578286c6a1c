// Owns finding declarations in languages where indentation says what belongs together.

struct IndentationScanner {
  let bytes: [UInt8]
  let language: CodeLanguage

  init(_ bytes: [UInt8], _ language: CodeLanguage) {
    self.bytes = bytes
    self.language = language
  }

  private struct Line {
    /// With its line break.
    var range: Range<Int>
    var indentation: Int
    var isBlank: Bool
    /// Begins inside a string or parentheses, so that its indentation says nothing.
    var isContinuation: Bool
  }

  func scan() -> [CodeDeclaration] {
    let lines = self.lines()
    var declarations: [CodeDeclaration] = []
    // Open declarations; `end` grows with the lines that belong to them.
    var open: [(declaration: CodeDeclaration, indentation: Int)] = []
    var pendingStart: Int?
    for line in lines {
      if line.isBlank || line.isContinuation {
        if !line.isBlank {
          for index in open.indices { open[index].declaration.range = extended(open[index], to: line) }
        }
        continue
      }
      while let last = open.last, line.indentation <= last.indentation {
        declarations.append(last.declaration)
        open.removeLast()
      }
      for index in open.indices { open[index].declaration.range = extended(open[index], to: line) }
      let text = bytes.trimmed(line.range)
      let words = bytes.text(text.prefix(200)).split { !$0.isLetter && !$0.isNumber && $0 != "_" }
      if bytes[text.lowerBound] == UInt8(ascii: "@") || bytes[text.lowerBound] == UInt8(ascii: "#") {
        if pendingStart == nil { pendingStart = line.range.lowerBound }
        continue
      }
      defer { pendingStart = nil }
      guard let keyword = words.first(where: { $0 != "async" }), words.first == keyword || words.first == "async" else {
        continue
      }
      let isContainer = language.containers.contains(String(keyword))
      // Functions inside functions are part of them.
      guard isContainer || language.functions.contains(String(keyword)),
        open.allSatisfy({ $0.declaration.isContainer }),
        let name = words.dropFirst(words.first == "async" ? 2 : 1).first
      else { continue }
      let parent = open.last?.declaration.path
      open.append(
        (
          CodeDeclaration(
            range: (pendingStart ?? line.range.lowerBound)..<line.range.upperBound,
            path: parent.map { "\($0).\(name)" } ?? String(name), isContainer: isContainer),
          line.indentation
        ))
    }
    declarations += open.map(\.declaration)
    return declarations.sorted {
      ($0.range.lowerBound, -$0.range.upperBound) < ($1.range.lowerBound, -$1.range.upperBound)
    }
  }

  private func extended(_ open: (declaration: CodeDeclaration, indentation: Int), to line: Line) -> Range<Int> {
    open.declaration.range.lowerBound..<line.range.upperBound
  }

  private func lines() -> [Line] {
    var lines: [Line] = []
    var start = 0
    var continuation = false
    var state = State()
    var index = 0
    while index < bytes.count {
      let before = index
      state.step(bytes, &index, language)
      guard bytes[before..<index].contains(10) else { continue }
      while start < index, let end = bytes[start..<index].firstIndex(of: 10) {
        append(start..<end + 1, continuation, &lines)
        start = end + 1
        // Lines within one step are lines of a string.
        continuation = start < index || state.nesting > 0
      }
    }
    if start < bytes.count { append(start..<bytes.count, continuation, &lines) }
    return lines
  }

  private func append(_ range: Range<Int>, _ isContinuation: Bool, _ lines: inout [Line]) {
    var indentation = 0
    for byte in bytes[range] {
      if byte == 32 { indentation += 1 } else if byte == 9 { indentation += 8 } else { break }
    }
    lines.append(
      Line(
        range: range, indentation: indentation, isBlank: bytes.trimmed(range).isEmpty, isContinuation: isContinuation))
  }

  /// Reads a sign, a comment or a whole string at a time.
  private struct State {
    var nesting = 0

    mutating func step(_ bytes: [UInt8], _ index: inout Int, _ language: CodeLanguage) {
      let byte = bytes[index]
      switch byte {
      case UInt8(ascii: "#"):
        while index < bytes.count, bytes[index] != 10 { index += 1 }
      case UInt8(ascii: "\""), UInt8(ascii: "'"):
        let triple = [byte, byte, byte]
        if language.hasTripleQuotes, bytes[index...].starts(with: triple) {
          index += 3
          while index < bytes.count, !bytes[index...].starts(with: triple) {
            index += bytes[index] == UInt8(ascii: "\\") ? 2 : 1
          }
          index = min(bytes.count, index + 3)
        } else {
          index += 1
          while index < bytes.count, bytes[index] != byte, bytes[index] != 10 {
            index += bytes[index] == UInt8(ascii: "\\") ? 2 : 1
          }
          index = min(bytes.count, index < bytes.count && bytes[index] == 10 ? index : index + 1)
        }
      case UInt8(ascii: "("), UInt8(ascii: "["), UInt8(ascii: "{"):
        nesting += 1
        index += 1
      case UInt8(ascii: ")"), UInt8(ascii: "]"), UInt8(ascii: "}"):
        nesting = max(0, nesting - 1)
        index += 1
      default: index += 1
      }
    }
  }
}
