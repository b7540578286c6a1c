// Owns cuts that follow meaning: sentences are embedded, and chunks end where they differ.
import StrataCore

/// Groups neighbouring sentences of a section by their vectors, never across headings, pages or tables, and never beyond
/// the limit of tokens.
struct SemanticChunker: DocumentChunker {
  enum Rule: Sendable {
    /// A cut where the distance between neighbours is among the document's largest (Kamradt 2023).
    case breakpoints
    /// The cuts that make chunks most similar within, by dynamic programming (Smith and Troynikov 2024).
    case clusters
  }

  let reader: ChunkSectionReader
  let rule: Rule
  let embedder: any Embedder

  /// A cut where this share of the document's distances is smaller.
  private static let percentile = 0.8
  /// Sentences on either side that a sentence's vector sees: single sentences are too short to compare.
  private static let buffer = 1

  init(tokenLimit: Int, rule: Rule, embedder: any Embedder) {
    reader = ChunkSectionReader(tokenLimit: tokenLimit, grain: .sentences) { embedder.countTokens($0) }
    self.rule = rule
    self.embedder = embedder
  }

  /// Chunks below this many tokens are not cut off for their meaning alone.
  private var tokenFloor: Int { reader.tokenLimit / 8 }

  func chunks(of document: ParsedDocument) async throws -> [DocumentChunk] {
    let bytes = Array(document.canonicalText.utf8)
    let sections = reader.sections(of: document, bytes)
    let vectors = try await vectors(of: sections, bytes)
    let threshold = rule == .breakpoints ? distanceThreshold(vectors) : 0
    let mean = rule == .clusters ? meanSimilarity(vectors) : 0
    var chunks: [DocumentChunk] = []
    for (section, vectors) in zip(sections, vectors) {
      let ends =
        rule == .breakpoints
        ? breakpoints(section.units, vectors, threshold: threshold)
        : clusters(section.units, vectors, mean: mean)
      var start = 0
      for end in ends {
        while start < end {
          let part = reader.fitting(section.units[start..<end], bytes)
          if let chunk = section.chunk(part, bytes) { chunks.append(chunk) }
          start = part.endIndex
        }
      }
    }
    return chunks
  }

  // MARK: Vectors

  private func vectors(of sections: [ChunkSection], _ bytes: [UInt8]) async throws -> [[[Float]]] {
    let around = rule == .breakpoints ? Self.buffer : 0
    let texts = sections.map { section in
      section.units.indices.map { index in
        let last = min(index + around, section.units.count - 1)
        let first = max(index - around, 0)
        return bytes.text(section.units[first].range.lowerBound..<section.units[last].range.upperBound)
      }
    }
    // Nothing to decide in a section of one unit.
    let asked = texts.filter { $0.count > 1 }.flatMap { $0 }
    let found = asked.isEmpty ? [] : try await embedder.embed(asked)
    var next = found.makeIterator()
    return texts.map { texts in texts.count > 1 ? texts.map { _ in next.next() ?? [] } : texts.map { _ in [] } }
  }

  private func similarity(_ a: [Float], _ b: [Float]) -> Float { zip(a, b).reduce(0) { $0 + $1.0 * $1.1 } }

  // MARK: Breakpoints

  private func distanceThreshold(_ vectors: [[[Float]]]) -> Float {
    let distances = vectors.flatMap { zip($0, $0.dropFirst()).map { 1 - similarity($0, $1) } }.sorted()
    guard !distances.isEmpty else { return 0 }
    return distances[min(distances.count - 1, Int(Double(distances.count) * Self.percentile))]
  }

  /// Where chunks end, as indices of units; the last is the number of units.
  private func breakpoints(_ units: [ChunkUnit], _ vectors: [[Float]], threshold: Float) -> [Int] {
    var ends: [Int] = []
    var tokens = 0
    for index in units.indices {
      let isFull = tokens + units[index].tokens > reader.tokenLimit
      let differs = index > 0 && tokens >= tokenFloor && 1 - similarity(vectors[index - 1], vectors[index]) >= threshold
      if index > 0, isFull || differs {
        ends.append(index)
        tokens = 0
      }
      tokens += units[index].tokens
    }
    return ends + [units.count]
  }

  // MARK: Clusters

  /// Over all pairs of the document, without comparing each: the square of a sum holds them all.
  private func meanSimilarity(_ vectors: [[[Float]]]) -> Double {
    let all = vectors.flatMap { $0 }.filter { !$0.isEmpty }
    guard all.count > 1, let dimension = all.first?.count else { return 0 }
    var sum = [Double](repeating: 0, count: dimension)
    var own = 0.0
    for vector in all {
      for (index, value) in vector.enumerated() {
        sum[index] += Double(value)
        own += Double(value) * Double(value)
      }
    }
    let pairs = Double(all.count) * Double(all.count - 1)
    return (sum.reduce(0) { $0 + $1 * $1 } - own) / pairs
  }

  /// The segmentation with the largest sum of (similarity - mean) over pairs in the same chunk.
  /// - Complexity: O(units × units per chunk).
  private func clusters(_ units: [ChunkUnit], _ vectors: [[Float]], mean: Double) -> [Int] {
    guard units.count > 1 else { return [units.count] }
    var best = [Double](repeating: 0, count: units.count + 1)
    var from = [Int](repeating: 0, count: units.count + 1)
    for end in 1...units.count {
      var gain = 0.0
      var tokens = 0
      best[end] = -.infinity
      var start = end - 1
      while start >= 0 {
        tokens += units[start].tokens
        if start < end - 1, tokens > reader.tokenLimit { break }
        // One more unit at the front brings its similarity to each that is already there.
        for other in (start + 1)..<max(start + 1, end) {
          gain += Double(similarity(vectors[start], vectors[other])) - mean
        }
        if best[start] + gain > best[end] {
          best[end] = best[start] + gain
          from[end] = start
        }
        start -= 1
      }
    }
    var ends: [Int] = []
    var end = units.count
    while end > 0 {
      ends.append(end)
      end = from[end]
    }
    return ends.reversed()
  }
}
