// Owns how facts and episodes become entries of an index, and which of them a question may look at. Knows nothing about
// how they came to be believed.
import Foundation
import StrataCore
import StrataIndex

/// Every row of a tenant's memory, rows of the past included: when a row holds, and when it was believed, are fields of its
/// entry, so that each search chooses its moment on both axes.
struct MemorySource: IndexSource {
  let store: any MemoryStore
  let tenant: String
  let dimension: Int?

  /// Part of the identity of an index: another value means that every row has to be indexed again.
  static let revision = 1

  // MARK: Ids

  /// Facts and episodes are numbered each for themselves; an entry's last bit says which it is.
  enum Row: Sendable, Hashable {
    case fact(Int64)
    case episode(Int64)

    init(entry: Int64) { self = entry & 1 == 0 ? .fact(entry >> 1) : .episode(entry >> 1) }

    var entry: Int64 {
      switch self {
      case .fact(let id): id << 1
      case .episode(let id): id << 1 | 1
      }
    }
  }

  // MARK: Entries

  private static let (kind, agent) = ("kind", "agent")
  private static let (validFrom, validTo) = ("valid_from", "valid_to")
  private static let (recordedAt, retractedAt) = ("recorded_at", "retracted_at")

  private func entry(_ fact: MemoryFact) -> IndexEntry {
    var fields = [
      Self.kind: FieldValue.string(MemoryKind.fact.rawValue), Self.agent: .string(fact.scope.agent),
      Self.validFrom: .date(fact.validFrom), Self.recordedAt: .date(fact.recordedAt),
    ]
    fields[Self.validTo] = fact.validTo.map(FieldValue.date)
    fields[Self.retractedAt] = fact.retractedAt.map(FieldValue.date)
    return IndexEntry(
      id: Row.fact(fact.id).entry, document: Self.document(fact.scope),
      body: "\(fact.subject) \(fact.predicate) \(fact.object). \(fact.text)", vector: vector(fact.embedding),
      readers: fact.readers, fields: fields, since: fact.recordedAt)
  }

  private func entry(_ episode: MemoryEpisode) -> IndexEntry {
    IndexEntry(
      id: Row.episode(episode.id).entry, document: Self.document(episode.scope), body: episode.text,
      vector: vector(episode.embedding), readers: episode.readers,
      fields: [
        Self.kind: .string(MemoryKind.episode.rawValue), Self.agent: .string(episode.scope.agent),
        Self.validFrom: .date(episode.occurredAt), Self.recordedAt: .date(episode.recordedAt),
      ], since: episode.recordedAt)
  }

  private static func document(_ scope: MemoryScope) -> String { "\(scope.user)/\(scope.agent)" }

  private func vector(_ embedding: [Float]?) -> [Float]? { embedding?.count == dimension ? embedding : nil }

  /// What holds at `time` as it was believed at `knownAt`: ``MemoryFact/holds(at:knownAt:)`` as a condition on fields.
  ///
  /// It says what must not be rather than what must: of the present, hardly a row begins in the future, and an index looks
  /// at as many rows as there are in a range.
  static func holding(_ kind: MemoryKind, of agent: String, at time: Date, knownAt: Date) -> Filter {
    func after(_ date: Date) -> FieldRange { FieldRange(from: .date(date), includesLower: false) }
    func upTo(_ date: Date) -> FieldRange { FieldRange(through: .date(date)) }
    return .and([
      .equals(self.kind, .string(kind.rawValue)), .equals(self.agent, .string(agent)),
      .not(.range(validFrom, after(time))), .not(.range(validTo, upTo(time))),
      .not(.range(recordedAt, after(knownAt))), .not(.range(retractedAt, upTo(knownAt))),
    ])
  }

  // MARK: Following

  func token() async throws -> Int64? { try await store.memoryToken(tenant: tenant) }

  func changes(since token: Int64) async throws -> IndexChanges? {
    guard let (rows, token) = try await store.memoryChanges(since: token, tenant: tenant) else { return nil }
    let touched = Self.entries(rows)
    let entries = try await entries(touched)
    // What was touched and is not there any more was erased.
    let gone = Set(touched).subtracting(entries.map(\.id))
    return IndexChanges(token: token, entries: entries, removed: gone.sorted())
  }

  func ids() async throws -> [Int64] { Self.entries(try await store.memoryRows(tenant: tenant)) }

  private static func entries(_ rows: MemoryRows) -> [Int64] {
    rows.facts.map { Row.fact($0).entry } + rows.episodes.map { Row.episode($0).entry }
  }

  func entries(_ ids: [Int64]) async throws -> [IndexEntry] {
    var rows = MemoryRows()
    for id in ids {
      switch Row(entry: id) {
      case .fact(let id): rows.facts.append(id)
      case .episode(let id): rows.episodes.append(id)
      }
    }
    var entries: [IndexEntry] = []
    if !rows.facts.isEmpty { entries += try await store.facts(ids: rows.facts, tenant: tenant).map(entry) }
    if !rows.episodes.isEmpty { entries += try await store.episodes(ids: rows.episodes, tenant: tenant).map(entry) }
    return entries
  }

  func name(_ id: Int64, document: String?) -> String {
    let row =
      switch Row(entry: id) {
      case .fact(let id): "Fact \(id)"
      case .episode(let id): "Episode \(id)"
      }
    return row + (document.map { " of \($0)" } ?? "")
  }
}

/// What a row of a memory is.
enum MemoryKind: String, Sendable {
  case fact, episode
}
