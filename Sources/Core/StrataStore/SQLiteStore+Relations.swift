// Owns relation tuples, their revisions and authorization models in the database. Knows nothing about their meaning.
import Foundation
import GRDB
import StrataCore

extension SQLiteStore: RelationStore {
  /// How many writes the record of changes goes back at least.
  package static let keptRelationRevisions: Int64 = 10_000

  public func relationRevision(in collection: String) async throws -> Int64 {
    try await read { db in try Self.revision(db, Self.collectionID(db, collection, create: false)) }
  }

  public func relations(in collection: String) async throws -> RelationState {
    try await read { db in
      let id = try Self.collectionID(db, collection, create: false)
      let rows = try Row.fetchCursor(db, sql: "SELECT * FROM relation_tuples WHERE collection = ?", arguments: [id])
      return RelationState(
        revision: try Self.revision(db, id), tuples: try Array(rows.map(Self.tuple)), model: try Self.model(db, id))
    }
  }

  public func relationChanges(since revision: Int64, in collection: String) async throws -> RelationChanges? {
    try await read { db in
      let id = try Self.collectionID(db, collection, create: false)
      var changes = RelationChanges(revision: try Self.revision(db, id))
      if changes.revision == revision { return changes }
      // What the caller has seen must still be on record, or something after it may be missing.
      let isOnRecord = try Bool.fetchOne(
        db, sql: "SELECT EXISTS (SELECT 1 FROM relation_revisions WHERE id = ? AND collection = ?)",
        arguments: [revision, id])
      guard isOnRecord == true else { return nil }
      let rows = try Row.fetchCursor(
        db,
        sql: """
          SELECT relation_changes.* FROM relation_changes
          JOIN relation_revisions ON relation_revisions.id = relation_changes.revision
          WHERE relation_revisions.collection = ? AND revision > ? ORDER BY revision, position
          """, arguments: [id, revision])
      while let row = try rows.next() {
        switch row["kind"] as String {
        case "written": changes.changes.append(.written(try Self.tuple(row)))
        case "deleted": changes.changes.append(.deleted(try Self.tuple(row)))
        default: changes.model = RelationChanges.Model(text: try Self.model(db, id))
        }
      }
      return changes
    }
  }

  public func changeRelations(
    writing: [RelationTuple], deleting: [RelationTuple], ifPresent present: [RelationTuple],
    ifAbsent absent: [RelationTuple], ifRevision seen: Int64?, in collection: String
  ) async throws -> Int64 {
    try await write { db in
      let id = try Self.collectionID(db, collection, create: !writing.isEmpty)
      let current = try Self.revision(db, id)
      if let seen, seen != current {
        throw StoreError(
          StoreError.relationConflict, "Relations are at revision \(current), not \(seen).",
          remedy: "Somebody else has written; look again and decide anew.")
      }
      for tuple in present where try Self.stored(db, id, tuple) == nil {
        throw StoreError(StoreError.relationConflict, "The tuple is not there.", location: tuple.description)
      }
      for tuple in absent where try Self.stored(db, id, tuple) != nil {
        throw StoreError(StoreError.relationConflict, "The tuple is there already.", location: tuple.description)
      }
      var log: [(kind: String, tuple: RelationTuple)] = []
      for tuple in deleting where try Self.stored(db, id, tuple) != nil {
        try db.execute(
          sql: "DELETE FROM relation_tuples WHERE " + Self.isKey, arguments: Self.key(id, tuple))
        log.append(("deleted", tuple.key))
      }
      for tuple in writing where try Self.stored(db, id, tuple) != tuple {
        try db.execute(
          sql: """
            INSERT OR REPLACE INTO relation_tuples
            (collection, object_type, object_id, relation, subject, condition, context) VALUES (?, ?, ?, ?, ?, ?, ?)
            """, arguments: Self.key(id, tuple) + Self.condition(tuple))
        log.append(("written", tuple))
      }
      guard !log.isEmpty else { return current }
      let revision = try Self.newRevision(db, id)
      let statement = try db.makeStatement(
        sql: """
          INSERT INTO relation_changes
          (revision, position, kind, object_type, object_id, relation, subject, condition, context)
          VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)
          """)
      for (position, change) in log.enumerated() {
        let tuple = change.tuple
        let start: StatementArguments = [
          revision, position, change.kind, tuple.object.type, tuple.object.id, tuple.relation,
          tuple.subject.description,
        ]
        try statement.execute(arguments: start + Self.condition(tuple))
      }
      return revision
    }
  }

