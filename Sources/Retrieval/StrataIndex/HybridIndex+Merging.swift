// Owns which segments become one, when, and how a merge of files gives way to changes that come meanwhile.
import StrataCore

/// Which neighbouring segment files should become one: those of which a quarter is dead, and equal ones in numbers (tiers, as
/// in O'Neil et al. 1996, "The log-structured merge-tree", with sizes growing `fanout`-fold).
struct MergePolicy: Sendable {
  /// A segment as the policy sees it.
  struct Part: Sendable {
    /// Chunks that a merge would take over.
    var kept: Int
    /// Chunks in the file.
    var total: Int
    /// Whether it has so many vectors that a graph over them, or lists, is worth a merge with nobody.
    var lacksStructure = false
  }

  var fanout = 4
  /// Size of the smallest tier.
  var smallest: Int

  func next(_ parts: [Part]) -> Range<Int>? {
    if let sparse = parts.firstIndex(where: { 4 * $0.kept < 3 * $0.total }) { return sparse..<sparse + 1 }
    let tiers = parts.map { tier($0.kept) }
    for tier in Set(tiers).sorted() {
      var start = 0
      while start < parts.count {
        let end = tiers[start...].firstIndex { $0 > tier } ?? parts.count
        if end - start >= fanout { return start..<end }
        start = end + 1
      }
    }
    return parts.firstIndex(where: \.lacksStructure).map { $0..<$0 + 1 }
  }

  private func tier(_ count: Int) -> Int {
    var (tier, size) = (0, max(1, smallest))
    while size <= count / fanout {
      tier += 1
      size *= fanout
    }
    return tier
  }
}

extension HybridIndex {
  // MARK: In memory

  /// Keeps sizes falling by at least half from one segment of the buffer to the next, and each at least half alive.
  func mergeBuffer(_ state: inout Writer) {
    let start = state.views.firstIndex { $0.segment.file == nil } ?? state.views.count
    while state.views.count - start > 1,
      2 * state.views[state.views.count - 1].keptCount > state.views[state.views.count - 2].keptCount
    {
      mergeBuffer(from: state.views.count - 2, &state)
    }
    if let sparse = state.views[start...].firstIndex(where: { 2 * $0.keptCount < $0.segment.count }) {
      forget(&state)
      mergeBuffer(from: sparse, &state)
    }
  }

  /// Makes one segment of those from `start` on.
  private func mergeBuffer(from start: Int, _ state: inout Writer) {
    let old = Array(state.views[start...])
    guard let merge = SegmentMerge(old, dimension: dimension) else { return }
    let view = SegmentView(serial: state.takeSerial(), segment: merge.segment()).following(old, now: old)
    state.views.replaceSubrange(start..., with: [view])
  }

  // MARK: Files

  /// Starts merging in the background if there is something to merge and nobody does.
  func scheduleMerges() {
    guard isDurable, options.mergesInBackground else { return }
    mergeTask.withLock { task in
      guard task == nil else { return }
      // Detached: it belongs to the index, not to whoever made the change that started it.
      task = Task.detached(priority: .utility) { [weak self] in
        while !Task.isCancelled, let index = self, (try? index.mergeOnce()) == true { await Task.yield() }
        self?.mergeTask.withLock { $0 = nil }
      }
    }
  }

  /// Returns when no files are left that should be merged.
  public func waitForMerges() async {
    while let task = mergeTask.withLock({ $0 }) { await task.value }
    while (try? mergeOnce()) == true { await Task.yield() }
  }

  /// One merge of files, if there is one to make.
  /// - Returns: whether there may be another.
  @discardableResult
  func mergeOnce() throws(IndexError) -> Bool {
    let policy = MergePolicy(smallest: options.bufferChunkLimit)
    return try merge { views in
      policy.next(
        views.map {
          MergePolicy.Part(
            kept: $0.keptCount, total: $0.segment.count, lacksStructure: $0.segment.lacksStructure(options.vectors))
        })
    }
  }

