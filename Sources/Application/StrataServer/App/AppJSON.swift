// Owns how documents and runs look in the app API.
import Foundation
import StrataCore

extension Date {
  /// ISO 8601 in UTC with milliseconds.
  var jsonText: JSON { .string(formatted(Date.ISO8601FormatStyle(includingFractionalSeconds: true))) }
}

extension AppDocument {
  var json: JSON {
    [
      "path": .string(path), "title": .string(title), "version": .int(version), "state": .string(state.rawValue),
      "chunks": .int(chunkCount), "bytes": .int(byteCount), "media_type": .string(mediaType),
      "modified_at": modifiedAt.jsonText, "readers": .array(readers.map(JSON.string)),
      "problem": problem.map(JSON.string) ?? .null,
    ]
  }
}

extension AppDocumentText {
  var json: JSON {
    [
      "path": .string(path), "version": .int(version), "title": .string(title), "media_type": .string(mediaType),
      "current": .bool(isCurrent), "bytes": .int(text.utf8.count), "text": .string(text),
    ]
  }
}

extension RunSummary {
  var json: JSONObject {
    [
      "run": .string(run), "title": .string(title), "status": .string(status.rawValue), "user": .string(user),
      "started_at": startedAt.jsonText, "updated_at": updatedAt.jsonText, "event_count": .int(eventCount),
    ]
  }
}

extension JournalEvent {
  var json: JSON {
    ["sequence": .int(sequence), "kind": .string(kind), "timestamp": timestamp.jsonText, "payload": payload]
  }
}
