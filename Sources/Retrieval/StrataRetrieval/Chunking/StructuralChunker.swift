// Owns the cut along the structure of a document. Knows nothing about files, embeddings or stores.
import StrataCore

/// Cuts along the structure of a document, under a hard bound on tokens.
///
/// Blocks under one heading are merged while they fit, in pieces of similar size; a block that does not fit is cut
/// between sentences; only a sentence that does not fit is cut between words, and a word as a last resort between
/// characters. Chunks do not overlap, and together they hold every block but the headings, which are in
/// ``DocumentChunk/headingPath`` (a heading with nothing below it is a chunk of its own).
package struct StructuralChunker: DocumentChunker {
  let reader: ChunkSectionReader

  private var tokenLimit: Int { reader.tokenLimit }

  package init(tokenLimit: Int, countTokens: @escaping @Sendable (String) -> Int) {
    reader = ChunkSectionReader(tokenLimit: tokenLimit, grain: .blocks, countTokens: countTokens)
  }

  package func chunks(of document: ParsedDocument) -> [DocumentChunk] {
    let bytes = Array(document.canonicalText.utf8)
    return reader.sections(of: document, bytes).flatMap { merged($0, bytes) }
  }

  private func merged(_ section: ChunkSection, _ bytes: [UInt8]) -> [DocumentChunk] {
    let units = section.units
    var chunks: [DocumentChunk] = []
    let total = units.reduce(0) { $0 + $1.tokens }
    let pieces = (total + tokenLimit - 1) / tokenLimit
    // Equal pieces rather than full ones and a rest.
    let target = pieces <= 1 ? tokenLimit : min(tokenLimit, total / pieces + tokenLimit / 10)
    var start = 0
    while start < units.count {
      var end = start + 1
      var tokens = units[start].tokens
      while end < units.count, tokens + units[end].tokens <= tokenLimit, tokens < target,
        units[end].range.upperBound - units[start].range.lowerBound <= reader.byteLimit,
        end + 1 == units.count || tokens + units[end].tokens <= target || tokens * 2 < target
      {
        tokens += units[end].tokens
        end += 1
      }
      end = reader.fitting(units[start..<end], bytes).endIndex
      if let chunk = section.chunk(units[start..<end], bytes) { chunks.append(chunk) }
      start = end
    }
    return chunks
  }
}
