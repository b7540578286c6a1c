// Owns HTML: the main text of a page as canonical text with blocks.

struct HTMLLoader {
  /// False takes the whole page, which is right for e-mail: it has no navigation around its text.
  var mainTextOnly = true

  func load(_ bytes: [UInt8], path: String) throws -> ParsedDocument {
    let tree = try HTMLTree(bytes, path: path)
    let main = HTMLMainText(tree, wholePage: !mainTextOnly)
    var writer = HTMLTextWriter(tree: tree, excluded: main.excluded, quotesReplies: !mainTextOnly)
    for root in main.roots { writer.write(root) }
    guard !writer.blocks.isEmpty else {
      throw RetrievalError.noText(
        "The page has no text.", remedy: "Pages that scripts fill must be saved after they are shown.", path: path)
    }
    return ParsedDocument(
      canonicalText: String(decoding: writer.output, as: UTF8.self), title: title(tree, writer.blocks, path: path),
      blocks: writer.blocks, mediaType: "text/html", metadata: tree.metadata)
  }

  /// What the page calls itself, preferring the heading that readers see.
  private func title(_ tree: HTMLTree, _ blocks: [DocumentBlock], path: String) -> String {
    for block in blocks { if case .heading(1, let title) = block.kind { return title } }
    for node in tree.nodes where node.tag == "meta" && node.key == "og:title" && !node.value.isEmpty {
      return node.value
    }
    if let index = tree.nodes.firstIndex(where: { $0.tag == "title" }) {
      let text = (index..<tree.nodes[index].end).map { tree.nodes[$0].text }.joined()
      let words = text.split(whereSeparator: \.isWhitespace).joined(separator: " ")
      if !words.isEmpty { return words }
    }
    return DocumentFormat.title(fromPath: path)
  }
}

/// Writes kept nodes as text: blocks separated by an empty line, white space collapsed, cells separated by bars.
private struct HTMLTextWriter {
  let tree: HTMLTree
  let excluded: [Bool]
  /// In e-mail, `blockquote` is what a reply repeats.
  let quotesReplies: Bool
  private(set) var output: [UInt8] = []
  private(set) var blocks: [DocumentBlock] = []

  /// The block being written.
  private var current: [UInt8] = []
  private var pendingSpace = false
  private var isPreformatted = false
  private var tableHeader = ""

  init(tree: HTMLTree, excluded: [Bool], quotesReplies: Bool) {
    self.tree = tree
    self.excluded = excluded
    self.quotesReplies = quotesReplies
  }

  mutating func write(_ root: Int) {
    // The open block elements, innermost last; each ends where its subtree ends.
    var open: [Int] = []
    var index = root
    while index < tree.nodes[root].end {
      while let last = open.last, tree.nodes[last].end <= index {
        close(last, open)
        open.removeLast()
      }
      let node = tree.nodes[index]
      if excluded[index] {
        index = max(index + 1, node.isText ? index + 1 : node.end)
        continue
      }
      if node.isText {
        append(node.text)
      } else if node.tag == "br" {
        lineBreak()
      } else if node.tag == "tr", isDataRow(index) {
        flush(within: open)
        writeRow(index)
        index = node.end
        continue
      } else if HTMLMainText.blockTags.contains(node.tag) {
        flush(within: open)
        open.append(index)
        if node.tag == "pre" { isPreformatted = true }
        if node.tag == "table" { tableHeader = "" }
      }
      index += 1
    }
    while let last = open.popLast() { close(last, open + [last]) }
    flush(.paragraph)
  }

  private mutating func close(_ index: Int, _ open: [Int]) {
    flush(within: open)
    if tree.nodes[index].tag == "pre" { isPreformatted = false }
  }

  /// Looks at the open elements only when there is text: pages may be nested ten thousand deep.
  private mutating func flush(within open: [Int]) {
    if !current.isEmpty { flush(kind(of: open)) }
    pendingSpace = false
  }

  private func kind(of open: [Int]) -> DocumentBlock.Kind {
    for index in open.reversed() {
      let tag = tree.nodes[index].tag
      switch tag {
      case "h1", "h2", "h3", "h4", "h5", "h6":
        return .heading(level: Int(tag.dropFirst()) ?? 1, title: "")
      case "li", "dd", "dt": return .listItem
      case "pre": return .code
      case "blockquote" where quotesReplies: return .quote
      default: continue
      }
    }
    return .paragraph
  }

  // MARK: Tables

  private static let tooLargeForCells: Set<String> = [
    "table", "ul", "ol", "h1", "h2", "h3", "pre", "blockquote", "article", "section",
  ]

  /// Layout tables hold whole pages in their cells; data rows hold words.
  private func isDataRow(_ row: Int) -> Bool {
    var cells = 0
    var index = row + 1
    while index < tree.nodes[row].end {
      let tag = tree.nodes[index].tag
      if tag == "td" || tag == "th" { cells += 1 }
      if Self.tooLargeForCells.contains(tag) { return false }
      index += 1
    }
    return cells > 1
  }

  private mutating func writeRow(_ row: Int) {
    var cells: [[UInt8]] = []
    var isHeader = true
    for index in row + 1..<max(row + 1, tree.nodes[row].end) where !excluded[index] {
      let node = tree.nodes[index]
      if node.tag == "td" || node.tag == "th" {
        cells.append(current)
        current = []
        pendingSpace = false
        if node.tag == "td" { isHeader = false }
      } else if node.isText {
        append(node.text)
      } else if HTMLMainText.blockTags.contains(node.tag) || node.tag == "br" {
        pendingSpace = true
      }
    }
    cells.append(current)
    current = []
    pendingSpace = false
    let texts = cells.dropFirst().map { String(decoding: $0, as: UTF8.self) }
    guard texts.contains(where: { !$0.isEmpty }) else { return }
    current = Array(texts.joined(separator: " | ").utf8)
    if isHeader, texts.count > 1 {
      tableHeader = CSVLoader.shortened(texts.filter { !$0.isEmpty }.joined(separator: ", "))
      flush(.tableHeader)
    } else {
      flush(.tableRow(header: tableHeader))
    }
  }

  // MARK: Text

  private mutating func append(_ text: String) {
    if isPreformatted {
      current += text.utf8
      return
    }
    for scalar in text.unicodeScalars {
      if scalar.properties.isWhitespace {
        pendingSpace = true
        continue
      }
      // Soft hyphens and zero-width signs are for typesetting.
      if scalar.value == 0xAD || scalar.value == 0x200B || scalar.value == 0xFEFF { continue }
      if pendingSpace, let last = current.last, last != 10 { current.append(32) }
      pendingSpace = false
      current += String(scalar).utf8
    }
  }

  private mutating func lineBreak() {
    if !current.isEmpty { current.append(10) }
    pendingSpace = false
  }

  private mutating func flush(_ kind: DocumentBlock.Kind) {
    defer {
      current.removeAll(keepingCapacity: true)
      pendingSpace = false
    }
    let trimmed = current.trimmed(0..<current.count)
    guard !trimmed.isEmpty else { return }
    var kind = kind
    if case .heading(let level, _) = kind {
      let words = current.text(trimmed).split(whereSeparator: \.isWhitespace)
      kind = .heading(level: level, title: words.joined(separator: " "))
    }
    if !output.isEmpty { output += kind.isTable && blocks.last?.kind.isTable == true ? [10] : [10, 10] }
    let start = output.count
    output += current[trimmed]
    blocks.append(DocumentBlock(kind, start..<output.count))
  }
}
