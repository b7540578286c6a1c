// Tests the index in a folder: that it comes back as it was, whenever it died, and gives space back.
import Foundation
import StrataCore
import StrataIndex
import Synchronization
import Testing

/// An index in a folder, the store that it follows, and what both should hold.
struct DurableModel {
  let folder: IndexFolder
  var content: RandomContent
  /// Changes in order: the change feed.
  var feed: [Change] = []

  struct Change {
    var added: [IndexEntry] = []
    var removed: [Int64] = []
    var readers: (ids: [Int64], readers: [Reader])?
  }

  static func options(_ steps: FileSteps = .real, buffer: Int = 40) -> HybridIndex.Options {
    var options = HybridIndex.Options()
    options.bufferChunkLimit = buffer
    options.mergesInBackground = false
    options.steps = steps
    return options
  }

  init(seed: UInt64) throws {
    folder = try IndexFolder()
    content = RandomContent(seed: seed)
  }

  func open(_ steps: FileSteps = .real) throws -> HybridIndex {
    try HybridIndex.open(folder: folder.path, dimension: content.dimension, options: Self.options(steps))
  }

  /// What the store holds after so many changes.
  func state(after count: Int) -> [Int64: IndexEntry] {
    var state: [Int64: IndexEntry] = [:]
    for change in feed[..<count] {
      for id in change.removed { state[id] = nil }
      for entry in change.added { state[entry.id] = entry }
      for id in change.readers?.ids ?? [] { state[id]?.readers = change.readers?.readers ?? [] }
    }
    return state
  }

  mutating func change() {
    let known = state(after: feed.count).keys.sorted()
    if Int.random(in: 0..<4, using: &content.random) == 0 {
      let ids = known.filter { _ in Int.random(in: 0..<6, using: &content.random) == 0 }
      feed.append(Change(readers: (ids, content.someReaders())))
      return
    }
    let added = (0..<Int.random(in: 0...14, using: &content.random)).map { _ in
      var entry = content.entry(Int64.random(in: 0..<200, using: &content.random))
      entry.fields = ["size": .number(Double(Int.random(in: 0..<9, using: &content.random)))]
      return entry
    }
    feed.append(
      Change(added: added, removed: known.filter { _ in Int.random(in: 0..<8, using: &content.random) == 0 }))
  }

  /// Tells the index what it has not been told.
  func catchUp(_ index: HybridIndex) throws {
    for number in Int(index.token)..<feed.count {
      let change = feed[number]
      let token = Int64(number + 1)
      if let (ids, readers) = change.readers {
        index.setReaders(readers, of: ids, token: token)
      } else {
        try index.apply(adding: change.added, removing: change.removed, token: token)
      }
    }
  }

  func fingerprints(_ state: [Int64: IndexEntry]) -> Set<ChunkFingerprint> {
    Set(state.values.map(ChunkFingerprint.init))
  }
}

@Suite("Durable index")
struct DurableIndexTests {
  /// Steps that go well until so many have been made; then none does, as after the end of a process.
  static func dying(after count: Int) -> (steps: FileSteps, isDead: @Sendable () -> Bool) {
    final class Left: Sendable {
      let count: Mutex<Int>
      init(_ count: Int) { self.count = Mutex(count) }
    }
    let left = Left(count)
    let steps = FileSteps { (_, path) throws(IndexError) in
      let isDead = left.count.withLock { left in
        left -= 1
        return left < 0
      }
      if isDead { throw IndexError.corrupted("the test ended the process", path: path) }
    }
    return (steps, { left.count.withLock { $0 < 0 } })
  }

