// Owns the connections to the database file. What is in the tables is in the facets.
import Foundation
import GRDB
import StrataCore
import Synchronization

/// Documents and journal in one SQLite file.
///
/// Write-ahead logging with `synchronous = FULL`: a call that has returned survives a crash and a power cut. Several
/// processes may open the same file; see ``changeToken(in:)`` for how one notices what another did. Deleted content is
/// overwritten (`secure_delete`), not only unlinked; the log may hold a copy of it until ``close()``.
public final class SQLiteStore: Sendable {
  public let path: String
  private let pool: DatabasePool
  private let lastTruncation = Mutex<ContinuousClock.Instant?>(nil)

  /// Opens the file, making it (readable by this user only) when there is none, and brings older files up to date.
  ///
  /// - Throws: ``StoreError`` when the file is another program's, a newer Strata's, damaged, or not writable.
  public convenience init(path: String) throws {
    try self.init(path: path, busyTimeout: 10)
  }

  /// - Parameters:
  ///   - busyTimeout: seconds to wait for another process that writes.
  ///   - pageLimit: most pages of 4 KiB that the file may have, so that a test can fill the disk.
  package init(path: String, busyTimeout: TimeInterval, pageLimit: Int? = nil) throws {
    self.path = path
    do {
      try DatabaseFile.create(at: path)
      var configuration = Configuration()
      configuration.label = "strata"
      configuration.busyMode = .timeout(busyTimeout)
      configuration.prepareDatabase { db in
        try db.execute(sql: "PRAGMA synchronous = FULL")
        try db.execute(sql: "PRAGMA secure_delete = ON")
        if let pageLimit { try db.execute(sql: "PRAGMA max_page_count = \(pageLimit)") }
      }
      try DatabaseFile.refuseForeign(at: path, configuration)
      pool = try DatabasePool(path: path, configuration: configuration)
      try DatabaseFile.migrate(pool, path: path)
    } catch {
      throw StoreError.wrapping(error, path: path)
    }
  }

  /// Checks the file and the consistency of what is in it.
  ///
  /// - Returns: one sentence per problem; empty when all is well.
  public func verify() async throws -> [String] {
    try await read { db in
      var problems = try String.fetchAll(db, sql: "PRAGMA integrity_check").filter { $0 != "ok" }
      for row in try Row.fetchAll(db, sql: "PRAGMA foreign_key_check") {
        problems.append("A row of table \(row[0] as String) refers to a missing row of \(row[2] as String).")
      }
      problems += try String.fetchAll(
        db,
        sql: """
          SELECT 'Document ' || path || ' has no version ' || version || '.' FROM documents
          WHERE NOT EXISTS (SELECT 1 FROM versions WHERE document = documents.id AND number = documents.version)
          UNION ALL
          SELECT 'Version ' || number || ' of ' || path || ' lacks chunks.' FROM versions
          JOIN documents ON documents.id = versions.document
          WHERE chunk_count <> (SELECT count(*) FROM chunks WHERE chunks.version = versions.id)
          UNION ALL
          SELECT 'Chunk ' || chunks.id || ' lies outside its text.' FROM chunks
          JOIN versions ON versions.id = chunks.version
          WHERE start_byte < 0 OR end_byte < start_byte OR end_byte > length(versions.text)
          UNION ALL
          SELECT 'The vector ' || id || ' is broken.' FROM embeddings WHERE length(vector) % 4 <> 0
          UNION ALL
          SELECT 'Run ' || run || ' lacks events.' FROM runs
          WHERE event_count <> (SELECT count(*) FROM events WHERE events.run = runs.id)
            OR event_count <> (SELECT coalesce(max(sequence), -1) + 1 FROM events WHERE events.run = runs.id)
          """)
      return problems
    }
  }

  /// Empties the log and closes the connections. Calls that come later throw.
  public func close() throws {
    _ = try? pool.writeWithoutTransaction { db in try db.checkpoint(.truncate) }
    try pool.close()
  }

  // MARK: Access, for the facets

  func read<T: Sendable>(_ body: @escaping @Sendable (Database) throws -> T) async throws -> T {
    do { return try await pool.read(body) } catch { throw StoreError.wrapping(error, path: path) }
  }

  /// Empties the write-ahead log, which would keep deleted text until it is written over; at most once a second, since
  /// it takes several disk flushes. Readers in other processes may forbid it for the moment, which is no failure.
  func truncateLogNowAndThen() async {
    let isDue = lastTruncation.withLock { last in
      if let last, ContinuousClock.now - last < .seconds(1) { return false }
      last = .now
      return true
    }
    guard isDue else { return }
    _ = try? await pool.writeWithoutTransaction { db in
      // A tenth of the file may be empty: what is deleted is often followed by something new.
      let (free, all) = try Self.pageCounts(db)
      if free > 256, free > all / 10 { try db.execute(sql: "PRAGMA incremental_vacuum(\(free - all / 20))") }
      try db.checkpoint(.truncate)
    }
  }

  private static func pageCounts(_ db: Database) throws -> (free: Int, all: Int) {
    (
      try Int.fetchOne(db, sql: "PRAGMA freelist_count") ?? 0, try Int.fetchOne(db, sql: "PRAGMA page_count") ?? 0
    )
  }

  /// Gives the space of what was deleted back to the disk. Deleting does so by itself now and then, but not to the last
  /// page, and not in a file that an early version of Strata made.
  public func reclaim() async throws { try await reclaim { _ in } }

  /// The same to the last page: trees from which much was deleted are packed again. Takes as long as reading the file.
  ///
  /// - Parameter changeLimit: how many changes each collection's feed keeps. An index that has not followed so far has to
  ///   read the whole store again.
  public func compact(changeLimit: Int64) async throws {
    try await reclaim { db in
      try Self.cutChanges(db, to: changeLimit)
      // Keys that are hashes leave holes all over their index, which no page that is free shows.
      try db.execute(sql: "REINDEX")
    }
  }

  private func reclaim(after body: @escaping @Sendable (Database) throws -> Void) async throws {
    do {
      try await pool.writeWithoutTransaction { db in
        try body(db)
        if try Int.fetchOne(db, sql: "PRAGMA auto_vacuum") == 0 {
          try db.execute(sql: "PRAGMA auto_vacuum = INCREMENTAL")
          try db.execute(sql: "VACUUM")
        } else if try Self.pageCounts(db).free > 0 {
          try db.execute(sql: "PRAGMA incremental_vacuum")
        }
        try db.checkpoint(.truncate)
      }
    } catch { throw StoreError.wrapping(error, path: path) }
  }

  /// Runs `body` in one transaction that other processes see whole or not at all.
  ///
  /// A cancelled caller's writes still happen: that a run was cancelled must get into the journal too.
  func write<T: Sendable>(_ body: @escaping @Sendable (Database) throws -> T) async throws -> T {
    // A task of its own, since the library refuses to work for cancelled ones.
    try await Task { try await transaction(body) }.value
  }

  private func transaction<T: Sendable>(_ body: @escaping @Sendable (Database) throws -> T) async throws -> T {
    do {
      return try await pool.writeWithoutTransaction { db in
        var result: T?
        // Takes the write lock at once: upgrading a read lock later could fail although nobody is to blame.
        try db.inTransaction(.immediate) {
          result = try body(db)
          return .commit
        }
        guard let result else { throw StoreError(StoreError.unexpected, "A transaction ended without a result.") }
        return result
      }
    } catch { throw StoreError.wrapping(error, path: path) }
  }
}
