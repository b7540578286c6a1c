// Owns the changing side of the index: adding, removing, access lists, merging. Searching is IndexSnapshot's.
import StrataCore
import Synchronization

/// A searchable set of chunks in memory: BM25 over their words, exact nearest neighbours over their vectors, and who
/// may read each.
///
/// Every change makes a new immutable state; a ``snapshot()`` keeps the one it was taken from, so a search runs
/// undisturbed while updates go on. Chunks live in segments that merge as they grow in number (the logarithmic method
/// of Bentley and Saxe 1980), so that adding n chunks one by one costs O(n log n) in all.
public final class HybridIndex: Sendable {
  /// Length of the vectors; nil when the index takes none.
  public let dimension: Int?
  public let analyzer: Analyzer
  public let bm25: BM25Parameters

  /// What searches need, replaced as a whole by each change.
  private struct Published {
    var views: [SegmentView] = []
    var generation: UInt64 = 0
  }

  /// What only changes need.
  private struct Writer {
    var views: [SegmentView] = []
    var places: [Int64: Place] = [:]
    var nextSerial: UInt64 = 0
  }

  private struct Place {
    var serial: UInt64
    var position: Int
    var readers: [Reader]
  }

  /// Apart from the writer's, so that building a segment does not hold up snapshots.
  private let published = Mutex(Published())
  private let writer = Mutex(Writer())
  private static let generations = Atomic<UInt64>(0)

  public init(dimension: Int?, analyzer: Analyzer = .english, bm25: BM25Parameters = .default) {
    self.dimension = dimension
    self.analyzer = analyzer
    self.bm25 = bm25
  }

  /// Removes, then adds, as one change: no snapshot sees half of it. Adding an id that is there replaces it; of one id
  /// added twice in a call the last counts; removing an absent id does nothing.
  ///
  /// - Throws: when a vector has the wrong length or is not finite; then nothing has changed.
  public func apply(adding entries: [IndexEntry], removing removedIDs: [Int64] = []) throws(IndexError) {
    for entry in entries { if let vector = entry.vector { try check(vector) } }
    var last: [Int64: Int] = [:]
    for (index, entry) in entries.enumerated() { last[entry.id] = index }
    let entries = entries.enumerated().filter { last[$0.element.id] == $0.offset }.map(\.element)
    writer.withLock { state in
      var builder = SegmentBuilder(analyzer: analyzer, titleWeight: bm25.titleWeight, dimension: dimension)
      for entry in entries { builder.add(entry) }
      let added = builder.build()
      for id in removedIDs { Self.remove(id, from: &state) }
      for entry in entries { Self.remove(entry.id, from: &state) }
      if let added {
        var view = SegmentView(serial: state.nextSerial, segment: added)
        state.nextSerial += 1
        for (position, entry) in entries.enumerated() {
          let readers = Array(Set(entry.readers))
          view.addReaders(readers, at: position)
          state.places[entry.id] = Place(serial: view.serial, position: position, readers: readers)
        }
        state.views.append(view)
      }
      mergeSegments(&state)
      publish(state.views)
    }
  }

  /// Changes who may read chunks. Ids that are not in the index are passed over.
  public func setReaders(_ readers: [Reader], of chunkIDs: [Int64]) {
    let readers = Array(Set(readers))
    writer.withLock { state in
      for id in chunkIDs {
        guard let place = state.places[id], let index = state.views.firstIndex(where: { $0.serial == place.serial })
        else { continue }
        state.views[index].removeReaders(place.readers, at: place.position)
        state.views[index].addReaders(readers, at: place.position)
        state.places[id]?.readers = readers
      }
      publish(state.views)
    }
  }

  /// The state of this moment, for searching.
  public func snapshot() -> IndexSnapshot {
    let now = published.withLock { $0 }
    return IndexSnapshot(
      generation: now.generation, views: now.views, dimension: dimension, analyzer: analyzer, bm25: bm25)
  }

  private func publish(_ views: [SegmentView]) {
    let generation = Self.generations.wrappingAdd(1, ordering: .relaxed).newValue
    published.withLock { $0 = Published(views: views, generation: generation) }
  }

  private func check(_ vector: [Float]) throws(IndexError) {
    guard let dimension, vector.count == dimension else {
      throw .dimension(expected: dimension, found: vector.count)
    }
    guard vector.allSatisfy(\.isFinite) else { throw .notFinite() }
  }

  private static func remove(_ id: Int64, from state: inout Writer) {
    guard let place = state.places.removeValue(forKey: id),
      let index = state.views.firstIndex(where: { $0.serial == place.serial })
    else { return }
    state.views[index].remove(place.position, readers: place.readers)
  }

  /// Keeps sizes falling by at least half from one segment to the next, and segments at least half alive.
  private func mergeSegments(_ state: inout Writer) {
    state.views.removeAll { $0.liveCount == 0 }
    while let last = state.views.last {
      if state.views.count > 1, 2 * last.liveCount > state.views[state.views.count - 2].liveCount {
        merge(from: state.views.count - 2, &state)
      } else {
        break
      }
    }
    if let sparse = state.views.firstIndex(where: { 2 * $0.liveCount < $0.segment.count }) {
      merge(from: sparse, &state)
    }
  }

  /// Makes one segment of those from `start` on.
  private func merge(from start: Int, _ state: inout Writer) {
    let old = Array(state.views[start...])
    guard let segment = SegmentBuilder.merge(old, dimension: dimension) else { return }
    var view = SegmentView(serial: state.nextSerial, segment: segment)
    state.nextSerial += 1
    for (position, id) in segment.ids.enumerated() {
      guard let place = state.places[id] else { continue }
      view.addReaders(place.readers, at: position)
      state.places[id] = Place(serial: view.serial, position: position, readers: place.readers)
    }
    state.views.replaceSubrange(start..., with: [view])
  }
}
