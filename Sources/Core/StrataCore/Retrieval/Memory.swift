// Owns what a memory holds, facts and episodes with both of their times, and the protocols of who keeps and who uses it.
// Knows nothing about how facts are found in text or ranked.
import Foundation

/// Whose memory it is. An agent remembers for one user; what one user tells is never recalled for another unless the
/// readers say so.
public struct MemoryScope: Sendable, Hashable {
  public var tenant: String
  public var user: String
  public var agent: String

  public init(tenant: String = "default", user: String, agent: String = "assistant") {
    self.tenant = tenant
    self.user = user
    self.agent = agent
  }

  public init(_ principal: Principal, agent: String = "assistant") {
    self.init(tenant: principal.tenant, user: principal.user, agent: agent)
  }
}

/// Something that was said to hold, with the two times of a bi-temporal table (Snodgrass, "Developing Time-Oriented
/// Database Applications in SQL", 2000): when it holds in the world, and when this memory believed it.
///
/// A row is never changed but for ``retractedAt``, ``confirmations`` and what forgetting erases: what was believed at
/// an earlier moment can always be asked for.
public struct MemoryFact: Sendable, Hashable {
  /// Given by the store, never used twice; 0 before that.
  public var id: Int64
  public var scope: MemoryScope
  /// Whom or what it is about; `user` for the user themselves.
  public var subject: String
  /// What is said of it, for example `lives in`.
  public var predicate: String
  public var object: String
  /// The sentence that people and models read.
  public var text: String
  /// Whether the subject has one such object at a time, so that a newer one takes its place.
  public var isSingle: Bool
  /// From when on it holds in the world.
  public var validFrom: Date
  /// Until when, exclusively; nil while no end is known.
  public var validTo: Date?
  /// When this memory learned it.
  public var recordedAt: Date
  /// When this memory stopped believing the row; nil while it does.
  public var retractedAt: Date?
  /// How often it was said.
  public var confirmations: Int
  /// 0…1; what is least important goes first when the quota is reached.
  public var importance: Double
  /// Nobody else recalls it. Never empty in practice: the user at least.
  public var readers: [Reader]
  /// The episode that it was found in.
  public var episode: Int64?
  /// Normalized; nil without an embedder.
  public var embedding: [Float]?

  public init(
    id: Int64 = 0, scope: MemoryScope, subject: String, predicate: String, object: String, text: String,
    isSingle: Bool = false, validFrom: Date, validTo: Date? = nil, recordedAt: Date, retractedAt: Date? = nil,
    confirmations: Int = 1, importance: Double = 0.5, readers: [Reader], episode: Int64? = nil,
    embedding: [Float]? = nil
  ) {
    self.id = id
    self.scope = scope
    self.subject = subject
    self.predicate = predicate
    self.object = object
    self.text = text
    self.isSingle = isSingle
    self.validFrom = validFrom
    self.validTo = validTo
    self.recordedAt = recordedAt
    self.retractedAt = retractedAt
    self.confirmations = confirmations
    self.importance = importance
    self.readers = readers
    self.episode = episode
    self.embedding = embedding
  }

  /// Whether the row holds at `time`, as this memory believed at `knownAt`.
  public func holds(at time: Date, knownAt: Date) -> Bool {
    recordedAt <= knownAt && (retractedAt.map { knownAt < $0 } ?? true)
      && validFrom <= time && (validTo.map { time < $0 } ?? true)
  }
}

/// Something that happened: what was said in one exchange.
public struct MemoryEpisode: Sendable, Hashable {
  public var id: Int64
  public var scope: MemoryScope
  public var text: String
  public var occurredAt: Date
  public var recordedAt: Date
  /// The run that it comes from, if one does.
  public var run: String?
  public var readers: [Reader]
  /// Whether facts have been looked for in it.
  public var isExtracted: Bool
  /// Normalized; nil without an embedder.
  public var embedding: [Float]?

  public init(
    id: Int64 = 0, scope: MemoryScope, text: String, occurredAt: Date, recordedAt: Date, run: String? = nil,
    readers: [Reader], isExtracted: Bool = false, embedding: [Float]? = nil
  ) {
    self.id = id
    self.scope = scope
    self.text = text
    self.occurredAt = occurredAt
    self.recordedAt = recordedAt
    self.run = run
    self.readers = readers
    self.isExtracted = isExtracted
    self.embedding = embedding
  }
}

