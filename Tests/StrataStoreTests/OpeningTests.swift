// Tests opening: modes, foreign, future, broken and locked files, two processes, crashes.
import Foundation
import StrataCore
import StrataStore
import Testing

@Suite("SQLiteStore opening")
struct OpeningTests {
  let folder: TemporaryFolder

  init() throws { folder = try TemporaryFolder() }

  static let hasPython = FileManager.default.isExecutableFile(atPath: "/usr/bin/python3")

  /// Python's sqlite3 module plays the other program.
  private func python(_ script: String, _ arguments: String...) -> Process {
    let process = Process()
    process.executableURL = URL(fileURLWithPath: "/usr/bin/python3")
    process.arguments = ["-c", script] + arguments
    return process
  }

  private func sqlite(_ path: String, _ sql: String) throws {
    let process = python("import sqlite3, sys; sqlite3.connect(sys.argv[1]).executescript(sys.argv[2])", path, sql)
    try process.run()
    process.waitUntilExit()
    #expect(process.terminationStatus == 0)
  }

  private func code(opening path: String) -> ErrorCode? {
    do {
      _ = try SQLiteStore(path: path)
      return nil
    } catch {
      let remedy = (error as? StoreError)?.remedy
      #expect(remedy != nil, "\(error)")
      return (error as? StoreError)?.code
    }
  }

  @Test("A new database is for its owner's eyes only, in folders that are made as needed")
  func mode() async throws {
    let path = folder.file("deep/er/strata.sqlite")
    let store = try SQLiteStore(path: path)
    try await store.put("a", "one")
    for suffix in ["", "-wal", "-shm"] {
      let mode = try FileManager.default.attributesOfItem(atPath: path + suffix)[.posixPermissions] as? Int
      #expect(mode == 0o600)
    }
    #expect(try await store.verify().isEmpty)
  }

  @Test(
    "Other programs' databases, files of a newer Strata and files that are no database are refused",
    .enabled(if: hasPython, "no python3"))
  func refusals() async throws {
    let foreign = folder.file("foreign.sqlite")
    try sqlite(foreign, "CREATE TABLE t(x)")
    #expect(code(opening: foreign) == StoreError.foreignFile)

    let future = folder.file("future.sqlite")
    try SQLiteStore(path: future).close()
    try sqlite(future, "INSERT INTO grdb_migrations VALUES ('999 from the future')")
    #expect(code(opening: future) == StoreError.futureVersion)

    let noise = folder.file("noise.sqlite")
    try Data((0..<9000).map { UInt8(truncatingIfNeeded: $0 * 7 + 3) }).write(to: URL(fileURLWithPath: noise))
    #expect(code(opening: noise) == StoreError.corrupted)

    #expect(code(opening: "/proc/nowhere/strata.sqlite") == StoreError.notAccessible)
    #expect(code(opening: folder.path) == StoreError.notAccessible)
  }

  @Test("verify finds what was tampered with", .enabled(if: hasPython, "no python3"))
  func verify() async throws {
    let path = folder.file("strata.sqlite")
    let store = try SQLiteStore(path: path)
    try await store.put("a", "one two")
    try await store.put("b", "three")
    #expect(try await store.verify().isEmpty)
    try sqlite(
      path, "DELETE FROM chunks WHERE ordinal = 1; UPDATE chunks SET end_byte = 999 WHERE text = CAST('three' AS BLOB)")
    #expect(try await store.verify().count == 2)
  }

  @Test("A process that holds the lock too long makes a clear error, not a hang", .enabled(if: hasPython, "no python3"))
  func locked() async throws {
    let path = folder.file("strata.sqlite")
    let store = try SQLiteStore(path: path, busyTimeout: 0.1)
    let holder = python(
      """
      import sqlite3, sys
      connection = sqlite3.connect(sys.argv[1], isolation_level=None)
      connection.execute('BEGIN IMMEDIATE')
      print('locked', flush=True)
      sys.stdin.read()
      """, path)
    let (output, input) = (Pipe(), Pipe())
    holder.standardOutput = output
    holder.standardInput = input
    try holder.run()
    _ = output.fileHandleForReading.availableData
    let error = await #expect(throws: StoreError.self) { try await store.put("a", "one") }
    #expect(error?.code == StoreError.locked)
    #expect(try await store.documents(in: "main").isEmpty)
    try input.fileHandleForWriting.close()
    holder.waitUntilExit()
    try await store.put("a", "one")
  }

  @Test("Several processes may open a new file at once")
  func concurrentOpening() async throws {
    for round in 0..<5 {
      let path = folder.file("new\(round).sqlite")
      try await withThrowingTaskGroup(of: Void.self) { group in
        for number in 0..<4 {
          group.addTask { try await SQLiteStore(path: path).put("doc\(number)", "text") }
        }
        try await group.waitForAll()
      }
      #expect(try await SQLiteStore(path: path).documents(in: "main").count == 4)
    }
  }

  @Test("A full disk is said to be full, and what was there stays")
  func diskFull() async throws {
    let store = try SQLiteStore(path: folder.file("strata.sqlite"), busyTimeout: 1, pageLimit: 120)
    var saved = 0
    let text = (0..<500).map { "word\($0)" }.joined(separator: " ")
    let error = await #expect(throws: StoreError.self) {
      for number in 0..<100 {
        try await store.put("doc\(number)", text)
        saved += 1
      }
    }
    #expect(error?.code == StoreError.diskFull && error?.remedy != nil)
    #expect(saved > 0)
    #expect(try await store.documents(in: "main").count == saved)
    #expect(try await store.chunks(in: "main").count == saved * 500)
    #expect(try await store.verify().isEmpty)
  }

  @Test("After kill -9 at any moment every document is whole or absent and the journal has no gap", arguments: 0..<10)
  func crash(round: Int) async throws {
    let path = folder.file("strata.sqlite")
    let delay = 20 + 35 * round
    await #expect(processExitsWith: .signal(SIGKILL)) { [path = path as String, delay = delay as Int] in
      let store = try SQLiteStore(path: path)
      let killer = Thread {
        usleep(UInt32(delay) * 1000)
        kill(getpid(), SIGKILL)
      }
      killer.start()
      try await store.open(run: "r", principal: .anonymous, title: "")
      for step in 0..<1_000_000 {
        try await store.put("doc\(step % 7)", (0...30).map { "word\($0)" }.joined(separator: " "))
        try await store.append(
          JournalEvent(run: "r", sequence: step, kind: "saved", payload: .int(step), timestamp: .now))
        if step % 5 == 4 { _ = try await store.delete("doc\(step % 3)", in: "main") }
      }
    }
    let store = try SQLiteStore(path: path)
    #expect(try await store.verify().isEmpty)
    let chunks = try await store.chunks(in: "main")
    let documents = try await store.documents(in: "main")
    #expect(chunks.count == documents.count * 31)
    for document in documents {
      #expect(chunks.count { $0.document == document.path && $0.version == document.version } == 31)
    }
    let events = try await store.events(of: "r")
    #expect(events.map(\.sequence) == Array(0..<events.count))
    try await store.put("after", "life goes on")
  }
}
