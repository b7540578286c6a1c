// Owns the cut into windows of equal length, the baseline that other ways are measured against.
import StrataCore

/// Windows of at most `tokenLimit` tokens, cut between words; neighbours share `overlap` tokens.
package struct FixedWindowChunker: DocumentChunker {
  let tokenLimit: Int
  let overlap: Int
  let countTokens: @Sendable (String) -> Int

  package init(tokenLimit: Int, overlap: Int, countTokens: @escaping @Sendable (String) -> Int) {
    self.tokenLimit = tokenLimit
    // A window must bring something new.
    self.overlap = min(overlap, tokenLimit * 3 / 4)
    self.countTokens = countTokens
  }

  package func chunks(of document: ParsedDocument) -> [DocumentChunk] {
    let bytes = Array(document.canonicalText.utf8)
    let reader = ChunkSectionReader(tokenLimit: tokenLimit, grain: .sentences, countTokens: countTokens)
    let words = self.words(bytes).flatMap { reader.pieces($0, bytes) }
    var chunks: [DocumentChunk] = []
    var start = 0
    while start < words.count {
      var end = start
      var tokens = 0
      while end < words.count, end == start || tokens + words[end].tokens <= tokenLimit {
        tokens += words[end].tokens
        end += 1
      }
      let range = words[start].range.lowerBound..<words[end - 1].range.upperBound
      chunks.append(DocumentChunk(range: range, text: bytes.text(range), page: page(at: range.lowerBound, document)))
      guard end < words.count else { break }
      var next = end
      var shared = 0
      while next - 1 > start, shared + words[next - 1].tokens <= overlap {
        next -= 1
        shared += words[next].tokens
      }
      start = next
    }
    return chunks
  }

  private func words(_ bytes: [UInt8]) -> [Range<Int>] {
    var words: [Range<Int>] = []
    var start: Int?
    for index in bytes.indices {
      if bytes[index].isASCIISpace {
        if let open = start { words.append(open..<index) }
        start = nil
      } else if start == nil {
        start = index
      }
    }
    if let start { words.append(start..<bytes.count) }
    return words
  }

  private func page(at offset: Int, _ document: ParsedDocument) -> Int? {
    document.blocks.last { $0.range.lowerBound <= offset }?.page
  }
}
