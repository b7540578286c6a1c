// Owns the cut into sentences that are found alone and read with their neighbours.
import StrataCore

/// One chunk for each sentence: its vector is the sentence's, its text the sentence with `sentencesAround` more on either
/// side, as far as they fit and stand under the same heading.
struct SentenceWindowChunker: DocumentChunker {
  let reader: ChunkSectionReader
  let sentencesAround: Int
  /// Without one, windows are found by their words.
  let embedder: (any Embedder)?

  init(
    tokenLimit: Int, sentencesAround: Int, embedder: (any Embedder)?, countTokens: @escaping @Sendable (String) -> Int
  ) {
    reader = ChunkSectionReader(tokenLimit: tokenLimit, grain: .sentences, countTokens: countTokens)
    self.sentencesAround = min(sentencesAround, 16)
    self.embedder = embedder
  }

  func chunks(of document: ParsedDocument) async throws -> [DocumentChunk] {
    let bytes = Array(document.canonicalText.utf8)
    var chunks: [DocumentChunk] = []
    var focuses: [String] = []
    for section in reader.sections(of: document, bytes) {
      for (index, unit) in section.units.enumerated() {
        guard let sentence = section.chunk([unit], bytes),
          let window = section.chunk(section.units[window(around: index, section.units, bytes)], bytes)
        else { continue }
        chunks.append(window)
        if let embedder { focuses.append(sentence.embeddedText(title: document.title, embedder: embedder)) }
      }
    }
    if let embedder {
      for (index, vector) in try await embedder.embed(focuses).enumerated() { chunks[index].vector = vector }
    }
    return chunks
  }

  /// One sentence more at either end in turn, for as long as that fits.
  private func window(around center: Int, _ units: [ChunkUnit], _ bytes: [UInt8]) -> Range<Int> {
    func fits(_ window: Range<Int>) -> Bool {
      guard window.lowerBound >= 0, window.upperBound <= units.count else { return false }
      let range = units[window.lowerBound].range.lowerBound..<units[window.upperBound - 1].range.upperBound
      return reader.countTokens(bytes.text(range)) <= reader.tokenLimit
    }
    var window = center..<(center + 1)
    for _ in 0..<sentencesAround {
      let later = window.lowerBound..<(window.upperBound + 1)
      if fits(later) { window = later }
      let earlier = (window.lowerBound - 1)..<window.upperBound
      if fits(earlier) { window = earlier }
    }
    return window
  }
}
