// Owns what somebody may see of runs that were recorded when other permissions held.
import StrataCore

extension AccessGate {
  /// The events of a run as `principal` may see them now. From the first that names a document which they may not read
  /// any more (or which is gone), payloads are withheld: whatever comes after may rest on it.
  public func visible(_ events: [JournalEvent], to principal: Principal) async throws -> [JournalEvent] {
    let access = try await decision(for: principal)
    var known: [String: Bool] = [:]
    var isWithheld = false
    var result: [JournalEvent] = []
    for event in events {
      for path in Self.documents(in: event.payload) where !isWithheld {
        if known[path] == nil {
          let record = try await documents.document(path, version: nil, in: collection)
          known[path] = record.map(access.mayRead) ?? false
        }
        isWithheld = known[path] == false
      }
      guard isWithheld else {
        result.append(event)
        continue
      }
      var withheld = event
      withheld.payload = ["step": event.payload["step"] ?? .null, "withheld": true]
      result.append(withheld)
    }
    return result
  }

  /// What is named as `document` anywhere in a payload.
  private static func documents(in payload: JSON) -> Set<String> {
    var found: Set<String> = []
    var rest = [payload]
    while let value = rest.popLast() {
      switch value {
      case .object(let members):
        if let path = members["document"]?.stringValue { found.insert(path) }
        rest += members.values
      case .array(let elements): rest += elements
      default: break
      }
    }
    return found
  }
}