  @Test("Closed and opened again, it is the same to the last bit", arguments: 0..<4)
  func reopening(seed: Int) async throws {
    var model = try DurableModel(seed: UInt64(seed))
    var index = try model.open()
    let memory = HybridIndex(dimension: model.content.dimension)
    for _ in 0..<8 {
      for _ in 0..<4 {
        model.change()
        try model.catchUp(index)
      }
      let state = model.state(after: model.feed.count)
      try memory.apply(adding: Array(state.values), removing: memory.snapshot().fingerprints().map(\.id))
      if Bool.random(using: &model.content.random) { await index.waitForMerges() }
      try index.flush()
      let before = index.snapshot()
      // The folder is locked until the old index is gone.
      index = HybridIndex(dimension: nil)
      index = try model.open()
      #expect(index.token == Int64(model.feed.count))
      let (after, fresh) = (index.snapshot(), memory.snapshot())
      #expect(after.fingerprints() == model.fingerprints(state))
      for _ in 0..<20 {
        let (principal, query) = (model.content.principal(), model.content.words(1...5))
        let vector = model.content.vector()
        let readable = after.readable(by: principal)
        #expect(
          after.lexical(query, limit: 30, within: readable)
            == before.lexical(query, limit: 30, within: before.readable(by: principal)))
        #expect(
          after.lexical(query, limit: 30, within: readable)
            == fresh.lexical(query, limit: 30, within: fresh.readable(by: principal)))
        #expect(
          try after.dense(vector, limit: 30, within: readable)
            == fresh.dense(vector, limit: 30, within: fresh.readable(by: principal)))
        let filter = Filter.range("size", FieldRange(from: .number(3), includesLower: false))
        #expect(
          after.readable(by: principal, matching: filter).count
            == state.values.count { principal.mayRead($0.readers) && filter.matches($0.fields) })
      }
    }
  }

  @Test("Dying before any step leaves the state before or after, and catching up makes it whole", arguments: 0..<2)
  func dying(seed: Int) async throws {
    var stepCount = 0
    var survived = false
    while !survived {
      var model = try DurableModel(seed: UInt64(seed))
      do {
        let index = try model.open()
        for _ in 0..<8 { model.change() }
        try model.catchUp(index)
        try index.flush()
      }
      let (steps, isDead) = Self.dying(after: stepCount)
      do {
        let index = try model.open(steps)
        for _ in 0..<6 {
          model.change()
          try model.catchUp(index)
        }
        try index.flush()
        await index.waitForMerges()
        try index.compact()
      } catch is IndexError {}
      survived = !isDead()
      while model.feed.count < 14 { model.change() }
      let index = try model.open()
      // A commit holds whole changes only: the state is one of those that the store went through.
      let token = Int(index.token)
      #expect(token >= 8)
      #expect(index.snapshot().fingerprints() == model.fingerprints(model.state(after: token)), "step \(stepCount)")
      #expect(index.verifyFiles().isEmpty)
      try model.catchUp(index)
      try index.flush()
      #expect(index.snapshot().fingerprints() == model.fingerprints(model.state(after: model.feed.count)))
      #expect(model.folder.files.allSatisfy { !$0.hasSuffix(".tmp") })
      #expect(model.folder.files.count == index.statistics().fileCount + 2)
      stepCount += survived || stepCount > 40 ? 7 : 1
    }
    #expect(stepCount > 20)
  }

  @Test("Deleting everything leaves a manifest and a lock")
  func emptied() async throws {
    var model = try DurableModel(seed: 5)
    let index = try model.open()
    for _ in 0..<40 { model.change() }
    try model.catchUp(index)
    try index.flush()
    await index.waitForMerges()
    #expect(index.statistics().fileCount > 0)
    let before = index.snapshot()
    let found = before.fingerprints()
    try index.apply(adding: [], removing: found.map(\.id))
    try index.flush()
    #expect(model.folder.files == ["LOCK", "MANIFEST"])
    #expect(index.snapshot().count == 0)
    // The old snapshot still has its files mapped.
    #expect(before.fingerprints() == found && !found.isEmpty)
  }

  @Test("Files merge while changes come, and fall in number")
  func merging() async throws {
    var options = DurableModel.options(buffer: 20)
    options.mergesInBackground = true
    let folder = try IndexFolder()
    var index = try HybridIndex.open(folder: folder.path, dimension: nil, options: options)
    var expected: [Int64: IndexEntry] = [:]
    for round in 0..<120 {
      let added = (0..<12).map {
        IndexEntry(id: Int64(round * 12 + $0), document: "d\(round)", body: "common word\($0)", readers: [.everyone])
      }
      let removed = expected.keys.sorted().prefix(4)
      try index.apply(adding: added, removing: Array(removed))
      for id in removed { expected[id] = nil }
      for entry in added { expected[entry.id] = entry }
      let snapshot = index.snapshot()
      #expect(
        snapshot.lexical("common", limit: 5000, within: snapshot.readable(by: .anonymous)).count == expected.count)
    }
    try await index.close()
    #expect(index.statistics().fileCount < 12)
    // What is on disk must not miss a file that was written while another commit swept.
    index = HybridIndex(dimension: nil)
    index = try HybridIndex.open(folder: folder.path, dimension: nil, options: options)
    #expect(index.snapshot().fingerprints() == Set(expected.values.map(ChunkFingerprint.init)))
    try index.compact()
    #expect(index.statistics().fileCount == 1)
    #expect(index.statistics().removedCount == 0)
    #expect(index.snapshot().fingerprints() == Set(expected.values.map(ChunkFingerprint.init)))
  }

  @Test("A second index reads the folder and leaves it alone until the first is gone")
  func secondProcess() async throws {
    let folder = try IndexFolder()
    let entry = IndexEntry(id: 1, document: "a", body: "apple", readers: [.everyone])
    do {
      let first = try HybridIndex.open(folder: folder.path, dimension: nil)
      try first.apply(adding: [entry], token: 7)
      try first.flush()
      let second = try HybridIndex.open(folder: folder.path, dimension: nil)
      #expect(first.isDurable && !second.isDurable)
      #expect(second.token == 7 && second.snapshot().count == 1)
      try second.apply(adding: [], removing: [1])
      try second.flush()
      #expect(second.snapshot().count == 0)
      #expect(throws: IndexError.self) { try second.compact() }
      #expect(throws: IndexError.self) { try HybridIndex.discard(folder: folder.path) }
      // What merges in the background keeps the folder a moment longer.
      try await first.close()
    }
    let third = try HybridIndex.open(folder: folder.path, dimension: nil)
    #expect(third.isDurable && third.snapshot().count == 1)
  }

  @Test("Other settings begin a new index; damage is told, and repaired by starting again")
  func damage() throws {
    let folder = try IndexFolder()
    let entries = (0..<50).map {
      IndexEntry(id: Int64($0), document: "d", body: "apple \($0)", vector: [1, 0], readers: [.everyone])
    }
    func fill() throws {
      let index = try HybridIndex.open(folder: folder.path, dimension: 2)
      try index.apply(adding: entries, token: 3)
      try index.flush()
    }
    try fill()
    #expect(try HybridIndex.open(folder: folder.path, dimension: 2).token == 3)
    #expect(try HybridIndex.open(folder: folder.path, dimension: 3).token == 0)
    try fill()
    for name in folder.files where name != "LOCK" {
      let path = folder.path + "/" + name
      let whole = try Data(contentsOf: URL(fileURLWithPath: path))
      for place in stride(from: 0, to: whole.count, by: 61) {
        var damaged = whole
        damaged[place] ^= 0x40
        try damaged.write(to: URL(fileURLWithPath: path))
        // Damage in the gaps between sections is none; anything else is told when the index is opened.
        if let index = try? HybridIndex.open(folder: folder.path, dimension: 2) {
          #expect(index.snapshot().fingerprints() == Set(entries.map(ChunkFingerprint.init)))
        }
      }
      try FileManager.default.removeItem(atPath: path)
      if name != "MANIFEST" {
        #expect(throws: IndexError.self) { try HybridIndex.open(folder: folder.path, dimension: 2) }
      }
      try whole.write(to: URL(fileURLWithPath: path))
    }
    try HybridIndex.discard(folder: folder.path)
    #expect(folder.files == ["LOCK"])
  }
}

