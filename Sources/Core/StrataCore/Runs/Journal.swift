// Owns the record of what an agent did, and the protocol of the journal that keeps it.
import Foundation

/// One fact of a run. Sequence numbers of a run start at 0 and have no gaps.
public struct JournalEvent: Sendable, Hashable {
  public var run: String
  public var sequence: Int
  /// For example `run.started`, `step.planned`, `tool.completed`.
  public var kind: String
  public var payload: JSON
  public var timestamp: Date

  public init(run: String, sequence: Int, kind: String, payload: JSON, timestamp: Date) {
    self.run = run
    self.sequence = sequence
    self.kind = kind
    self.payload = payload
    self.timestamp = timestamp
  }
}

public enum RunStatus: String, Sendable, Hashable {
  case running, completed, failed, cancelled
}

public struct RunSummary: Sendable, Hashable {
  public var run: String
  public var tenant: String
  public var user: String
  public var title: String
  public var status: RunStatus
  public var startedAt: Date
  public var updatedAt: Date
  public var eventCount: Int

  public init(
    run: String, tenant: String, user: String, title: String, status: RunStatus, startedAt: Date, updatedAt: Date,
    eventCount: Int
  ) {
    self.run = run
    self.tenant = tenant
    self.user = user
    self.title = title
    self.status = status
    self.startedAt = startedAt
    self.updatedAt = updatedAt
    self.eventCount = eventCount
  }
}

/// Append-only, durable: an event is on disk when `append` returns.
public protocol Journal: Sendable {
  /// Registers a run. - Throws: conflict when the id exists.
  func open(run: String, principal: Principal, title: String) async throws
  /// Appends after `sequence - 1`.
  /// - Throws: conflict when an event with this or a later sequence exists: another process owns the run.
  func append(_ event: JournalEvent) async throws
  func setStatus(_ status: RunStatus, of run: String) async throws
  func events(of run: String) async throws -> [JournalEvent]
  func summary(of run: String) async throws -> RunSummary?
  /// Newest first.
  func runs(limit: Int, status: RunStatus?) async throws -> [RunSummary]
}
