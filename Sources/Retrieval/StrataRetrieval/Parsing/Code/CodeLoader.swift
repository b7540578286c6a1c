// Owns source code: the text stays the file's own bytes; blocks are declarations, named by their path such as
// `Parser.parse`.

struct CodeLoader {
  let language: CodeLanguage

  func load(_ text: String, path: String) -> ParsedDocument {
    let bytes = Array(text.utf8)
    let declarations =
      switch language.shape {
      case .braces: BraceScanner(bytes, language).scan()
      case .indentation: IndentationScanner(bytes, language).scan()
      }
    return ParsedDocument(
      canonicalText: text, title: path.split(separator: "/").last.map(String.init) ?? path,
      blocks: CodeBlocks(bytes: bytes, declarations: declarations).blocks(), mediaType: "text/plain")
  }
}

/// A function or type: its lines, comments above it included.
struct CodeDeclaration: Hashable {
  /// Of whole lines.
  var range: Range<Int>
  /// `Parser.parse`.
  var path: String
  /// Its body holds declarations, which follow as declarations of their own.
  var isContainer: Bool
}

/// Turns nested declarations into blocks that do not overlap.
private struct CodeBlocks {
  let bytes: [UInt8]
  /// By start; an outer one before those inside it.
  let declarations: [CodeDeclaration]
  /// A run of statements longer than this is cut at an empty line.
  private static let runByteCount = 2_000

  func blocks() -> [DocumentBlock] {
    var blocks: [DocumentBlock] = []
    // The open containers; what stands in them outside functions is theirs.
    var open: [CodeDeclaration] = []
    var position = bytes.starts(with: [0xEF, 0xBB, 0xBF]) ? 3 : 0
    func fill(to end: Int) {
      for range in runs(position..<max(position, end)) {
        blocks.append(DocumentBlock(open.last.map { .entry(path: $0.path) } ?? .code, range))
      }
      position = max(position, end)
    }
    for declaration in declarations where declaration.range.lowerBound >= position {
      while let last = open.last, last.range.upperBound <= declaration.range.lowerBound {
        fill(to: last.range.upperBound)
        open.removeLast()
      }
      fill(to: declaration.range.lowerBound)
      if declaration.isContainer {
        open.append(declaration)
      } else {
        let trimmed = trimmedLines(declaration.range)
        if !trimmed.isEmpty { blocks.append(DocumentBlock(.entry(path: declaration.path), trimmed)) }
        position = declaration.range.upperBound
      }
    }
    while let last = open.popLast() {
      open.append(last)
      fill(to: last.range.upperBound)
      open.removeLast()
    }
    fill(to: bytes.count)
    return blocks
  }

  /// `range` without empty lines at either end; the first line keeps its indentation only if it shares it with others.
  private func trimmedLines(_ range: Range<Int>) -> Range<Int> { bytes.trimmed(range) }

  /// Cuts what is no function at empty lines, into parts of some size.
  private func runs(_ range: Range<Int>) -> [Range<Int>] {
    var runs: [Range<Int>] = []
    for paragraph in PlainTextLoader.paragraphs(bytes, in: range) {
      // A closing brace alone says nothing.
      guard paragraph.contains(where: { bytes[$0].isIdentifier }) else { continue }
      if let last = runs.last, paragraph.upperBound - last.lowerBound <= Self.runByteCount {
        runs[runs.count - 1] = last.lowerBound..<paragraph.upperBound
      } else {
        runs.append(paragraph)
      }
    }
    return runs
  }
}

extension UInt8 {
  /// A letter, digit or underscore, or part of a letter outside ASCII.
  var isIdentifier: Bool {
    (65...90).contains(self) || (97...122).contains(self) || (48...57).contains(self) || self == 95 || self >= 128
  }
}
