// Owns the protocol of what keeps the entities that a model has found. Knows nothing about models or graphs.

/// What extractors have found in texts, kept so that no text is read twice by the same one.
public protocol ExtractionCache: Sendable {
  /// What `extractor` found, by ``ChunkRecord/inputHash``.
  func cachedExtractions(_ textHashes: [String], extractor: String) async throws -> [String: JSON]
  /// Keeps what was found, and tells followers of the collection that the chunks with these texts have changed. It goes
  /// with the last chunk that has the text.
  func cacheExtractions(
    _ extractions: [String: JSON], extractor: String, in collection: String
  ) async throws
}
