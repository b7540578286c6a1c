// Owns finding declarations in languages with braces, without a grammar: what stands before a brace says what it opens.

struct BraceScanner {
  private let bytes: [UInt8]
  private let language: CodeLanguage
  private let lineStarts: [Int]
  /// Deeper types are part of the one at this depth.
  private static let depthLimit = 64

  private struct Open {
    var path: String
    var lineStart: Int
    var kind: Kind
  }
  private enum Kind { case container, function, other }

  private var index = 0
  private var open: [Open] = []
  /// Where the statement began that may turn out to be a declaration.
  private var statementStart: Int?
  /// Parentheses and brackets open in the statement.
  private var nesting = 0
  /// Words and signs of the statement, without strings and comments.
  private var head: [UInt8] = []
  private var declarations: [CodeDeclaration] = []
  private static let headByteLimit = 2_000

  init(_ bytes: [UInt8], _ language: CodeLanguage) {
    self.bytes = bytes
    self.language = language
    lineStarts = bytes.lineRanges().map(\.lowerBound)
  }

  func scan() -> [CodeDeclaration] {
    var scanner = self
    scanner.run()
    return scanner.declarations.sorted {
      ($0.range.lowerBound, -$0.range.upperBound) < ($1.range.lowerBound, -$1.range.upperBound)
    }
  }

  /// Whether declarations may stand here: not inside a function.
  private var isDeclarative: Bool { open.last.map { $0.kind == .container } ?? true }

  private mutating func run() {
    while index < bytes.count {
      let byte = bytes[index]
      if skipCommentOrString() { continue }
      switch byte {
      case UInt8(ascii: "{"): openBrace()
      case UInt8(ascii: "}"): closeBrace()
      case UInt8(ascii: ";") where nesting == 0: endStatement()
      case UInt8(ascii: "#") where head.isEmpty && isDirective:
        skipLine(continued: true)
        continue
      case 10 where nesting == 0 && endsAtLineBreak: endStatement()
      default: add(byte)
      }
      index += 1
    }
    while !open.isEmpty { close(at: bytes.count) }
  }

  private mutating func add(_ byte: UInt8) {
    if byte == UInt8(ascii: "(") || byte == UInt8(ascii: "[") { nesting += 1 }
    if byte == UInt8(ascii: ")") || byte == UInt8(ascii: "]") { nesting = max(0, nesting - 1) }
    if byte.isASCIISpace {
      if let last = head.last, last != 32 { head.append(32) }
      return
    }
    if statementStart == nil { statementStart = index }
    if head.count < Self.headByteLimit { head.append(byte) }
  }

  private mutating func endStatement() {
    head.removeAll(keepingCapacity: true)
    statementStart = nil
    nesting = 0
  }

  /// In languages without semicolons a line ends a statement, unless it cannot be complete.
  private var endsAtLineBreak: Bool {
    guard let last = head.last(where: { $0 != 32 }) else { return true }
    // Attributes and annotations stand above what they belong to.
    if head.first == UInt8(ascii: "@") { return false }
    if language.name == "C" || language.name == "Java" || language.name == "Rust" { return false }
    return !",(=+-*&|<.:>".utf8.contains(last) && !nextLineContinues
  }

  /// The next line begins with a brace, a dot or a word that cannot begin a statement.
  private var nextLineContinues: Bool {
    var next = index + 1
    while next < bytes.count, bytes[next].isASCIISpace { next += 1 }
    guard next < bytes.count else { return false }
    if "{.:-?".utf8.contains(bytes[next]) { return true }
    return bytes[next...].starts(with: "where ".utf8) || bytes[next...].starts(with: "throws ".utf8)
      || bytes[next...].starts(with: "extends ".utf8) || bytes[next...].starts(with: "implements ".utf8)
  }

  /// `#include`, `#if` and such, but not `#[derive]` and `#selector`.
  private var isDirective: Bool {
    guard language.name == "C" || language.name == "Swift" else { return false }
    return ["#if", "#el", "#endif", "#include", "#import", "#define", "#pragma", "#undef", "#error", "#warning"]
      .contains { bytes[index...].starts(with: $0.utf8) }
  }

  // MARK: Braces

  private mutating func openBrace() {
    // A brace inside parentheses is a literal or a closure.
    let kind: (Kind, String)? = nesting == 0 && isDeclarative && open.count < Self.depthLimit ? declaration() : nil
    let parent = open.last { $0.kind == .container }?.path ?? ""
    if let (kind, name) = kind {
      let path = name.isEmpty ? parent : parent.isEmpty ? name : parent + "." + name
      open.append(Open(path: path, lineStart: lineStart(of: statementStart ?? index), kind: kind))
    } else {
      open.append(Open(path: "", lineStart: index, kind: .other))
    }
    savedNesting.append(nesting)
    endStatement()
  }

  /// Of the statements that braces interrupted.
  private var savedNesting: [Int] = []

  private mutating func closeBrace() {
    close(at: index + 1)
    // `} else {`, `});` and `}.map {` go on with a statement that is no declaration.
    let saved = savedNesting.popLast() ?? 0
    endStatement()
    nesting = saved
    if saved > 0 { statementStart = index }
  }

