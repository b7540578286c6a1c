// Owns chunks whose vectors know what stands around them. Cuts nothing itself.
import StrataCore

/// Late chunking (Günther et al. 2024): the encoder reads a chunk together with its neighbours, as much as its window
/// holds, and the chunk's vector is the mean over its own tokens only. The boundaries are the structural ones.
///
/// Deviation: the paper encodes whole documents once; here each chunk stands in the middle of a window of its own, since
/// the window of a small encoder holds few chunks and those at its edges would see one side only.
struct LateChunker: DocumentChunker {
  let structural: StructuralChunker
  let embedder: any TokenEmbedder

  init(tokenLimit: Int, embedder: any TokenEmbedder) {
    structural = StructuralChunker(tokenLimit: tokenLimit) { embedder.countTokens($0) }
    self.embedder = embedder
  }

  func chunks(of document: ParsedDocument) async throws -> [DocumentChunk] {
    var chunks = structural.chunks(of: document)
    let parts = chunks.map { embedder.countTokens($0.text) }
    var windows: [(text: String, own: Range<Int>)] = []
    for index in chunks.indices {
      let context = DocumentChunk.context(title: document.title, headingPath: chunks[index].headingPath)
      windows.append(window(at: index, chunks, parts, context: context))
    }
    let states = try await embedder.embedTokens(windows.map(\.text))
    for (index, state) in states.enumerated() where state.tokens.count >= windows[index].own.upperBound {
      chunks[index].vector = state.mean(windows[index].own)
    }
    return chunks
  }

  /// The chunk with what fits on either side, and which tokens are the chunk's own.
  private func window(
    at index: Int, _ chunks: [DocumentChunk], _ parts: [Int], context: String
  ) -> (text: String, own: Range<Int>) {
    var before: [String] = []
    var after: [String] = []
    var ownStart = 0
    var total = parts[index]
    let contextTokens = embedder.countTokens(context)
    if !context.isEmpty, total + contextTokens <= embedder.maxTokens {
      total += contextTokens
      ownStart += contextTokens
    }
    let hasContext = ownStart > 0
    var first = index
    var last = index
    while true {
      let fitsBefore = first > 0 && total + parts[first - 1] <= embedder.maxTokens
      if fitsBefore {
        first -= 1
        before.insert(chunks[first].text, at: 0)
        total += parts[first]
        ownStart += parts[first]
      }
      let fitsAfter = last + 1 < chunks.count && total + parts[last + 1] <= embedder.maxTokens
      if fitsAfter {
        last += 1
        after.append(chunks[last].text)
        total += parts[last]
      }
      if !fitsBefore, !fitsAfter { break }
    }
    let text = ((hasContext ? [context] : []) + before + [chunks[index].text] + after).joined(separator: "\n")
    return (text, ownStart..<(ownStart + parts[index]))
  }
}

extension TokenVectors {
  /// The normalized mean over some of the tokens; nil when they cancel out.
  func mean(_ range: Range<Int>) -> [Float]? {
    var sum = [Float](repeating: 0, count: dimension)
    for token in range {
      for index in 0..<dimension { sum[index] += values[token * dimension + index] * lengths[token] }
    }
    let length = sum.reduce(0) { $0 + $1 * $1 }.squareRoot()
    guard length > 0, length.isFinite else { return nil }
    return sum.map { $0 / length }
  }
}
