// Owns when an index learns what an ingest has stored: soon, but not one small batch after the other. Knows nothing about
// how the index works.
import StrataCore

/// Collects changes for an index and hands them on together, once a second or when there are many: every change of the
/// index makes a segment of it, and a vector that comes soon after its chunk goes in with it.
actor IndexFeed {
  private let index: CollectionIndex
  private var versions: [(chunks: [ChunkRecord], record: DocumentRecord)] = []
  private var removed: [Int64] = []
  private var embedded: [Int64: ChunkRecord] = [:]
  private var chunkCount = 0
  private var lastFlush = ContinuousClock.now
  /// What handing on took so far.
  private(set) var duration = Duration.zero

  private static let interval = Duration.seconds(1)
  private static let chunkLimit = 4096

  private let store: any DocumentStore

  init(_ index: CollectionIndex, _ store: any DocumentStore) {
    self.index = index
    self.store = store
  }

  /// After the store has saved versions.
  func saved(_ saved: [(chunks: [ChunkRecord], record: DocumentRecord)], removed gone: [Int64]) async throws {
    versions += saved
    removed += gone
    chunkCount += saved.reduce(0) { $0 + $1.chunks.count }
    try await flushIfDue()
  }

  /// After the store has vectors of current chunks.
  func embedded(_ chunks: [ChunkRecord]) async throws {
    for chunk in chunks { embedded[chunk.id] = chunk }
    try await flushIfDue()
  }

  private func flushIfDue() async throws {
    if ContinuousClock.now - lastFlush >= Self.interval || chunkCount + embedded.count >= Self.chunkLimit {
      try await flush()
    }
  }

  func flush() async throws {
    let start = ContinuousClock.now
    defer { duration += .now - start }
    lastFlush = start
    // Taken before the first suspension: what comes meanwhile belongs to the next flush.
    let (waiting, removed) = (versions, removed)
    var late = embedded
    (versions, self.removed, embedded, chunkCount) = ([], [], [:], 0)
    var versions: [(chunks: [ChunkRecord], record: DocumentRecord)] = []
    for version in waiting {
      // Somebody else may have deleted it, or changed its readers, since it was stored.
      let known = try await store.document(version.record.path, version: nil, in: version.record.collection)
      guard let known, known.version == version.record.version else { continue }
      versions.append((version.chunks.map { late.removeValue(forKey: $0.id) ?? $0 }, known))
    }
    if !versions.isEmpty || !removed.isEmpty { try await index.saved(versions, removed: removed) }
    if !late.isEmpty { try await index.embedded(late.values.sorted { $0.id < $1.id }) }
  }
}
