// Owns the vectors that evaluations need, made once. Knows nothing about what is measured.
import StrataCore

/// Vectors for an evaluation, kept in the store's cache so that the next one is quick.
enum EvaluationVectors {
  /// - Parameter known: vectors that are there already, by position.
  static func embed(
    _ texts: [String], _ label: String, _ embedder: any Embedder, store: any DocumentStore, known given: [[Float]?] = []
  ) async throws -> [[Float]] {
    let hashes = texts.map { SHA256.hash($0) }
    var known = try await store.cachedEmbeddings(hashes, embedder: embedder.id)
    func isGiven(_ index: Int) -> Bool { index < given.count && given[index] != nil }
    let missing = texts.indices.filter { known[hashes[$0]] == nil && !isGiven($0) }.sorted {
      texts[$0].utf8.count < texts[$1].utf8.count
    }
    let bar = ProgressBar(label) { "\(Terminal.formatted($0, digits: 0)) texts/s" }
    for start in stride(from: 0, to: missing.count, by: 64) {
      let slice = missing[start..<min(start + 64, missing.count)]
      let fresh = try await embedder.embed(slice.map { texts[$0] })
      let entries = Dictionary(zip(slice.map { hashes[$0] }, fresh)) { $1 }
      try await store.cacheEmbeddings(entries, embedder: embedder.id)
      known.merge(entries) { $1 }
      bar.update(start + slice.count, of: missing.count)
    }
    bar.finish()
    return texts.indices.map { (isGiven($0) ? given[$0] : known[hashes[$0]]) ?? [] }
  }
}
