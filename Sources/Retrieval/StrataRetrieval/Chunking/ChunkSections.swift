// Owns what all chunkers share: a document as sections of units that fit, and the chunk that some of them make.
// Decides nothing about which units belong together.
import StrataCore

/// What is never cut further: a block that fits, a line of one that does not, a sentence, or part of one.
struct ChunkUnit: Sendable {
  /// What a text is made of, from the whole to the parts.
  enum Level: Int, Sendable, Comparable {
    case block, line, sentence

    static func < (a: Level, b: Level) -> Bool { a.rawValue < b.rawValue }
  }

  /// UTF-8 byte range in the canonical text.
  var range: Range<Int>
  var tokens: Int
  /// Column names of a table row, or the name of a named part.
  var columns: String?
  /// What it is itself.
  var level = Level.block
  /// What begins with it: the first sentence of a block begins the block.
  var begins = Level.block
}

/// Units that one chunk may hold together: under one heading, on one page, of one table.
struct ChunkSection: Sendable {
  var headingPath: [String]
  var page: Int?
  var units: [ChunkUnit]

  /// The chunk from the first of `units` to the last.
  func chunk(_ units: some Collection<ChunkUnit>, _ bytes: [UInt8]) -> DocumentChunk? {
    guard let first = units.first else { return nil }
    let range = first.range.lowerBound..<units.reduce(first.range.upperBound) { max($0, $1.range.upperBound) }
    var path = headingPath
    if let columns = first.columns, !columns.isEmpty { path.append(columns) }
    return DocumentChunk(range: range, text: bytes.text(range), headingPath: path, page: page)
  }
}

/// Cuts a document into sections, and these into units of at most `tokenLimit` tokens.
struct ChunkSectionReader: Sendable {
  enum Grain: Sendable {
    /// Whole blocks where they fit, sentences where not.
    case blocks
    case sentences
  }

  var tokenLimit: Int
  var grain: Grain
  let countTokens: @Sendable (String) -> Int

  /// No text has fewer tokens than this says, and bytes are cheap to count.
  var byteLimit: Int { tokenLimit * 16 }

  func sections(of document: ParsedDocument, _ bytes: [UInt8]) -> [ChunkSection] {
    var state = State(bytes: bytes)
    var headings: [(level: Int, title: String)] = []
    var bareHeading: DocumentBlock?
    for block in document.blocks {
      if case .heading(let level, let title) = block.kind {
        flush(&state)
        if let bare = bareHeading, case .heading(let bareLevel, _) = bare.kind, bareLevel >= level {
          addHeading(bare, &state)
        }
        while let last = headings.last, last.level >= level { headings.removeLast() }
        headings.append((level, title))
        state.headingPath = headings.map(\.title)
        bareHeading = block
        continue
      }
      bareHeading = nil
      if block.page != state.page || state.isOtherTable(block) { flush(&state) }
      state.page = block.page
      state.blocks.append(block)
    }
    flush(&state)
    if let bareHeading { addHeading(bareHeading, &state) }
    return state.sections
  }

  private struct State {
    let bytes: [UInt8]
    var headingPath: [String] = []
    var page: Int?
    /// Blocks under the current heading, on the current page.
    var blocks: [DocumentBlock] = []
    var sections: [ChunkSection] = []

    func isOtherTable(_ block: DocumentBlock) -> Bool {
      block.kind == .tableHeader && !blocks.isEmpty && blocks.last?.kind != .paragraph
    }
  }

  private func flush(_ state: inout State) {
    defer { state.blocks.removeAll(keepingCapacity: true) }
    let units = state.blocks.flatMap { self.units(of: $0, state.bytes) }
    guard !units.isEmpty else { return }
    state.sections.append(ChunkSection(headingPath: state.headingPath, page: state.page, units: units))
  }

  /// A heading with nothing below it is a section of its own, under the headings above it.
  private func addHeading(_ block: DocumentBlock, _ state: inout State) {
    state.blocks = [DocumentBlock(.paragraph, block.range, page: block.page)]
    state.page = block.page
    let path = state.headingPath
    if case .heading(_, let title) = block.kind, let index = path.lastIndex(of: title) {
      state.headingPath = Array(path[..<index])
    }
    flush(&state)
    state.headingPath = path
  }

