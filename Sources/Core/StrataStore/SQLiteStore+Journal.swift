// Owns runs and their events in the database.
import Foundation
import GRDB
import StrataCore

extension SQLiteStore: Journal {
  public func open(run: String, principal: Principal, title: String) async throws {
    let now = Date.now.timeIntervalSinceReferenceDate
    try await write { db in
      if try Bool.fetchOne(db, sql: "SELECT 1 FROM runs WHERE run = ?", arguments: [run]) != nil {
        throw StoreError(StoreError.runExists, "Run \(run) exists already.", location: run)
      }
      try db.execute(
        sql: """
          INSERT INTO runs (run, tenant, user, title, status, started_at, updated_at) VALUES (?, ?, ?, ?, ?, ?, ?)
          """,
        arguments: [run, principal.tenant, principal.user, title, RunStatus.running.rawValue, now, now])
    }
  }

  public func append(_ event: JournalEvent) async throws {
    let payload = event.payload.text()
    do { _ = try JSON(parsing: payload) } catch {
      // Better refused now than unreadable when the run is resumed.
      throw StoreError(
        StoreError.invalidRecord, "The payload of a \(event.kind) event is nested too deeply.", location: event.run,
        cause: error)
    }
    let time = event.timestamp.timeIntervalSinceReferenceDate
    try await write { db in
      guard
        let row = try Row.fetchOne(db, sql: "SELECT id, event_count FROM runs WHERE run = ?", arguments: [event.run])
      else { throw Self.missing(event.run) }
      let count: Int = row["event_count"]
      guard event.sequence == count else {
        throw StoreError(
          StoreError.eventConflict, "Run \(event.run) is at event \(count), not \(event.sequence).",
          remedy: "Another process owns the run, or an event was skipped; read the run again.", location: event.run)
      }
      try db.execute(
        sql: "INSERT INTO events (run, sequence, kind, payload, timestamp) VALUES (?, ?, ?, ?, ?)",
        arguments: [row["id"] as Int64, event.sequence, event.kind, payload, time])
      try db.execute(
        sql: "UPDATE runs SET event_count = event_count + 1, updated_at = ? WHERE id = ?",
        arguments: [time, row["id"] as Int64])
      if event.kind == "answer.completed" { try Self.noteCitations(db, of: row["id"], event.payload) }
    }
  }

  public func setStatus(_ status: RunStatus, of run: String) async throws {
    let now = Date.now.timeIntervalSinceReferenceDate
    try await write { db in
      try db.execute(
        sql: "UPDATE runs SET status = ?, updated_at = ? WHERE run = ?", arguments: [status.rawValue, now, run])
      if db.changesCount == 0 { throw Self.missing(run) }
    }
  }

  public func events(of run: String) async throws -> [JournalEvent] {
    try await read { db in
      try Row.fetchAll(
        db,
        sql: """
          SELECT events.* FROM events JOIN runs ON runs.id = events.run WHERE runs.run = ? ORDER BY sequence
          """, arguments: [run]
      ).map { row in
        JournalEvent(
          run: run, sequence: row["sequence"], kind: row["kind"], payload: try JSON(parsing: row["payload"] as String),
          timestamp: Date(timeIntervalSinceReferenceDate: row["timestamp"]))
      }
    }
  }

  public func summary(of run: String) async throws -> RunSummary? {
    try await read { db in
      try Row.fetchOne(db, sql: "SELECT * FROM runs WHERE run = ?", arguments: [run]).map(Self.summary)
    }
  }

  public func runs(limit: Int, status: RunStatus?) async throws -> [RunSummary] {
    try await read { db in
      try Row.fetchAll(
        db, sql: "SELECT * FROM runs WHERE ?1 IS NULL OR status = ?1 ORDER BY id DESC LIMIT ?2",
        arguments: [status?.rawValue, max(0, limit)]
      ).map(Self.summary)
    }
  }

  private static func missing(_ run: String) -> StoreError {
    StoreError(StoreError.noSuchRun, "There is no run \(run).", location: run)
  }

  private static func summary(_ row: Row) -> RunSummary {
    RunSummary(
      run: row["run"], tenant: row["tenant"], user: row["user"], title: row["title"],
      status: RunStatus(rawValue: row["status"]) ?? .failed,
      startedAt: Date(timeIntervalSinceReferenceDate: row["started_at"]),
      updatedAt: Date(timeIntervalSinceReferenceDate: row["updated_at"]), eventCount: row["event_count"])
  }
}