  private mutating func close(at end: Int) {
    guard let last = open.popLast(), last.kind != .other else { return }
    var upper = end
    while upper < bytes.count, bytes[upper] != 10 {
      // What follows on the line belongs to something else, unless it is a semicolon or a comment.
      guard bytes[upper].isASCIISpace || bytes[upper] == UInt8(ascii: ";") || bytes[upper] == UInt8(ascii: ",") else {
        break
      }
      upper += 1
    }
    guard last.lineStart < upper else { return }
    declarations.append(
      CodeDeclaration(
        range: withComments(last.lineStart)..<upper, path: last.path, isContainer: last.kind == .container))
  }

  // MARK: What a brace opens

  private static let statements: Set<String> = [
    "if", "for", "while", "switch", "do", "else", "catch", "try", "return", "guard", "repeat", "defer", "case", "with",
    "match", "loop", "unsafe", "select", "go", "synchronized", "finally", "using", "lock", "when", "throw", "new",
  ]

  /// - Returns: kind and name; nil when the brace opens something else.
  private func declaration() -> (Kind, String)? {
    let text = String(decoding: head, as: UTF8.self)
    let words = Self.words(text)
    guard let first = words.first(where: { !$0.hasPrefix("@") }) else { return nil }
    if language.name == "C", first == "extern" { return (.container, "") }
    // A variable's value, or the accessors of a property.
    for (position, word) in words.enumerated() {
      if word == "=" { break }
      if language.functions.contains(word) {
        let name = functionName(after: position, words, text)
        return (.function, name.isEmpty ? word : name)
      }
      if language.containers.contains(word) {
        // `struct point *make(int x) {` is a function of C, `class func` one of Swift.
        if language.name == "C", word != "namespace", text.contains("("), let name = bareFunctionName(words, text) {
          return (.function, name)
        }
        if language.name == "Swift", words.dropFirst(position + 1).first.map(language.functions.contains) == true {
          continue
        }
        return (.container, containerName(after: position, words))
      }
    }
    if let arrow = arrowFunctionName(words) { return (.function, arrow) }
    guard language.hasBareFunctions, !Self.statements.contains(first), let name = bareFunctionName(words, text) else {
      return nil
    }
    return (.function, name)
  }

  private func functionName(after position: Int, _ words: [String], _ text: String) -> String {
    var next = position + 1
    // The receiver of a method in Go: `func (p *Parser) Parse(`.
    if language.name == "Go", next < words.count, words[next] == "(" {
      let close = words[next...].firstIndex(of: ")") ?? next
      let receiver = words[next..<close].last { $0.first?.isLetter == true } ?? ""
      next = close + 1
      return next < words.count ? receiver + "." + words[next] : receiver
    }
    if ["init", "deinit", "subscript"].contains(words[position]) { return "" }
    if language.name == "JavaScript", next < words.count, words[next] == "*" { next += 1 }
    guard next < words.count, let first = words[next].first else { return "" }
    if first.isLetter || first == "_" { return words[next] }
    // The name of an operator is several signs.
    return words[next...].prefix { $0 != "(" && $0 != "{" }.joined()
  }

  private func containerName(after position: Int, _ words: [String]) -> String {
    let rest = words.dropFirst(position + 1)
    if words[position] == "impl", let at = rest.firstIndex(of: "for"), at + 1 < words.count { return words[at + 1] }
    var depth = 0
    for word in rest {
      // Generic parameters stand before the name after `impl`.
      if word == "<" { depth += 1 }
      if depth == 0, let first = word.first, first.isLetter || first == "_", word != "class" { return word }
      if word == ">" { depth -= 1 }
    }
    return ""
  }

  /// `const name = (x) => {`, `name = function (x) {`.
  private func arrowFunctionName(_ words: [String]) -> String? {
    guard language.name == "JavaScript", let equals = words.firstIndex(of: "="), equals > 0,
      words.last == ">" || words.contains("function")
    else { return nil }
    let before = words[..<equals]
    let name = before.firstIndex(of: ":").map { before[..<$0].last } ?? before.last
    return name ?? nil
  }

  /// The name before the first parentheses, when nothing but what follows parameters stands behind them.
  private func bareFunctionName(_ words: [String], _ text: String) -> String? {
    guard let paren = words.firstIndex(of: "("), paren > 0, !words[..<paren].contains("=") else { return nil }
    let name = words[paren - 1]
    guard let first = name.first, first.isLetter || first == "_" || first == "~" || first == "#",
      !Self.statements.contains(name)
    else { return nil }
    // `Parser::parse`.
    if paren >= 4, words[paren - 2] == ":", words[paren - 3] == ":" { return words[paren - 4] + "." + name }
    return name
  }

  /// Identifiers, and every other sign alone.
  private static func words(_ text: String) -> [String] {
    var words: [String] = []
    var word = ""
    for character in text {
      if character.isLetter || character.isNumber || "_@#~!$".contains(character) {
        word.append(character)
      } else {
        if !word.isEmpty { words.append(word) }
        word = ""
        if character != " " { words.append(String(character)) }
      }
    }
    if !word.isEmpty { words.append(word) }
    return words
  }

