// Owns the changing side of the index: adding, removing, access lists. Searching is IndexSnapshot's; what reaches the
// disk and when is in HybridIndex+Files, merging in HybridIndex+Merging.
import Foundation
import StrataCore
import Synchronization

/// A searchable set of chunks: BM25 over their words, nearest neighbours over their vectors, typed fields, and who may
/// read each.
///
/// Every change makes a new immutable state; a ``snapshot()`` keeps the one it was taken from, so a search runs
/// undisturbed while updates go on. Chunks live in immutable segments. New ones collect in memory, where segments merge
/// as they grow in number (the logarithmic method of Bentley and Saxe 1980), so that adding n chunks one by one costs
/// O(n log n) in all. An index with a folder (``open(folder:dimension:analyzer:bm25:options:)``) writes them to files
/// from time to time and merges those in the background; one without (``init(dimension:analyzer:bm25:options:)``)
/// stays in memory.
public final class HybridIndex: Sendable {
  public struct Options: Sendable {
    /// Chunks that collect in memory before they become a file.
    public var bufferChunkLimit = 8192
    /// What searches as of a time may ask for.
    public var history = HistoryPolicy.none
    /// How segments with many vectors are searched. After a change, merges in the background remake those that differ.
    public var vectors = VectorOptions.default
    /// False merges files only in ``HybridIndex/waitForMerges()`` and ``HybridIndex/compact(forgettingHistory:)``.
    public var mergesInBackground = true
    /// What a change is dated with.
    public var now: @Sendable () -> Date = { Date() }
    /// Ties files to what they were made from: an index with another mark is discarded when it is opened.
    public var identity = ""
    package var steps = FileSteps.real

    public init() {}
  }

  /// Length of the vectors; nil when the index takes none.
  public let dimension: Int?
  public var analyzer: Analyzer { streams.analyzer }
  let streams: TermStreams
  public let bm25: BM25Parameters
  public let options: Options
  let folder: IndexFolder?

  /// What searches need, replaced as a whole by each change.
  struct Published {
    var views: [SegmentView] = []
    var generation: UInt64 = 0
    var token: Int64 = 0
    var historyStart: Int64 = 0
  }

  /// What only changes need.
  struct Writer {
    /// Those with files come first.
    var views: [SegmentView] = []
    var nextSerial: UInt64 = 0
    /// Segments that are being written and that no manifest names yet.
    var writing: Set<UInt64> = []
    var token: Int64 = 0
    /// Since when every state can be searched, in milliseconds since 1970.
    var historyStart: Int64 = 0
    var manifestGeneration: UInt64 = 0
    var committedToken: Int64 = 0
    /// Changes that no manifest has.
    var uncommittedCount = 0
    /// Why the last attempt to write failed; everything goes on in memory.
    var failure: IndexError?
  }

  /// Apart from the writer's, so that building a segment does not hold up snapshots.
  let published = Mutex(Published())
  let writer = Mutex(Writer())
  /// Held during a merge of files, of which there is one at a time.
  let mergeTurn = Mutex(())
  let mergeTask = Mutex<Task<Void, Never>?>(nil)
  private static let generations = Atomic<UInt64>(0)

  /// An index in memory.
  public convenience init(
    dimension: Int?, analyzer: Analyzer = .english, bm25: BM25Parameters = .default, options: Options = Options()
  ) {
    self.init(folder: nil, dimension: dimension, analyzer: analyzer, bm25: bm25, options: options)
  }

  init(folder: IndexFolder?, dimension: Int?, analyzer: Analyzer, bm25: BM25Parameters, options: Options) {
    self.folder = folder
    self.dimension = dimension
    streams = TermStreams(analyzer)
    self.bm25 = bm25
    self.options = options
    let start = options.now().milliseconds
    writer.withLock { $0.historyStart = start }
    published.withLock { $0.historyStart = start }
  }

  deinit { mergeTask.withLock { $0?.cancel() } }

  /// The store's change token up to which everything is in the index, as ``apply(adding:removing:removedAt:token:)``
  /// was told.
  public var token: Int64 { published.withLock(\.token) }

  /// Removes, then adds, as one change: no snapshot sees half of it. Adding an id that is there replaces it; of one id
  /// added twice in a call the last counts; removing an absent id does nothing.
  ///
  /// - Parameters:
  ///   - removedAt: when chunks went, for searches as of a time; now where nothing is said.
  ///   - token: the store's change token up to which everything is in the index with this change.
  /// - Throws: when a vector has the wrong length or is not finite; then nothing has changed. A disk that cannot be
  ///   written to is no error here: the change is made in memory and ``flush()`` tells.
  public func apply(
    adding entries: [IndexEntry], removing removedIDs: [Int64] = [], removedAt: [Int64: Date] = [:],
    token: Int64? = nil
  ) throws(IndexError) {
    for entry in entries { if let vector = entry.vector { try check(vector) } }
    var last: [Int64: Int] = [:]
    for (index, entry) in entries.enumerated() { last[entry.id] = index }
    let entries = entries.enumerated().filter { last[$0.element.id] == $0.offset }.map(\.element)
    writer.withLock { state in
      let now = options.now().milliseconds
      for id in removedIDs { remove(id, at: removedAt[id]?.milliseconds ?? now, &state) }
      var builder = SegmentBuilder(analyzer: analyzer, titleWeight: bm25.titleWeight, dimension: dimension)
      for entry in entries {
        let since = entry.since?.milliseconds ?? now
        // Of an id that is replaced, never are two states there at a time.
        builder.add(entry, born: remove(entry.id, at: now, &state) ? max(since, now) : since)
      }
      if let added = builder.build() {
        state.views.append(SegmentView(serial: state.takeSerial(), segment: added))
      }
      state.uncommittedCount += entries.count + removedIDs.count
      if let token { state.token = max(state.token, token) }
      settle(&state)
    }
  }