  public func setAuthorizationModel(_ text: String?, in collection: String) async throws -> Int64 {
    try await write { db in
      let id = try Self.collectionID(db, collection, create: text != nil)
      guard try Self.model(db, id) != text else { return try Self.revision(db, id) }
      if let text {
        try db.execute(
          sql: "INSERT OR REPLACE INTO authorization_models (collection, text) VALUES (?, ?)", arguments: [id, text])
      } else {
        try db.execute(sql: "DELETE FROM authorization_models WHERE collection = ?", arguments: [id])
      }
      let revision = try Self.newRevision(db, id)
      try db.execute(
        sql: "INSERT INTO relation_changes (revision, position, kind) VALUES (?, 0, 'model')", arguments: [revision])
      return revision
    }
  }

  public func documentPaths(in collection: String) async throws -> [String] {
    try await read { db in
      try String.fetchAll(
        db, sql: "SELECT path FROM documents WHERE collection = ?",
        arguments: [Self.collectionID(db, collection, create: false)])
    }
  }

  // MARK: Pieces

  private static func revision(_ db: Database, _ collection: Int64) throws -> Int64 {
    try Int64.fetchOne(
      db, sql: "SELECT max(id) FROM relation_revisions WHERE collection = ?", arguments: [collection]) ?? 0
  }

  private static func newRevision(_ db: Database, _ collection: Int64) throws -> Int64 {
    try db.execute(sql: "INSERT INTO relation_revisions (collection) VALUES (?)", arguments: [collection])
    let revision = db.lastInsertedRowID
    if revision % 1024 == 0 {
      try db.execute(
        sql: """
          DELETE FROM relation_revisions WHERE collection = ?1 AND id <
            (SELECT id FROM relation_revisions WHERE collection = ?1 ORDER BY id DESC LIMIT 1 OFFSET ?2)
          """, arguments: [collection, keptRelationRevisions])
    }
    return revision
  }

  private static func model(_ db: Database, _ collection: Int64) throws -> String? {
    try String.fetchOne(db, sql: "SELECT text FROM authorization_models WHERE collection = ?", arguments: [collection])
  }

  private static let isKey = "collection = ? AND object_type = ? AND object_id = ? AND relation = ? AND subject = ?"

  private static func key(_ collection: Int64, _ tuple: RelationTuple) -> StatementArguments {
    [collection, tuple.object.type, tuple.object.id, tuple.relation, tuple.subject.description]
  }

  private static func condition(_ tuple: RelationTuple) -> StatementArguments {
    [tuple.condition?.name, tuple.condition.map { JSON.object($0.context).text() }]
  }

  private static func stored(_ db: Database, _ collection: Int64, _ tuple: RelationTuple) throws -> RelationTuple? {
    try Row.fetchOne(
      db, sql: "SELECT * FROM relation_tuples WHERE " + isKey, arguments: key(collection, tuple)
    ).map(self.tuple)
  }

  private static func tuple(_ row: Row) throws -> RelationTuple {
    guard let subject = RelationSubject(row["subject"] as String) else {
      throw StoreError(StoreError.corrupted, "A tuple names the subject \(row["subject"] as String).")
    }
    var tuple = RelationTuple(
      RelationObject(type: row["object_type"], id: row["object_id"]), row["relation"], subject)
    if let name: String = row["condition"] {
      let context = try JSON(parsing: row["context"] as String? ?? "{}").objectValue ?? [:]
      tuple.condition = RelationCondition(name, context: context)
    }
    return tuple
  }
}
