// Owns Markdown through cmark-gfm. The text stays the file's own bytes; cmark only says where the blocks are.
import CCMarkGFM

struct MarkdownLoader {
  /// cmark's time grows with depth × lines, so a file nested like this is no prose and is read as plain text.
  private static let nestingLimit = 64

  func load(_ text: String, path: String) throws -> ParsedDocument {
    let bytes = Array(text.utf8)
    let frontMatter = Self.frontMatter(bytes)
    let start = frontMatter.end
    guard bytes.count < Int(Int32.max), !Self.isNestedTooDeeply(bytes, from: start) else {
      return PlainTextLoader().load(text, path: path)
    }
    var reader = MarkdownBlockReader(bytes: bytes, start: start)
    try Self.withDocument(bytes, from: start, path: path) { reader.read($0) }
    let heading = reader.blocks.lazy.compactMap { block -> (Int, String)? in
      if case .heading(let level, let title) = block.kind { (level, title) } else { nil }
    }
    let title = frontMatter.title ?? heading.first { $0.0 == 1 }?.1 ?? heading.first?.1
    return ParsedDocument(
      canonicalText: text, title: title ?? DocumentFormat.title(fromPath: path), blocks: reader.blocks,
      mediaType: "text/markdown", metadata: FrontMatter.metadata(bytes.text(frontMatter.yaml)) ?? [:])
  }

  private static func withDocument(
    _ bytes: [UInt8], from start: Int, path: String, _ body: (OpaquePointer) -> Void
  ) throws {
    cmark_gfm_core_extensions_ensure_registered()
    guard let parser = cmark_parser_new(CMARK_OPT_DEFAULT) else {
      throw RetrievalError.parserFailed("The Markdown parser did not start.", path: path)
    }
    defer { cmark_parser_free(parser) }
    for name in ["table", "strikethrough", "tasklist"] {
      if let found = cmark_find_syntax_extension(name) { cmark_parser_attach_syntax_extension(parser, found) }
    }
    bytes[start...].withUnsafeBytes { buffer in
      cmark_parser_feed(parser, buffer.bindMemory(to: CChar.self).baseAddress, buffer.count)
    }
    guard let root = cmark_parser_finish(parser) else {
      throw RetrievalError.parserFailed("The Markdown parser gave no document.", path: path)
    }
    defer { cmark_node_free(root) }
    body(root)
  }

  private static func isNestedTooDeeply(_ bytes: [UInt8], from start: Int) -> Bool {
    bytes.lineRanges(from: start).contains { line in
      var markers = 0
      for byte in bytes[line] {
        if byte == 32 || byte == 9 { continue }
        guard ">-*+".utf8.contains(byte) else { break }
        markers += 1
        // A long run of one sign is a rule or an underline; only mixtures and `>` nest.
        if markers > nestingLimit { return bytes[line].contains(UInt8(ascii: ">")) || bytes[line].contains(32) }
      }
      return false
    }
  }

  /// Skips a byte order mark and a YAML block between `---` lines.
  private static func frontMatter(_ bytes: [UInt8]) -> (end: Int, yaml: Range<Int>, title: String?) {
    let start = bytes.starts(with: [0xEF, 0xBB, 0xBF]) ? 3 : 0
    guard bytes[start...].starts(with: "---\n".utf8) || bytes[start...].starts(with: "---\r\n".utf8) else {
      return (start, start..<start, nil)
    }
    var title: String?
    let lines = Array(bytes.prefix(start + 65536)).lineRanges(from: start)
    for (index, line) in lines.enumerated().dropFirst() {
      let text = bytes.text(bytes.trimmed(line))
      if text == "---" || text == "..." {
        let end = index + 1 < lines.count ? lines[index + 1].lowerBound : line.upperBound
        return (end, lines[1].lowerBound..<line.lowerBound, title)
      }
      if text.hasPrefix("title:") {
        let value = text.dropFirst(6).drop { $0 == " " || $0 == "\"" || $0 == "'" }
        let end = value.lastIndex { $0 != "\"" && $0 != "'" && $0 != " " }
        title = end.map { String(value[...$0]) }
      }
    }
    return (start, start..<start, nil)
  }
}

/// Walks cmark's tree and notes the byte range of each leaf block.
private struct MarkdownBlockReader {
  let bytes: [UInt8]
  let lines: [Range<Int>]
  var blocks: [DocumentBlock] = []
  /// Start of a list item of which no paragraph was seen yet.
  private var itemStart: Int?
  private var itemDepth = 0
  private var tableHeader = ""

  init(bytes: [UInt8], start: Int) {
    self.bytes = bytes
    lines = bytes.lineRanges(from: start)
  }

  mutating func read(_ root: OpaquePointer) {
    guard let iterator = cmark_iter_new(root) else { return }
    defer { cmark_iter_free(iterator) }
    while true {
      let event = cmark_iter_next(iterator)
      if event == CMARK_EVENT_DONE { return }
      guard let node = cmark_iter_get_node(iterator) else { return }
      if event == CMARK_EVENT_ENTER { enter(node, iterator) } else { exit(node) }
    }
  }

