// Owns cutting a parsed document into chunks. Knows nothing about files, embeddings or stores.
import StrataCore

/// Cuts along the structure of a document, under a hard bound on tokens.
///
/// Blocks under one heading are merged while they fit, in pieces of similar size; a block that does not fit is cut
/// between sentences; only a sentence that does not fit is cut between words, and a word as a last resort between
/// characters. Chunks do not overlap, and together they hold every block but the headings, which are in
/// ``DocumentChunk/headingPath`` (a heading with nothing below it is a chunk of its own).
public struct Chunker: Sendable {
  /// Part of the identity of a collection: another value means that everything has to be cut again.
  static let revision = 1

  /// Most tokens of a chunk's text, headings not counted.
  public var tokenLimit: Int
  private let countTokens: @Sendable (String) -> Int

  public init(tokenLimit: Int = 200, countTokens: @escaping @Sendable (String) -> Int) {
    self.tokenLimit = max(8, tokenLimit)
    self.countTokens = countTokens
  }

  /// No text has fewer tokens than this says, and bytes are cheap to count.
  private var byteLimit: Int { tokenLimit * 16 }

  public func chunks(of document: ParsedDocument) -> [DocumentChunk] {
    var state = State(bytes: Array(document.canonicalText.utf8))
    var headings: [(level: Int, title: String)] = []
    var bareHeading: DocumentBlock?
    for block in document.blocks {
      if case .heading(let level, let title) = block.kind {
        flush(&state)
        if let bare = bareHeading, case .heading(let bareLevel, _) = bare.kind, bareLevel >= level {
          emitHeading(bare, &state)
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
      state.section.append(block)
    }
    flush(&state)
    if let bareHeading { emitHeading(bareHeading, &state) }
    return state.chunks
  }

  private struct State {
    let bytes: [UInt8]
    var headingPath: [String] = []
    var page: Int?
    /// Blocks under the current heading, on the current page.
    var section: [DocumentBlock] = []
    var chunks: [DocumentChunk] = []

    func isOtherTable(_ block: DocumentBlock) -> Bool {
      block.kind == .tableHeader && !section.isEmpty && section.last?.kind != .paragraph
    }
  }

  /// What is never cut further: a block that fits, a sentence, or part of one.
  private struct Unit {
    var range: Range<Int>
    var tokens: Int
    /// Column names, when this is a table row.
    var columns: String?
  }

  private func emitHeading(_ block: DocumentBlock, _ state: inout State) {
    state.section = [DocumentBlock(.paragraph, block.range, page: block.page)]
    state.page = block.page
    let path = state.headingPath
    if case .heading(_, let title) = block.kind, let index = path.lastIndex(of: title) {
      state.headingPath = Array(path[..<index])
    }
    flush(&state)
    state.headingPath = path
  }

  // MARK: Merging

  private func flush(_ state: inout State) {
    defer { state.section.removeAll(keepingCapacity: true) }
    let units = state.section.flatMap { self.units(of: $0, state.bytes) }
    guard !units.isEmpty else { return }
    let total = units.reduce(0) { $0 + $1.tokens }
    let pieces = (total + tokenLimit - 1) / tokenLimit
    // Equal pieces rather than full ones and a rest.
    let target = pieces <= 1 ? tokenLimit : min(tokenLimit, total / pieces + tokenLimit / 10)
    var start = 0
    while start < units.count {
      var end = start + 1
      var tokens = units[start].tokens
      while end < units.count, tokens + units[end].tokens <= tokenLimit, tokens < target,
        units[end].range.upperBound - units[start].range.lowerBound <= byteLimit,
        end + 1 == units.count || tokens + units[end].tokens <= target || tokens * 2 < target
      {
        tokens += units[end].tokens
        end += 1
      }
      // Counting parts one by one misses what lies between them; the bound is on the whole.
      while end > start + 1, countTokens(text(units[start..<end], state.bytes)) > tokenLimit { end -= 1 }
      emit(units[start..<end], &state)
      start = end
    }
  }

  private func text(_ units: ArraySlice<Unit>, _ bytes: [UInt8]) -> String {
    guard let first = units.first, let last = units.last else { return "" }
    return bytes.text(first.range.lowerBound..<last.range.upperBound)
  }

  private func emit(_ units: ArraySlice<Unit>, _ state: inout State) {
    guard let first = units.first, let last = units.last else { return }
    let range = first.range.lowerBound..<last.range.upperBound
    var path = state.headingPath
    if let columns = first.columns, !columns.isEmpty { path.append(columns) }
    state.chunks.append(
      DocumentChunk(range: range, text: state.bytes.text(range), headingPath: path, page: state.page))
  }

  // MARK: Cutting

  private func units(of block: DocumentBlock, _ bytes: [UInt8]) -> [Unit] {
    var columns: String?
    if case .tableRow(let header) = block.kind { columns = header }
    if block.range.count <= byteLimit {
      let tokens = countTokens(bytes.text(block.range))
      if tokens <= tokenLimit { return [Unit(range: block.range, tokens: tokens, columns: columns)] }
    }
    let parts: [Range<Int>]
    switch block.kind {
    case .code, .tableHeader, .tableRow: parts = lines(bytes, in: block.range)
    default: parts = SentenceSplitter.sentences(bytes, in: block.range)
    }
    return parts.flatMap { pieces($0, bytes) }.map { Unit(range: $0.range, tokens: $0.tokens, columns: columns) }
  }

  private func lines(_ bytes: [UInt8], in range: Range<Int>) -> [Range<Int>] {
    var lines: [Range<Int>] = []
    var start = range.lowerBound
    for index in range where bytes[index] == 10 {
      lines.append(start..<index)
      start = index + 1
    }
    lines.append(start..<range.upperBound)
    return lines.map { bytes.trimmed($0) }.filter { !$0.isEmpty }
  }

  /// Cuts a sentence between words until each piece fits.
  private func pieces(_ sentence: Range<Int>, _ bytes: [UInt8]) -> [(range: Range<Int>, tokens: Int)] {
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
