// Owns a journal without a disk, for tests of everything that writes to one.
import StrataCore

/// A ``Journal`` in memory with the same conflicts as the durable one.
public actor InMemoryJournal: Journal {
  private var summaries: [String: RunSummary] = [:]
  private var log: [String: [JournalEvent]] = [:]
  private var order: [String] = []

  public init() {}

  public struct Conflict: StrataError {
    public let code = ErrorCode("journal_conflict", .conflict)
    public let message: String
  }

  public func open(run: String, principal: Principal, title: String) throws {
    guard summaries[run] == nil else { throw Conflict(message: "Run \(run) exists.") }
    summaries[run] = RunSummary(
      run: run, tenant: principal.tenant, user: principal.user, title: title, status: .running, startedAt: .now,
      updatedAt: .now, eventCount: 0)
    log[run] = []
    order.append(run)
  }

  public func append(_ event: JournalEvent) throws {
    guard let events = log[event.run], events.count == event.sequence else {
      throw Conflict(message: "Run \(event.run) has no place for event \(event.sequence).")
    }
    log[event.run, default: []].append(event)
    summaries[event.run]?.eventCount += 1
    summaries[event.run]?.updatedAt = event.timestamp
  }

  public func setStatus(_ status: RunStatus, of run: String) { summaries[run]?.status = status }
  public func events(of run: String) -> [JournalEvent] { log[run] ?? [] }
  public func summary(of run: String) -> RunSummary? { summaries[run] }
  public func runs(limit: Int, status: RunStatus?) -> [RunSummary] {
    Array(order.reversed().compactMap { summaries[$0] }.filter { status == nil || $0.status == status }.prefix(limit))
  }
}