  private mutating func enter(_ node: OpaquePointer, _ iterator: OpaquePointer) {
    switch String(cString: cmark_node_get_type_string(node)) {
    case "heading":
      let level = Int(cmark_node_get_heading_level(node))
      append(.heading(level: max(1, level), title: plainText(of: node, iterator)), headingRange(of: node))
    case "paragraph":
      var range = self.range(of: node)
      if let itemStart, itemStart <= range.lowerBound { range = itemStart..<range.upperBound }
      append(itemDepth > 0 ? .listItem : .paragraph, range)
      itemStart = nil
    case "code_block", "html_block": append(.code, range(of: node))
    case "item", "tasklist":
      itemDepth += 1
      itemStart = range(of: node).lowerBound
    case "table_header":
      let line = self.line(of: node)
      tableHeader = cells(line)
      append(.tableHeader, line)
    case "table_row": append(.tableRow(header: tableHeader), line(of: node))
    default: break
    }
  }

  private mutating func exit(_ node: OpaquePointer) {
    let type = String(cString: cmark_node_get_type_string(node))
    if type == "item" || type == "tasklist" {
      itemDepth -= 1
      itemStart = nil
    }
  }

  /// Blocks come in order; a position that contradicts that is cut to what is left.
  private mutating func append(_ kind: DocumentBlock.Kind, _ range: Range<Int>) {
    let lower = max(range.lowerBound, blocks.last?.range.upperBound ?? 0)
    guard lower < range.upperBound else { return }
    let trimmed = bytes.trimmed(lower..<range.upperBound)
    if !trimmed.isEmpty { blocks.append(DocumentBlock(kind, trimmed)) }
  }

  private func line(of node: OpaquePointer) -> Range<Int> {
    let number = Int(cmark_node_get_start_line(node)) - 1
    return lines.indices.contains(number) ? lines[number] : bytes.count..<bytes.count
  }

  private func range(of node: OpaquePointer) -> Range<Int> {
    let first = Int(cmark_node_get_start_line(node)) - 1
    let last = min(max(first, Int(cmark_node_get_end_line(node)) - 1), lines.count - 1)
    guard lines.indices.contains(first), lines.indices.contains(last) else { return bytes.count..<bytes.count }
    let column = max(0, Int(cmark_node_get_start_column(node)) - 1)
    var lower = min(lines[first].lowerBound + column, lines[first].upperBound)
    while lower > lines[first].lowerBound, lower < bytes.count, bytes[lower].isUTF8Continuation { lower -= 1 }
    return lower..<max(lower, lines[last].upperBound)
  }

  /// Of headings with a line below them cmark may count the text that follows as well.
  private func headingRange(of node: OpaquePointer) -> Range<Int> {
    let range = self.range(of: node)
    guard range.lowerBound < bytes.count, bytes[range.lowerBound] != UInt8(ascii: "#") else {
      return range.lowerBound..<min(range.upperBound, line(of: node).upperBound)
    }
    var number = Int(cmark_node_get_start_line(node))
    while lines.indices.contains(number), lines[number].upperBound <= range.upperBound {
      // The underline may stand in a quotation or a list.
      let marks = bytes[bytes.trimmed(lines[number])].drop { $0 == UInt8(ascii: ">") || $0 == 32 }
      if let first = marks.first, "=-".utf8.contains(first), marks.allSatisfy({ $0 == first }) {
        return range.lowerBound..<lines[number].upperBound
      }
      number += 1
    }
    return range.lowerBound..<min(range.upperBound, line(of: node).upperBound)
  }

  private func cells(_ line: Range<Int>) -> String {
    let parts = bytes.text(line).split(separator: "|").map { part in
      String(part.drop { $0 == " " }.reversed().drop { $0 == " " }.reversed())
    }
    return CSVLoader.shortened(parts.filter { !$0.isEmpty }.joined(separator: ", "))
  }

  /// Reads on to the end of `heading`.
  private func plainText(of heading: OpaquePointer, _ iterator: OpaquePointer) -> String {
    var text = ""
    while true {
      let event = cmark_iter_next(iterator)
      guard event != CMARK_EVENT_DONE, let node = cmark_iter_get_node(iterator) else { break }
      if event == CMARK_EVENT_EXIT, node == heading { break }
      guard event == CMARK_EVENT_ENTER else { continue }
      switch cmark_node_get_type(node) {
      case CMARK_NODE_TEXT, CMARK_NODE_CODE:
        if let literal = cmark_node_get_literal(node) { text += String(cString: literal) }
      case CMARK_NODE_SOFTBREAK, CMARK_NODE_LINEBREAK: text += " "
      default: break
      }
    }
    return text
  }
}