  // MARK: Lines

  private func lineStart(of position: Int) -> Int {
    var (lower, upper) = (0, lineStarts.count)
    while upper - lower > 1 {
      let middle = (lower + upper) / 2
      if lineStarts[middle] <= position { lower = middle } else { upper = middle }
    }
    return lineStarts.isEmpty ? 0 : lineStarts[lower]
  }

  /// Comments and attributes directly above a line belong to what begins there.
  private func withComments(_ start: Int) -> Int {
    var start = start
    for _ in 0..<400 where start > 0 {
      let previous = lineStart(of: start - 1)
      let line = bytes.trimmed(previous..<start)
      let text = bytes[line]
      guard !line.isEmpty,
        text.starts(with: "//".utf8) || text.starts(with: "/*".utf8) || text.starts(with: "*".utf8)
          || text.starts(with: "#[".utf8) || text.starts(with: "@".utf8)
          || text.suffix(2).elementsEqual("*/".utf8)
      else { return start }
      start = previous
    }
    return start
  }

  private mutating func skipLine(continued: Bool) {
    while index < bytes.count, bytes[index] != 10 {
      if continued, bytes[index] == UInt8(ascii: "\\"), index + 1 < bytes.count, bytes[index + 1] == 10 { index += 1 }
      index += 1
    }
  }

  // MARK: Comments and strings

  /// - Returns: whether there was one, which is behind `index` now.
  private mutating func skipCommentOrString() -> Bool {
    let byte = bytes[index]
    let next = index + 1 < bytes.count ? bytes[index + 1] : 0
    switch byte {
    case UInt8(ascii: "/") where next == byte:
      skipLine(continued: false)
    case UInt8(ascii: "/") where next == UInt8(ascii: "*"): skipBlockComment()
    case UInt8(ascii: "/") where language.name == "JavaScript" && beginsRegularExpression:
      skipRegularExpression()
      add(UInt8(ascii: "_"))
    case UInt8(ascii: "\""):
      if language.hasTripleQuotes, bytes[index...].starts(with: "\"\"\"".utf8) {
        skip(to: Array("\"\"\"".utf8), from: index + 3)
      } else {
        skipString(byte)
      }
      add(UInt8(ascii: "_"))
    case UInt8(ascii: "`") where language.hasBackquotes:
      skip(to: [byte], from: index + 1)
      add(UInt8(ascii: "_"))
    case UInt8(ascii: "'") where language.name != "Swift":
      guard isQuoted else { return false }
      skipString(byte)
      add(UInt8(ascii: "_"))
    default: return false
    }
    return true
  }

  /// A lifetime of Rust has no second quote, a digit separator of C++ stands in a number.
  private var isQuoted: Bool {
    if language.hasLongSingleQuotes { return true }
    if index > 0, bytes[index - 1].isIdentifier { return false }
    guard index + 2 < bytes.count else { return false }
    return bytes[index + 1] == UInt8(ascii: "\\") || bytes[index + 2] == UInt8(ascii: "'") || bytes[index + 1] >= 128
  }

  private mutating func skipString(_ quote: UInt8) {
    index += 1
    while index < bytes.count, bytes[index] != quote {
      // A string that its line does not end was none, such as an apostrophe in a text of JSX.
      if bytes[index] == 10 { return }
      index += bytes[index] == UInt8(ascii: "\\") ? 2 : 1
    }
    index = min(index + 1, bytes.count)
  }

  /// A slash after a value divides; after anything else it begins an expression.
  private var beginsRegularExpression: Bool {
    guard let last = head.last(where: { $0 != 32 }) else { return true }
    return "(,=:[!&|?+".utf8.contains(last)
  }

  private mutating func skipRegularExpression() {
    index += 1
    var inClass = false
    while index < bytes.count, bytes[index] != 10 {
      switch bytes[index] {
      case UInt8(ascii: "\\"): index += 1
      case UInt8(ascii: "["): inClass = true
      case UInt8(ascii: "]"): inClass = false
      case UInt8(ascii: "/") where !inClass:
        index += 1
        return
      default: break
      }
      index += 1
    }
    index = min(index, bytes.count)
  }

  private mutating func skip(to end: [UInt8], from start: Int) {
    index = start
    while index < bytes.count {
      if bytes[index] == UInt8(ascii: "\\") {
        index += 2
      } else if bytes[index] == end[0], bytes[index...].starts(with: end) {
        index += end.count
        return
      } else {
        index += 1
      }
    }
    index = bytes.count
  }

  private mutating func skipBlockComment() {
    var depth = 0
    while index < bytes.count {
      if bytes[index] == UInt8(ascii: "/"), index + 1 < bytes.count, bytes[index + 1] == UInt8(ascii: "*") {
        if depth == 0 || language.nestsComments { depth += 1 }
        index += 2
      } else if bytes[index] == UInt8(ascii: "*"), index + 1 < bytes.count, bytes[index + 1] == UInt8(ascii: "/") {
        depth -= 1
        index += 2
        if depth == 0 { return }
      } else {
        index += 1
      }
    }
  }
}