@Suite("History")
struct HistoryTests {
  @Test("As of a time, the index is what it was then", arguments: [false, true])
  func asOf(isDurable: Bool) async throws {
    let clock = Mutex(1_000_000.0)
    var model = try DurableModel(seed: 31)
    var options = DurableModel.options()
    options.history = HistoryPolicy(age: .seconds(1000))
    let now: @Sendable () -> Date = { Date(timeIntervalSince1970: clock.withLock { $0 }) }
    options.now = now
    func open() throws -> HybridIndex {
      isDurable
        ? try HybridIndex.open(folder: model.folder.path, dimension: model.content.dimension, options: options)
        : HybridIndex(dimension: model.content.dimension, options: options)
    }
    var index = try open()
    var times: [(date: Date, state: [Int64: IndexEntry])] = []
    for round in 0..<60 {
      clock.withLock { $0 += 10 }
      model.change()
      // Readers are those of now, whatever the time, so this test leaves them alone.
      model.feed[model.feed.count - 1].readers = nil
      try model.catchUp(index)
      times.append((now(), model.state(after: model.feed.count)))
      if round % 20 == 19 { await index.waitForMerges() }
      if isDurable, round % 17 == 16 {
        try index.flush()
        index = HybridIndex(dimension: nil)
        index = try open()
      }
    }
    clock.withLock { $0 += 1 }
    for (date, state) in times {
      for offset in [0, 9.5] {
        let snapshot = try index.snapshot(asOf: date + offset)
        #expect(snapshot.fingerprints() == model.fingerprints(state))
        let (query, all) = (model.content.words(1...4), Principal.anonymous)
        let fresh = HybridIndex(dimension: model.content.dimension)
        try fresh.apply(adding: Array(state.values))
        let now = fresh.snapshot()
        #expect(
          snapshot.lexical(query, limit: 20, within: snapshot.readable(by: all))
            == now.lexical(query, limit: 20, within: now.readable(by: all)))
      }
    }
    #expect(throws: IndexError.self) { try index.snapshot(asOf: Date(timeIntervalSince1970: 999_999)) }
    #expect(index.statistics().historyCount > 0)
    // What is too old goes with the next merge, and can no longer be asked for.
    clock.withLock { $0 += 2000 }
    if isDurable {
      try index.compact()
      #expect(index.statistics().removedCount == 0)
      #expect(throws: IndexError.self) { try index.snapshot(asOf: times[3].date) }
    }
    #expect(try index.snapshot(asOf: now()).fingerprints() == model.fingerprints(times[59].state))
  }

  @Test("Without history, only the present can be searched")
  func none() throws {
    let index = HybridIndex(dimension: nil)
    try index.apply(adding: [IndexEntry(id: 1, document: "a", body: "apple", readers: [.everyone])])
    do {
      _ = try index.snapshot(asOf: Date(timeIntervalSinceNow: -60))
      Issue.record("found")
    } catch {
      #expect(error.code.name == "index_history_unavailable" && error.remedy != nil)
    }
    #expect(try index.snapshot(asOf: Date(timeIntervalSinceNow: 60)).count == 1)
  }

  @Test("No more removed chunks are kept than the policy says, the latest")
  func limit() throws {
    let clock = Mutex(1000.0)
    var options = HybridIndex.Options()
    options.history = HistoryPolicy(age: .seconds(100_000), chunkLimit: 3)
    options.now = { Date(timeIntervalSince1970: clock.withLock { $0 }) }
    options.mergesInBackground = false
    let folder = try IndexFolder()
    let index = try HybridIndex.open(folder: folder.path, dimension: nil, options: options)
    for id in 0..<10 as Range<Int64> {
      clock.withLock { $0 += 1 }
      try index.apply(adding: [IndexEntry(id: id, document: "a", body: "apple", readers: [.everyone])])
    }
    for id in 0..<8 as Range<Int64> {
      clock.withLock { $0 += 1 }
      try index.apply(adding: [], removing: [id])
    }
    try index.compact()
    #expect(index.statistics().historyCount == 3 && index.statistics().chunkCount == 2)
    #expect(try index.snapshot(asOf: Date(timeIntervalSince1970: 1015)).count == 5)
    #expect(throws: IndexError.self) { try index.snapshot(asOf: Date(timeIntervalSince1970: 1014)) }
    try index.compact(forgettingHistory: true)
    #expect(index.statistics().historyCount == 0 && index.statistics().chunkCount == 2)
  }
}
