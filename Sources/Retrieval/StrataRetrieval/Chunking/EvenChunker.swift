// Owns the cut into pieces as alike in size as sentences allow. Knows nothing about files, embeddings or stores.
import StrataCore

/// Cuts each section into pieces of similar size, between sentences and rather between blocks than within them, by dynamic
/// programming over all places where it could be cut.
///
/// A search prefers long chunks, since they speak of more; where sizes vary, what it gives the reader is longer than the
/// mean, and less of it is the answer.
package struct EvenChunker: DocumentChunker {
  let reader: ChunkSectionReader

  /// What pieces aim at, as a share of the limit: full pieces would leave no room to move a border.
  private static let fill = 0.85
  /// The price of a border within a block: as much as being a third off the aim.
  private static let innerBorder = 0.1

  package init(tokenLimit: Int, countTokens: @escaping @Sendable (String) -> Int) {
    reader = ChunkSectionReader(tokenLimit: tokenLimit, grain: .sentences, countTokens: countTokens)
  }

  package func chunks(of document: ParsedDocument) -> [DocumentChunk] {
    let bytes = Array(document.canonicalText.utf8)
    return reader.sections(of: document, bytes).flatMap { section in
      let next = Self.plan(section.units, tokenLimit: reader.tokenLimit, byteLimit: reader.byteLimit)
      var chunks: [DocumentChunk] = []
      var start = 0
      while start < section.units.count {
        let end = reader.fitting(section.units[start..<next[start]], bytes).endIndex
        if let chunk = section.chunk(section.units[start..<end], bytes) { chunks.append(chunk) }
        start = end
      }
      return chunks
    }
  }

  /// For each unit that a piece might begin with, where the piece ends in the cheapest cut of all that follows.
  /// - Complexity: O(units × units of a piece).
  private static func plan(_ units: [ChunkUnit], tokenLimit: Int, byteLimit: Int) -> [Int] {
    let total = units.reduce(0) { $0 + $1.tokens }
    let count = max(1, (Double(total) / (fill * Double(tokenLimit))).rounded(.up))
    let aim = max(1, Double(total) / count)
    var next = [Int](repeating: units.count, count: units.count)
    var costs = [Double](repeating: 0, count: units.count + 1)
    for start in units.indices.reversed() {
      var tokens = 0
      var best = Double.infinity
      for end in (start + 1)...units.count {
        tokens += units[end - 1].tokens
        let isTooLong =
          tokens > tokenLimit || units[end - 1].range.upperBound - units[start].range.lowerBound > byteLimit
        if isTooLong, end > start + 1 { break }
        let off = (Double(tokens) - aim) / aim
        let border = end < units.count && !units[end].startsBlock ? innerBorder : 0
        let cost = off * off + border + costs[end]
        if cost < best {
          best = cost
          next[start] = end
        }
      }
      costs[start] = best
    }
    return next
  }
}
