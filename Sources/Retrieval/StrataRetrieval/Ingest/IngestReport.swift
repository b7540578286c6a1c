// Owns what an ingest tells while it runs and when it is done.
import Foundation
import StrataCore

/// How far an ingest is.
public struct IngestProgress: Sendable, Hashable {
  public var documentsDone = 0
  public var documentsTotal = 0
  public var bytesDone = 0
  public var bytesTotal = 0
  /// Chunks made so far.
  public var chunks = 0
  /// The document that was finished last.
  public var document = ""
  public var elapsed: Duration = .zero

  public init() {}

  public var documentsPerSecond: Double {
    let seconds = elapsed.seconds
    return seconds > 0 ? Double(documentsDone) / seconds : 0
  }

  /// By the bytes that are left; nil before there is anything to judge by.
  public var timeLeft: Duration? {
    guard bytesDone > 0, bytesTotal >= bytesDone else { return nil }
    return .seconds(elapsed.seconds * Double(bytesTotal - bytesDone) / Double(bytesDone))
  }
}

/// What an ingest did.
public struct IngestReport: Sendable {
  /// A document that could not be ingested. The rest of the folder was.
  public struct Failure: Sendable {
    public var document: String
    public var error: any Error
    /// Whether an older version of it can still be found.
    public var keepsPreviousVersion: Bool

    public var reason: String { (error as? any StrataError)?.message ?? "\(error)" }
    public var remedy: String? { (error as? any StrataError)?.remedy }
  }

  /// Something in the folder that is no document.
  public struct Skipped: Sendable, Hashable {
    public var path: String
    public var reason: String
  }

  public var folder: String
  public var added: [String] = []
  public var updated: [String] = []
  public var deleted: [String] = []
  /// Documents of which only the readers changed.
  public var readersChanged: [String] = []
  public var unchanged = 0
  public var failed: [Failure] = []
  public var skipped: [Skipped] = []
  public var warnings: [String] = []
  /// Chunks made, and how many of them needed the embedder.
  public var chunks = 0
  public var embedded = 0
  public var bytes = 0
  public var duration: Duration = .zero
  /// Time by stage; `parse` and `embed` overlap.
  public var stages: [String: Duration] = [:]

  public init(folder: String) { self.folder = folder }

  public var json: JSON {
    func names(_ paths: [String]) -> JSON { .array(paths.map(JSON.string)) }
    return [
      "folder": .string(folder), "added": names(added), "updated": names(updated), "deleted": names(deleted),
      "readers_changed": names(readersChanged), "unchanged": .int(unchanged),
      "failed": .array(
        failed.map { failure in
          [
            "document": .string(failure.document),
            "code": .string((failure.error as? any StrataError)?.code.name ?? "unknown"),
            "reason": .string(failure.reason), "remedy": failure.remedy.map(JSON.string) ?? .null,
            "keeps_previous_version": .bool(failure.keepsPreviousVersion),
          ]
        }),
      "skipped": .array(skipped.map { ["path": .string($0.path), "reason": .string($0.reason)] }),
      "warnings": names(warnings), "chunks": .int(chunks), "embedded": .int(embedded), "bytes": .int(bytes),
      "seconds": .double(duration.seconds),
      "stages": .object(JSONObject(stages.sorted { $0.key < $1.key }.map { ($0.key, .double($0.value.seconds)) })),
    ]
  }
}

extension Duration {
  var seconds: Double { Double(components.seconds) + Double(components.attoseconds) / 1e18 }
}
