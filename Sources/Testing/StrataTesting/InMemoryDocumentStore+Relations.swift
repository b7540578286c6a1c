// Owns relation tuples without a disk.
import StrataCore

/// The relations of one collection, with everything that ever happened to them.
struct InMemoryRelations {
  private enum Event {
    case change(RelationChanges.Change)
    case model
  }

  private(set) var tuples: [RelationTuple: RelationTuple] = [:]
  private(set) var model: String?
  private var log: [[Event]] = []
  var revision: Int64 { Int64(log.count) }

  func changes(since seen: Int64) -> RelationChanges? {
    guard seen > 0, seen <= revision else { return nil }
    var changes = RelationChanges(revision: revision)
    for event in log[Int(seen)...].joined() {
      switch event {
      case .change(let change): changes.changes.append(change)
      case .model: changes.model = RelationChanges.Model(text: model)
      }
    }
    return changes
  }

  mutating func change(writing: [RelationTuple], deleting: [RelationTuple]) {
    var events: [Event] = []
    for tuple in deleting where tuples.removeValue(forKey: tuple.key) != nil {
      events.append(.change(.deleted(tuple.key)))
    }
    for tuple in writing where tuples[tuple.key] != tuple {
      tuples[tuple.key] = tuple
      events.append(.change(.written(tuple)))
    }
    if !events.isEmpty { log.append(events) }
  }

  mutating func setModel(_ text: String?) {
    guard text != model else { return }
    model = text
    log.append([.model])
  }
}

/// What a writer of relations wanted to be so is not.
public struct InMemoryRelationConflict: StrataError {
  public let code = ErrorCode("store_relation_conflict", .conflict)
  public let message = "The relations are not as the writer wants them to be."
}

extension InMemoryDocumentStore: RelationStore {
  public func relationRevision(in collection: String) -> Int64 { relationTables[collection]?.revision ?? 0 }

  public func relations(in collection: String) -> RelationState {
    let table = relationTables[collection] ?? InMemoryRelations()
    return RelationState(revision: table.revision, tuples: Array(table.tuples.values), model: table.model)
  }

  public func relationChanges(since revision: Int64, in collection: String) -> RelationChanges? {
    (relationTables[collection] ?? InMemoryRelations()).changes(since: revision)
  }

  public func changeRelations(
    writing: [RelationTuple], deleting: [RelationTuple], ifPresent present: [RelationTuple],
    ifAbsent absent: [RelationTuple], ifRevision revision: Int64?, in collection: String
  ) throws -> Int64 {
    var table = relationTables[collection] ?? InMemoryRelations()
    guard revision == nil || revision == table.revision, present.allSatisfy({ table.tuples[$0.key] != nil }),
      absent.allSatisfy({ table.tuples[$0.key] == nil })
    else { throw InMemoryRelationConflict() }
    table.change(writing: writing, deleting: deleting)
    relationTables[collection] = table
    return table.revision
  }

  public func documentPaths(in collection: String) -> [String] { documents(in: collection).map(\.path) }

  public func setAuthorizationModel(_ text: String?, in collection: String) -> Int64 {
    relationTables[collection, default: InMemoryRelations()].setModel(text)
    return relationRevision(in: collection)
  }
}
