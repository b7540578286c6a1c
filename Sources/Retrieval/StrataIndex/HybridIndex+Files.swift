// Owns when the index reaches the disk, and opening it again. How files are written is Storage's business.
//
// There is no log of single changes: the store is the truth and its change feed the log. A commit notes the store's
// token; after a crash the index is the last commit, and what the store says has happened since is applied again.
import Foundation
import StrataCore

extension HybridIndex {
  /// Changes after which the index is committed although the buffer is not full. Below the length of a change feed
  /// (10,000), so that catching up never means to read the whole store.
  static let commitChangeLimit = 4096

  /// Opens the index in `folder`, or begins one there.
  ///
  /// While another process writes to the folder, the index starts from what is there and keeps changes in memory. An
  /// index made with other settings is discarded: ``token`` is 0 then, and the store has to be read again.
  ///
  /// - Throws: `index_corrupted` when files are damaged or missing; ``discard(folder:)`` makes room for a new index.
  public static func open(
    folder path: String, dimension: Int?, analyzer: Analyzer = .english, bm25: BM25Parameters = .default,
    options: Options = Options()
  ) throws(IndexError) -> HybridIndex {
    let folder = try IndexFolder(path: path, steps: options.steps)
    let index = HybridIndex(folder: folder, dimension: dimension, analyzer: analyzer, bm25: bm25, options: options)
    if let (manifest, files) = try folder.open() {
      if manifest.settings == index.settings {
        try index.adopt(manifest, files)
        if folder.isWritable { try folder.sweep(keeping: manifest) }
      } else if folder.isWritable {
        try folder.clear()
      }
    } else if folder.isWritable {
      try folder.sweep(keeping: Manifest(settings: index.settings))
    }
    return index
  }

  /// Length of the vectors of the index in `folder`, nil when it takes none.
  ///
  /// - Throws: when there is no index or it is damaged.
  public static func storedDimension(folder path: String) throws(IndexError) -> Int? {
    try Manifest(path: "\(path)/\(Manifest.fileName)").settings.dimension
  }

  /// Removes the index in `folder`, whatever state it is in. The store is not touched.
  ///
  /// - Throws: `index_busy` while another process writes there.
  public static func discard(folder path: String) throws(IndexError) {
    let folder = try IndexFolder(path: path, steps: .real)
    guard folder.isWritable else { throw .busy(path) }
    try folder.clear()
  }

  var settings: Manifest.Settings {
    Manifest.Settings(
      dimension: dimension, titleWeight: bm25.titleWeight, analyzer: analyzer.identity,
      identity: options.identity)
  }

  /// Whether changes reach the disk.
  public var isDurable: Bool { folder?.isWritable ?? false }

  /// Writes from now on if the process that wrote to the folder is gone and has left it as we know it.
  private func becomeWriter() {
    guard let folder, !folder.isWritable else { return }
    let generation = writer.withLock(\.manifestGeneration)
    folder.becomeWriter(ifStill: generation == 0 ? nil : generation)
  }

  private func adopt(_ manifest: Manifest, _ files: [SegmentFile]) throws(IndexError) {
    var views: [SegmentView] = []
    for (entry, file) in zip(manifest.entries, files) {
      let segment = try Segment(file, dimension: dimension)
      guard (entry.dead + entry.changed).allSatisfy({ $0 < segment.count }) else {
        throw .corrupted("it tells of chunks that its segments do not have", path: file.path)
      }
      var view = SegmentView(serial: entry.serial, segment: segment)
      for (position, died) in zip(entry.dead, entry.died) {
        view.remove(Int(position), keptAt: died == 0 ? nil : died)
      }
      for (position, readers) in zip(entry.changed, entry.readers) { view.setReaders(readers, at: Int(position)) }
      views.append(view)
    }
    writer.withLock { state in
      state.views = views
      state.nextSerial = manifest.nextSerial
      state.token = manifest.token
      state.committedToken = manifest.token
      state.historyStart = manifest.historyStart
      state.manifestGeneration = manifest.generation
      publish(state)
    }
  }

  // MARK: Writing

