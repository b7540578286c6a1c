// Owns what happens before a database file is used: making it, refusing it, bringing it up to date.
import Foundation
import GRDB
import StrataCore

enum DatabaseFile {
  static func create(at path: String) throws {
    let manager = FileManager.default
    guard !manager.fileExists(atPath: path) else { return }
    let folder = URL(fileURLWithPath: path).deletingLastPathComponent().path
    if !manager.fileExists(atPath: folder) {
      do {
        try manager.createDirectory(
          atPath: folder, withIntermediateDirectories: true, attributes: [.posixPermissions: 0o700])
      } catch {
        throw StoreError(
          StoreError.notAccessible, "The folder \(folder) cannot be made.",
          remedy: "Choose another place with STRATA_HOME.", location: path, cause: error)
      }
    }
    // SQLite gives its -wal and -shm files the mode of the database file.
    let descriptor = open(path, O_CREAT | O_EXCL | O_RDWR | O_CLOEXEC, 0o600)
    guard descriptor >= 0 else { return }
    _ = close(descriptor)
    // Only an empty file takes this; older ones get it with the first `reclaim()`. It takes a write lock, so it is not
    // said with every connection.
    var configuration = Configuration()
    configuration.busyMode = .timeout(10)
    let queue = try DatabaseQueue(path: path, configuration: configuration)
    try queue.writeWithoutTransaction { db in try db.execute(sql: "PRAGMA auto_vacuum = INCREMENTAL") }
    try queue.close()
  }

  static func refuseForeign(at path: String, _ configuration: Configuration) throws {
    let queue = try DatabaseQueue(path: path, configuration: configuration)
    let (application, tables) = try queue.read { db in
      (
        try Int32.fetchOne(db, sql: "PRAGMA application_id") ?? 0,
        try Int.fetchOne(db, sql: "SELECT count(*) FROM sqlite_schema WHERE tbl_name <> 'grdb_migrations'") ?? 0
      )
    }
    try queue.close()
    guard application == Schema.applicationID || application == 0 && tables == 0 else {
      throw StoreError(
        StoreError.foreignFile, "The file is a database, but not one of Strata's.",
        remedy: "Choose another file, or another folder with STRATA_HOME.", location: path)
    }
  }

  static func migrate(_ pool: DatabasePool, path: String) throws {
    let migrator = Schema.migrator
    for attempt in 1...5 {
      if try pool.read(migrator.hasBeenSuperseded) {
        throw StoreError(
          StoreError.futureVersion, "A newer version of Strata made this database.",
          remedy: "Update Strata, or choose another folder with STRATA_HOME.", location: path)
      }
      if try pool.read(migrator.hasCompletedMigrations) { return }
      do {
        try migrator.migrate(pool)
        return
      } catch let error as DatabaseError {
        // Two processes that open a new file at once: the slower one finds the tables made.
        if attempt == 5 { throw error }
        usleep(50_000)
      }
    }
  }
}