  /// As many of the first `units` as are at most `tokenLimit` tokens together, and at least one: counting parts one by
  /// one misses what lies between them.
  func fitting(_ units: ArraySlice<ChunkUnit>, _ bytes: [UInt8]) -> ArraySlice<ChunkUnit> {
    var units = units
    while units.count > 1, let first = units.first, let last = units.last,
      countTokens(bytes.text(first.range.lowerBound..<last.range.upperBound)) > tokenLimit
    {
      units.removeLast()
    }
    return units
  }

  // MARK: Cutting

  private func units(of block: DocumentBlock, _ bytes: [UInt8]) -> [ChunkUnit] {
    var columns: String?
    switch block.kind {
    case .tableRow(let name), .entry(let name): columns = name
    default: break
    }
    func whole(_ range: Range<Int>, _ level: ChunkUnit.Level, begins: ChunkUnit.Level) -> ChunkUnit? {
      guard range.count <= byteLimit else { return nil }
      let tokens = countTokens(bytes.text(range))
      guard tokens <= tokenLimit else { return nil }
      return ChunkUnit(range: range, tokens: tokens, columns: columns, level: level, begins: begins)
    }
    let isSplit = grain == .sentences && (block.kind == .paragraph || block.kind == .listItem)
    if !isSplit, let unit = whole(block.range, .block, begins: .block) { return [unit] }
    let lines: [Range<Int>]
    let isProse: Bool
    switch block.kind {
    case .code, .entry, .tableHeader, .tableRow:
      lines = ChunkLines.all(bytes, in: block.range)
      isProse = false
    default:
      lines = ChunkLines.meant(bytes, in: block.range)
      isProse = true
    }
    return lines.enumerated().flatMap { number, line -> [ChunkUnit] in
      let begins = number == 0 ? ChunkUnit.Level.block : .line
      if !isSplit, let unit = whole(line, .line, begins: begins) { return [unit] }
      let sentences = isProse ? SentenceSplitter.sentences(bytes, in: line) : [line]
      return sentences.flatMap { pieces($0, bytes) }.enumerated().map { index, piece in
        ChunkUnit(
          range: piece.range, tokens: piece.tokens, columns: columns, level: .sentence,
          begins: index == 0 ? begins : .sentence)
      }
    }
  }

  /// Cuts a sentence between words until each piece fits.
  func pieces(_ sentence: Range<Int>, _ bytes: [UInt8]) -> [(range: Range<Int>, tokens: Int)] {
    var pieces: [(range: Range<Int>, tokens: Int)] = []
    var rest = sentence
    while !rest.isEmpty {
      var piece = rest.count <= byteLimit ? rest : cut(rest, at: rest.lowerBound + byteLimit, bytes)
      var tokens = countTokens(bytes.text(piece))
      while tokens > tokenLimit {
        // In proportion, with some reserve: two or three counts are enough.
        let length = max(1, min(piece.count - 1, piece.count * tokenLimit / tokens * 15 / 16))
        let shorter = cut(piece, at: piece.lowerBound + length, bytes)
        if shorter.count >= piece.count || shorter.isEmpty { break }
        piece = shorter
        tokens = countTokens(bytes.text(piece))
      }
      let trimmed = bytes.trimmed(piece)
      if !trimmed.isEmpty { pieces.append((trimmed, tokens)) }
      rest = piece.upperBound..<rest.upperBound
    }
    return pieces
  }

  /// `range` up to the last space before `limit`; without a space up to a character's boundary.
  private func cut(_ range: Range<Int>, at limit: Int, _ bytes: [UInt8]) -> Range<Int> {
    var end = min(limit, range.upperBound)
    let floor = range.lowerBound + (end - range.lowerBound) / 2
    var space = end
    while space > floor, !bytes[space - 1].isASCIISpace { space -= 1 }
    if space > floor { return range.lowerBound..<space }
    while end > range.lowerBound, end < bytes.count, bytes[end].isUTF8Continuation { end -= 1 }
    if end == range.lowerBound {
      // Not even one character fits: it goes whole.
      end += 1
      while end < range.upperBound, bytes[end].isUTF8Continuation { end += 1 }
    }
    return range.lowerBound..<end
  }
}