  /// Makes everything up to now durable. Does nothing for an index without a folder, or in a folder that another
  /// process writes to.
  public func flush() throws(IndexError) {
    becomeWriter()
    guard isDurable else { return }
    try writer.withLock { (state) throws(IndexError) in
      guard state.uncommittedCount > 0 || state.token != state.committedToken || state.failure != nil else { return }
      defer { publish(state) }
      try commit(&state)
    }
    scheduleMerges()
  }

  /// Flushes, and stops merging. The folder is free for others when the index is.
  public func close() async throws {
    let task = mergeTask.withLock { task in
      defer { task = nil }
      return task
    }
    task?.cancel()
    await task?.value
    try flush()
    await waitForMerges()
  }

  /// Writes when the buffer is full or much has changed since the last commit. What fails is tried again later.
  func commitIfDue(_ state: inout Writer) {
    guard isDurable else { return }
    let buffered = state.views.reduce(0) { $0 + ($1.segment.file == nil ? $1.keptCount : 0) }
    // After a failure, not before as much has come again.
    let patience = state.failure == nil ? 1 : 2
    guard
      buffered >= patience * options.bufferChunkLimit
        || state.uncommittedCount >= patience * Self.commitChangeLimit
          && buffered < options.bufferChunkLimit
        || state.token - state.committedToken >= Int64(patience * Self.commitChangeLimit)
    else { return }
    do {
      try commit(&state)
    } catch {
      state.failure = error
    }
    scheduleMerges()
  }

  /// Writes the buffer to a segment file, then a manifest that names it.
  func commit(_ state: inout Writer) throws(IndexError) {
    guard let folder else { return }
    do {
      forget(&state)
      state.views.removeAll { $0.keptCount == 0 }
      try writeBuffer(&state, to: folder)
      var manifest = self.manifest(state)
      manifest.generation += 1
      try folder.commit(manifest)
      state.manifestGeneration = manifest.generation
      state.committedToken = manifest.token
      state.uncommittedCount = 0
      state.failure = nil
      try folder.sweep(keeping: manifest, writing: state.writing)
    } catch {
      state.failure = error
      throw error
    }
  }

  private func writeBuffer(_ state: inout Writer, to folder: IndexFolder) throws(IndexError) {
    guard let start = state.views.firstIndex(where: { $0.segment.file == nil }) else { return }
    let buffer = Array(state.views[start...])
    guard let merge = SegmentMerge(buffer, dimension: dimension) else { return }
    let serial = state.takeSerial()
    let mapped = try Segment(try folder.write(merge, structure: nil, serial: serial), dimension: dimension)
    let view = SegmentView(serial: serial, segment: mapped).following(buffer, now: buffer)
    state.views.replaceSubrange(start..., with: [view])
  }

  private func manifest(_ state: Writer) -> Manifest {
    var manifest = Manifest(settings: settings)
    manifest.generation = state.manifestGeneration
    manifest.nextSerial = state.nextSerial
    manifest.token = state.token
    manifest.historyStart = state.historyStart
    for view in state.views {
      guard let file = view.segment.file else { continue }
      var entry = Manifest.Entry(
        serial: view.serial, fileName: (file.path as NSString).lastPathComponent,
        receipt: SegmentWriter.Receipt(byteCount: file.byteCount, checksum: file.checksum))
      for position in 0..<view.segment.count where !view.live.testBit(position) {
        entry.dead.append(UInt32(position))
        entry.died.append(view.died[UInt32(position)] ?? 0)
      }
      entry.changed = view.changedReaders.keys.sorted()
      entry.readers = entry.changed.map { view.readers(of: Int($0)) }
      manifest.entries.append(entry)
    }
    return manifest
  }

  /// Lets go of removed chunks that the history policy keeps no longer.
  func forget(_ state: inout Writer) {
    let died = state.views.flatMap { $0.died.values }
    guard !died.isEmpty else { return }
    let cutoff = options.history.cutoff(now: options.now().milliseconds, died: died)
    guard let last = died.filter({ $0 <= cutoff }).max() else { return }
    state.historyStart = max(state.historyStart, last)
    for index in state.views.indices { state.views[index].forget(diedBefore: cutoff) }
  }
}

extension Analyzer {
  /// Tells analyzers that make different terms apart.
  var identity: String { "\(language?.rawValue ?? "-") \(SHA256.hash(stopWords.sorted().joined(separator: " ")))" }
}