  /// Changes who may read chunks. Ids that are not in the index are passed over.
  ///
  /// - Parameter token: as in ``apply(adding:removing:removedAt:token:)``.
  public func setReaders(_ readers: [Reader], of chunkIDs: [Int64], token: Int64? = nil) {
    let wanted = Set(readers)
    writer.withLock { state in
      var changeCount = 0
      for id in chunkIDs {
        guard let (index, position) = state.place(of: id), Set(state.views[index].readers(of: position)) != wanted
        else { continue }
        state.views[index].setReaders(Array(wanted), at: position)
        changeCount += 1
      }
      guard changeCount > 0 || token != nil else { return }
      state.uncommittedCount += changeCount
      if let token { state.token = max(state.token, token) }
      settle(&state)
    }
  }

  /// The ids of the chunks of a document.
  public func chunks(ofDocument path: String) -> [Int64] {
    published.withLock(\.views).flatMap { view in
      view.segment.chunks.positions(ofDocument: path).map(Int.init).filter { view.live.testBit($0) }
        .map { view.segment.ids[$0] }
    }
  }

  /// The path of a chunk's document.
  public func document(ofChunk id: Int64) -> String? {
    for view in published.withLock(\.views) {
      if let position = view.position(of: id) {
        return view.segment.chunks.documents[Int(view.segment.chunks.documentOf[position])]
      }
    }
    return nil
  }

  /// What a chunk gives to the entity graph; nil for one that is not there.
  public func entities(ofChunk id: Int64) -> ChunkEntities? {
    for view in published.withLock(\.views) {
      if let position = view.position(of: id) { return view.segment.entities.contribution(position) }
    }
    return nil
  }

  /// The ids of all chunks.
  public func chunkIDs() -> Set<Int64> {
    let views = published.withLock(\.views)
    var ids = Set<Int64>(minimumCapacity: views.reduce(0) { $0 + $1.liveCount })
    for view in views { view.live.forEachBit { ids.insert(view.segment.ids[$0]) } }
    return ids
  }

  /// Whether the index has the chunk as it is in `entry`, readers aside.
  public func holds(_ entry: IndexEntry) -> Bool {
    let views = published.withLock(\.views)
    for view in views {
      guard let position = view.position(of: entry.id) else { continue }
      let fingerprint = view.fingerprint(position)
      return fingerprint.contentHash == ChunkFingerprint.contentHash(entry)
        && fingerprint.vectorHash == ChunkFingerprint.vectorHash(entry.vector)
        && fingerprint.entityHash == entry.entities.hash
    }
    return false
  }

  // MARK: Snapshots

  /// The state of this moment, for searching.
  public func snapshot() -> IndexSnapshot {
    let now = published.withLock { $0 }
    return IndexSnapshot(
      generation: now.generation, views: now.views, dimension: dimension, streams: streams, bm25: bm25)
  }

  /// The state at `date`: the chunks that were there then, under the permissions of now.
  ///
  /// - Throws: `index_history_unavailable` when the index no longer has all that was there then, see ``HistoryPolicy``.
  /// - Complexity: O(chunks).
  public func snapshot(asOf date: Date) throws(IndexError) -> IndexSnapshot {
    let now = published.withLock { $0 }
    let time = date.milliseconds
    guard time < options.now().milliseconds else { return snapshot() }
    guard time >= now.historyStart else {
      throw .historyUnavailable(date, since: Date(timeIntervalSince1970: Double(now.historyStart) / 1000))
    }
    return IndexSnapshot(
      generation: Self.nextGeneration(), views: now.views.map { $0.asOf(time) }, dimension: dimension,
      streams: streams, bm25: bm25)
  }

  // MARK: Pieces of a change

  /// What every change ends with.
  func settle(_ state: inout Writer) {
    state.views.removeAll { $0.keptCount == 0 }
    mergeBuffer(&state)
    commitIfDue(&state)
    publish(state)
  }

  func publish(_ state: Writer) {
    let new = Published(
      views: state.views, generation: Self.nextGeneration(), token: state.token, historyStart: state.historyStart)
    published.withLock { $0 = new }
  }

  private static func nextGeneration() -> UInt64 { generations.wrappingAdd(1, ordering: .relaxed).newValue }

  private func check(_ vector: [Float]) throws(IndexError) {
    guard let dimension, vector.count == dimension else {
      throw .dimension(expected: dimension, found: vector.count)
    }
    guard vector.allSatisfy(\.isFinite) else { throw .notFinite() }
  }

  /// - Returns: whether it was there.
  @discardableResult
  private func remove(_ id: Int64, at time: Int64, _ state: inout Writer) -> Bool {
    guard let (index, position) = state.place(of: id) else { return false }
    if !options.history.keepsAnything { state.historyStart = max(state.historyStart, time) }
    state.views[index].remove(position, keptAt: options.history.keepsAnything ? time : nil)
    return true
  }
}

extension HybridIndex.Writer {
  mutating func takeSerial() -> UInt64 {
    defer { nextSerial += 1 }
    return nextSerial
  }

  /// The view and position of a live chunk.
  /// - Complexity: O(segments · log chunks).
  func place(of id: Int64) -> (view: Int, position: Int)? {
    for index in views.indices.reversed() {
      if let position = views[index].position(of: id) { return (index, position) }
    }
    return nil
  }
}

extension Date {
  /// Since 1970, rounded down; the ends of time where it does not fit.
  var milliseconds: Int64 {
    let value = (timeIntervalSince1970 * 1000).rounded(.down)
    return Int64(exactly: value) ?? (value < 0 ? .min : .max)
  }
}