/// One change of a memory; all of it happens or nothing.
public struct MemoryChange: Sendable, Hashable {
  /// Rows to add.
  public var added: [MemoryFact] = []
  /// Rows that are no longer believed from `retractedAt` on.
  public var retracted: [Int64] = []
  public var retractedAt: Date?
  /// Rows that were said once more.
  public var confirmed: [Int64] = []
  /// Rows to erase with everything that they said, in all their times.
  public var erased: [Int64] = []
  public var erasedEpisodes: [Int64] = []
  /// Episodes in which facts have been looked for now.
  public var extractedEpisodes: [Int64] = []

  public init() {}

  public var isEmpty: Bool {
    added.isEmpty && retracted.isEmpty && confirmed.isEmpty && erased.isEmpty && erasedEpisodes.isEmpty
      && extractedEpisodes.isEmpty
  }
}

/// Rows of a memory, by their ids.
public struct MemoryRows: Sendable, Hashable {
  public var facts: [Int64]
  public var episodes: [Int64]

  public init(facts: [Int64] = [], episodes: [Int64] = []) {
    self.facts = facts
    self.episodes = episodes
  }
}

/// Keeps memories durably, and tells what changed, so that an index can follow. Each mutating call is one transaction.
public protocol MemoryStore: Sendable {
  /// Rows of a tenant, whoever's, whose readers are left to the caller. In id order.
  /// - Parameters:
  ///   - scope: nil for all of the tenant's.
  ///   - history: also rows that are no longer believed.
  func facts(tenant: String, scope: MemoryScope?, history: Bool) async throws -> [MemoryFact]
  /// Those that are there, in id order.
  func facts(ids: [Int64], tenant: String) async throws -> [MemoryFact]
  func episodes(of scope: MemoryScope, extracted: Bool?, limit: Int) async throws -> [MemoryEpisode]
  /// Those that are there, in id order.
  func episodes(ids: [Int64], tenant: String) async throws -> [MemoryEpisode]
  /// - Returns: the id.
  func add(_ episode: MemoryEpisode) async throws -> Int64
  /// - Parameter revision: what the change was decided upon.
  /// - Returns: ids of the added rows, in their order; nil when the tenant's memory has another revision by now, and
  ///   nothing was done.
  func apply(_ change: MemoryChange, tenant: String, ifRevisionIs revision: Int64) async throws -> [Int64]?
  /// Grows with each change of the tenant's facts, whichever process makes it.
  func memoryRevision(tenant: String) async throws -> Int64

  // MARK: Following

  /// The tenants that have or had a memory.
  func memoryTenants() async throws -> [String]
  /// Ties what is made from the tenant's memory to this store; nil for a tenant of whom nothing was ever remembered.
  func memoryIdentity(tenant: String) async throws -> String?
  /// Every row, history included.
  func memoryRows(tenant: String) async throws -> MemoryRows
  /// Grows with each change of the tenant's facts or episodes that a search could notice; 0 before the first.
  func memoryToken(tenant: String) async throws -> Int64
  /// The rows that were added, changed or erased after `token`, and the token up to which this tells.
  /// - Returns: nil when `token` is too old: read every row again, after taking a new token.
  func memoryChanges(since token: Int64, tenant: String) async throws -> (rows: MemoryRows, token: Int64)?
}

/// What recalling asks for.
public struct MemoryQuery: Sendable, Hashable {
  public var text: String
  public var limit: Int
  /// The moment in the world; nil for now.
  public var asOf: Date?
  /// The moment whose beliefs count; nil for now.
  public var knownAt: Date?

  public init(_ text: String, limit: Int = 8, asOf: Date? = nil, knownAt: Date? = nil) {
    self.text = text
    self.limit = limit
    self.asOf = asOf
    self.knownAt = knownAt
  }
}

/// A fact that recalling found. Scores compare only within one answer; higher is better.
public struct RecalledFact: Sendable, Hashable {
  public var fact: MemoryFact
  public var score: Double

  public init(fact: MemoryFact, score: Double) {
    self.fact = fact
    self.score = score
  }
}

/// An episode that recalling found. Scores compare only within one answer; higher is better.
public struct RecalledEpisode: Sendable, Hashable {
  public var episode: MemoryEpisode
  public var score: Double

  public init(episode: MemoryEpisode, score: Double) {
    self.episode = episode
    self.score = score
  }
}

/// A memory as agents use it. What a principal may not read is never recalled.
public protocol Memory: Sendable {
  func recall(_ query: MemoryQuery, as principal: Principal) async throws -> [RecalledFact]
  /// Keeps what was said and the facts found in it.
  /// - Returns: the facts that are new.
  @discardableResult func remember(_ text: String, run: String?, as principal: Principal) async throws -> [MemoryFact]
}
