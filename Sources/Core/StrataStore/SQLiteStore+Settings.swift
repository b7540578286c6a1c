// Owns groups and settings in the database.
import Foundation
import GRDB
import StrataCore

extension SQLiteStore {
  public func setGroups(_ groups: [String: [String]], in collection: String) async throws {
    try await write { db in
      let collection = try Self.collectionID(db, collection, create: true)
      guard try Self.groups(db, collection) != groups else { return }
      try db.execute(sql: "DELETE FROM groups WHERE collection = ?", arguments: [collection])
      let statement = try db.makeStatement(
        sql: "INSERT INTO groups (collection, name, position, user) VALUES (?, ?, ?, ?)")
      for (name, users) in groups {
        // Position -1 says that the group exists, whether or not somebody is in it.
        try statement.execute(arguments: [collection, name, -1, nil])
        for (position, user) in users.enumerated() {
          try statement.execute(arguments: [collection, name, position, user])
        }
      }
      try Self.logChange(db, collection, "groups")
    }
  }

  public func groups(in collection: String) async throws -> [String: [String]] {
    try await read { db in try Self.groups(db, Self.collectionID(db, collection, create: false)) }
  }

  private static func groups(_ db: Database, _ collection: Int64) throws -> [String: [String]] {
    let rows = try Row.fetchAll(
      db, sql: "SELECT name, user FROM groups WHERE collection = ? ORDER BY name, position", arguments: [collection])
    var groups: [String: [String]] = [:]
    for row in rows {
      let user: String? = row["user"]
      groups[row["name"], default: []] += user.map { [$0] } ?? []
    }
    return groups
  }

  public func setting(_ key: String, in collection: String) async throws -> String? {
    try await read { db in
      try String.fetchOne(
        db, sql: "SELECT value FROM settings WHERE collection = ? AND key = ?",
        arguments: [Self.collectionID(db, collection, create: false), key])
    }
  }

  public func setSetting(_ key: String, to value: String?, in collection: String) async throws {
    try await write { db in
      let collection = try Self.collectionID(db, collection, create: true)
      if let value {
        try db.execute(
          sql: """
            INSERT INTO settings (collection, key, value) VALUES (?, ?, ?)
            ON CONFLICT (collection, key) DO UPDATE SET value = excluded.value
            """, arguments: [collection, key, value])
      } else {
        try db.execute(sql: "DELETE FROM settings WHERE collection = ? AND key = ?", arguments: [collection, key])
      }
    }
  }
}
