// Owns the cut along the structure of a document. Knows nothing about files, embeddings or stores.
import StrataCore

/// Cuts along the structure of a document, under a hard bound on tokens.
///
/// A chunk is as many whole blocks under one heading as fit, or part of one block: never the end of one and the
/// beginning of the next. A block that does not fit is cut between its lines, a line that does not fit between
/// sentences, only a sentence that does not fit between words, and a word as a last resort between characters; at each
/// of these levels the same holds. Only scraps, which say too little to be found or read alone, are joined to what
/// stands beside them. Chunks do not overlap, and together they hold every block but the headings, which are in
/// ``DocumentChunk/headingPath`` (a heading with nothing below it is a chunk of its own).
package struct StructuralChunker: DocumentChunker {
  let reader: ChunkSectionReader

  /// Chunks of fewer tokens are scraps.
  private var tokenFloor: Int { reader.tokenLimit / 8 }

  package init(tokenLimit: Int, countTokens: @escaping @Sendable (String) -> Int) {
    reader = ChunkSectionReader(tokenLimit: tokenLimit, grain: .blocks, countTokens: countTokens)
  }

  package func chunks(of document: ParsedDocument) -> [DocumentChunk] {
    let bytes = Array(document.canonicalText.utf8)
    return reader.sections(of: document, bytes).flatMap { section in
      var chunks: [ArraySlice<ChunkUnit>] = []
      for next in runs(section.units).flatMap({ filled($0, bytes) }) {
        if let last = chunks.last, min(tokens(last), tokens(next)) < tokenFloor,
          fits(section.units[last.startIndex..<next.endIndex], bytes)
        {
          chunks[chunks.count - 1] = section.units[last.startIndex..<next.endIndex]
        } else {
          chunks.append(next)
        }
      }
      return chunks.compactMap { section.chunk($0, bytes) }
    }
  }

  /// Neighbours of one level that are parts of the same.
  private func runs(_ units: [ChunkUnit]) -> [ArraySlice<ChunkUnit>] {
    var runs: [ArraySlice<ChunkUnit>] = []
    var start = 0
    for index in units.indices.dropFirst() {
      let unit = units[index]
      if unit.level != units[index - 1].level || unit.begins < unit.level {
        runs.append(units[start..<index])
        start = index
      }
    }
    if start < units.count { runs.append(units[start...]) }
    return runs
  }

  /// Each as full as it can be; the last takes from the one before it when it would be a scrap.
  private func filled(_ run: ArraySlice<ChunkUnit>, _ bytes: [UInt8]) -> [ArraySlice<ChunkUnit>] {
    var chunks: [ArraySlice<ChunkUnit>] = []
    var rest = run
    while !rest.isEmpty {
      let chunk = fitting(rest, bytes)
      chunks.append(chunk)
      rest = rest[chunk.endIndex...]
    }
    guard chunks.count > 1, let last = chunks.last, tokens(last) < tokenFloor else { return chunks }
    let start = chunks[chunks.count - 2].startIndex
    var border = last.startIndex
    while border - start > 1, case let longer = run[(border - 1)..<last.endIndex],
      tokens(longer) < tokens(run[start..<border]), fits(longer, bytes)
    {
      border -= 1
    }
    return chunks.dropLast(2) + [run[start..<border], run[border..<last.endIndex]]
  }

  /// As many of the first `units` as fit together, and at least one.
  private func fitting(_ units: ArraySlice<ChunkUnit>, _ bytes: [UInt8]) -> ArraySlice<ChunkUnit> {
    var end = units.startIndex
    var total = 0
    while end < units.endIndex, end == units.startIndex || total + units[end].tokens <= reader.tokenLimit,
      end == units.startIndex || length(units[units.startIndex...end]) <= reader.byteLimit
    {
      total += units[end].tokens
      end += 1
    }
    return reader.fitting(units[units.startIndex..<end], bytes)
  }

  private func fits(_ units: ArraySlice<ChunkUnit>, _ bytes: [UInt8]) -> Bool {
    fitting(units, bytes).endIndex == units.endIndex
  }

  private func tokens(_ units: ArraySlice<ChunkUnit>) -> Int { units.reduce(0) { $0 + $1.tokens } }

  private func length(_ units: ArraySlice<ChunkUnit>) -> Int {
    guard let first = units.first, let last = units.last else { return 0 }
    return last.range.upperBound - first.range.lowerBound
  }
}
