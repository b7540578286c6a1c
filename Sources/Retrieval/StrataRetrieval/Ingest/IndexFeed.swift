// Owns when an index learns what an ingest has stored: soon, but not one small batch after the other. Knows nothing about
// how the index works.
import StrataCore

/// Lets an index follow the store once a second or when there is much to follow: every change of the index makes a
/// segment of it, and a vector that comes soon after its chunk goes in with it.
actor IndexFeed {
  private let index: CollectionIndex
  private var chunkCount = 0
  private var lastFlush = ContinuousClock.now
  /// What following took so far.
  private(set) var duration = Duration.zero

  private static let interval = Duration.seconds(1)
  private static let chunkLimit = 4096

  init(_ index: CollectionIndex) { self.index = index }

  /// After the store has taken in so many chunks or vectors.
  func stored(_ count: Int) async throws {
    chunkCount += count
    if ContinuousClock.now - lastFlush >= Self.interval || chunkCount >= Self.chunkLimit { try await flush() }
  }

  func flush() async throws {
    let start = ContinuousClock.now
    defer { duration += .now - start }
    lastFlush = start
    chunkCount = 0
    try await index.refresh()
  }
}