  /// Makes one file of all, without what was removed, and commits.
  ///
  /// - Parameter forgettingHistory: also lets go of removed chunks that are kept for searches as of a time.
  /// - Throws: `index_busy` when another process writes to the folder; when the disk refuses.
  public func compact(forgettingHistory: Bool = false) throws(IndexError) {
    if let folder, !folder.isWritable { throw .busy(folder.path) }
    try flush()
    if forgettingHistory {
      writer.withLock { state in
        state.historyStart = max(state.historyStart, options.now().milliseconds)
        for index in state.views.indices { state.views[index].forget(diedBefore: .max) }
        state.uncommittedCount += 1
        settle(&state)
      }
    }
    try merge { views in
      views.count > 1 || views.contains { $0.keptCount < $0.segment.count || !$0.changedReaders.isEmpty }
        ? 0..<views.count : nil
    }
    try flush()
  }

  /// Writes those files anew that hold removed chunks, so that nothing of these is left on disk, and commits.
  ///
  /// - Throws: when the disk refuses. Does nothing in a folder that another process writes to.
  public func purge() throws(IndexError) {
    try flush()
    while try merge({ views in
      views.firstIndex { $0.keptCount < $0.segment.count }.map { $0..<$0 + 1 }
    }) {}
  }

  /// Merges the files that `choose` picks, without holding up changes or searches.
  /// - Returns: whether there may be more to merge.
  @discardableResult
  private func merge(_ choose: ([SegmentView]) -> Range<Int>?) throws(IndexError) -> Bool {
    guard let folder, folder.isWritable else { return false }
    return try mergeTurn.withLock { (_) throws(IndexError) -> Bool in
      let job = writer.withLock { state -> (old: [SegmentView], serial: UInt64)? in
        forget(&state)
        let files = Array(state.views.prefix { $0.segment.file != nil })
        guard let range = choose(files), !range.isEmpty else { return nil }
        let serial = state.takeSerial()
        state.writing.insert(serial)
        return (Array(files[range]), serial)
      }
      guard let job else { return false }
      defer { _ = writer.withLock { $0.writing.remove(job.serial) } }
      var merged: SegmentView?
      if let merge = SegmentMerge(job.old, dimension: dimension), !Task.isCancelled {
        let file = try folder.write(merge, structure: options.vectors, serial: job.serial)
        let mapped = try Segment(file, dimension: dimension)
        merged = SegmentView(serial: job.serial, segment: mapped)
      }
      if Task.isCancelled { return false }
      try writer.withLock { (state) throws(IndexError) in
        replace(job.old, by: merged, &state)
        defer { publish(state) }
        try commit(&state)
      }
      // A structure that could not be made, for want of memory, is not tried again at once.
      return job.old.count > 1 || merged.map { !$0.segment.lacksStructure(options.vectors) } ?? true
    }
  }

  /// Puts a merged segment in the place of `old`, with what has happened to those since the merge began.
  private func replace(_ old: [SegmentView], by merged: SegmentView?, _ state: inout Writer) {
    let serials = Set(old.map(\.serial))
    let now = state.views.filter { serials.contains($0.serial) }
    guard let place = state.views.firstIndex(where: { serials.contains($0.serial) }) else { return }
    state.views.removeAll { serials.contains($0.serial) }
    if let merged { state.views.insert(merged.following(old, now: now), at: place) }
    state.views.removeAll { $0.keptCount == 0 }
  }
}

extension SegmentView {
  /// This view of a segment that was merged from `old`, brought up to what those views are `now`. A view that is not
  /// there any more has lost all its chunks.
  func following(_ old: [SegmentView], now: [SegmentView]) -> SegmentView {
    var view = self
    var position = 0
    let current = Dictionary(now.map { ($0.serial, $0) }) { first, _ in first }
    for before in old {
      let after = current[before.serial]
      before.kept.forEachBit { source in
        if let after, after.live.testBit(source) {
          if let readers = after.changedReaders[UInt32(source)], readers != before.changedReaders[UInt32(source)] {
            view.setReaders(readers, at: position)
          }
        } else {
          view.remove(position, keptAt: after?.died[UInt32(source)])
        }
        position += 1
      }
    }
    return view
  }
}
