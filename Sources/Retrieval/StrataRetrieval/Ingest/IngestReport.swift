// Owns what an ingest tells while it runs and when it is done.
import Foundation
import StrataCore
import Synchronization

/// How far an ingest is.
public struct IngestProgress: Sendable, Hashable {
  public var documentsDone = 0
  public var documentsTotal = 0
  public var bytesDone = 0
  public var bytesTotal = 0
  /// Chunks made so far.
  public var chunks = 0
  /// Texts that have got their vectors, and those that are known to need one so far.
  public var vectorsDone = 0
  public var vectorsTotal = 0
  /// The document that was finished last.
  public var document = ""
  public var elapsed: Duration = .zero

  public init() {}

  public var documentsPerSecond: Double {
    let seconds = elapsed.seconds
    return seconds > 0 ? Double(documentsDone) / seconds : 0
  }

  /// How much of the work is done, from 0 to 1: documents that are stored, and vectors of all there will be, as far as
  /// the bytes that are left tell.
  public var fraction: Double {
    let read = bytesTotal > 0 ? min(1, Double(bytesDone) / Double(bytesTotal)) : documentsTotal > 0 ? 0 : 1
    guard vectorsTotal > 0, read > 0 else { return read }
    return min(read, Double(vectorsDone) * read / Double(vectorsTotal))
  }

  /// Nil before there is anything to judge by.
  public var timeLeft: Duration? {
    let fraction = fraction
    return fraction > 0 ? .seconds(elapsed.seconds * (1 - fraction) / fraction) : nil
  }
}

/// The progress that the stages of an ingest share.
final class IngestMonitor: Sendable {
  private let start = ContinuousClock.now
  private let state = Mutex(IngestProgress())
  private let announce: (@Sendable (IngestProgress) -> Void)?

  init(_ announce: (@Sendable (IngestProgress) -> Void)?) { self.announce = announce }

  func update(_ change: (inout IngestProgress) -> Void) {
    let progress = state.withLock { state in
      change(&state)
      state.elapsed = .now - start
      return state
    }
    announce?(progress)
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

    public init(path: String, reason: String) {
      self.path = path
      self.reason = reason
    }
  }

  /// Address of the source.
  public var source: String
  public var added: [String] = []
  public var updated: [String] = []
  public var deleted: [String] = []
  /// Documents of which only the readers changed.
  public var readersChanged: [String] = []
  public var unchanged = 0
  public var failed: [Failure] = []
  public var skipped: [Skipped] = []
  public var warnings: [String] = []
  /// Chunks made, and texts that needed the embedder.
  public var chunks = 0
  public var embedded = 0
  public var bytes = 0
  public var duration: Duration = .zero
  /// Time by stage, summed over all that run at the same time: `list`, `fetch`, `parse`, `chunk`, `store`, `embed`,
  /// `index`.
  public var stages: [String: Duration] = [:]

  public init(source: String) { self.source = source }

  public var json: JSON {
    func names(_ paths: [String]) -> JSON { .array(paths.map(JSON.string)) }
    return [
      "source": .string(source), "added": names(added), "updated": names(updated), "deleted": names(deleted),
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
