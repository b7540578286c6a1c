// Owns what an index tells about itself: sizes, and whether its files are whole.
import Foundation
import StrataCore

/// How much there is of what.
public struct IndexStatistics: Sendable {
  /// Chunks that searches find.
  public var chunkCount = 0
  /// Of these, those that no file holds yet.
  public var bufferedCount = 0
  /// Chunks in files that were removed or replaced and still take space, history included.
  public var removedCount = 0
  /// Removed chunks that searches as of a time find.
  public var historyCount = 0
  public var segmentCount = 0
  public var fileCount = 0
  /// Of all files in the folder; 0 for an index in memory.
  public var byteCount = 0
  /// The store's change token up to which everything is in the index.
  public var token: Int64 = 0
  /// Since when every state can be searched.
  public var historyStart = Date.distantPast
  /// Why the last attempt to write failed; nil when all is well.
  public var failure: IndexError?

}

extension HybridIndex {
  public func statistics() -> IndexStatistics {
    let state = writer.withLock { $0 }
    var statistics = IndexStatistics()
    for view in state.views {
      statistics.chunkCount += view.liveCount
      statistics.historyCount += view.died.count
      if view.segment.file == nil {
        statistics.bufferedCount += view.liveCount
      } else {
        statistics.fileCount += 1
        statistics.removedCount += view.segment.count - view.liveCount
      }
    }
    statistics.segmentCount = state.views.count
    statistics.byteCount = folder?.byteCount ?? 0
    statistics.token = state.token
    statistics.historyStart = Date(timeIntervalSince1970: Double(state.historyStart) / 1000)
    statistics.failure = state.failure
    return statistics
  }

  /// Reads every byte of the files and checks it.
  ///
  /// - Returns: one sentence per problem; empty when all is well.
  public func verifyFiles() -> [String] {
    var problems: [String] = []
    for file in writer.withLock(\.views).compactMap(\.segment.file) {
      do throws(IndexError) {
        try file.verify()
      } catch {
        problems.append("\(error)")
      }
    }
    return problems
  }
}

extension IndexSnapshot {
  /// What each chunk is.
  /// - Complexity: O(chunks).
  public func fingerprints() -> Set<ChunkFingerprint> {
    var result = Set<ChunkFingerprint>(minimumCapacity: count)
    forEachChunk { result.insert($0) }
    return result
  }

  public func forEachChunk(_ body: (ChunkFingerprint) -> Void) {
    for view in views { view.live.forEachBit { body(view.fingerprint($0)) } }
  }
}
