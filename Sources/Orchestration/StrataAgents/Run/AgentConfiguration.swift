// Owns what a caller chooses about runs, and what the outside world gives to them.
import Foundation
import StrataCore

/// How runs behave unless a request says otherwise.
public struct AgentConfiguration: Sendable {
  public var budget = RunBudget()
  public var policy: PlanningPolicy = .questionFirst
  public var toolLimits = ToolExecutor.Limits()
  /// Whether a question that no single passage covers is searched for over several hops, where the search tool can.
  public var widensSearches = true

  public init(budget: RunBudget = RunBudget(), policy: PlanningPolicy = .questionFirst) {
    self.budget = budget
    self.policy = policy
  }
}

/// Everything outside the program that a run touches, so that tests decide what it is.
public struct AgentEnvironment: Sendable {
  public var now: @Sendable () -> Date
  public var sleep: @Sendable (Duration) async throws -> Void
  public var makeRunID: @Sendable () -> String
  /// What of these passages the principal may read now. A resumed run asks, because its journal is older than the
  /// access lists.
  public var stillReadable: @Sendable ([Passage], Principal) async throws -> [Passage]

  public init(
    now: @escaping @Sendable () -> Date = { Date() },
    sleep: @escaping @Sendable (Duration) async throws -> Void = { try await Task.sleep(for: $0) },
    makeRunID: @escaping @Sendable () -> String = { "run-" + UUID().uuidString.lowercased() },
    stillReadable: @escaping @Sendable ([Passage], Principal) async throws -> [Passage] = { passages, _ in passages }
  ) {
    self.now = now
    self.sleep = sleep
    self.makeRunID = makeRunID
    self.stillReadable = stillReadable
  }
}

/// One question of one principal.
public struct AgentRequest: Sendable, Hashable {
  public var question: String
  /// What was asked and answered before, oldest first, as far as the principal has seen it.
  public var turns: [ConversationTurn]
  public var principal: Principal
  /// Nil takes the configuration's.
  public var budget: RunBudget?
  public var policy: PlanningPolicy?

  public init(
    _ question: String, after turns: [ConversationTurn] = [], as principal: Principal, budget: RunBudget? = nil,
    policy: PlanningPolicy? = nil
  ) {
    self.question = question
    self.turns = turns
    self.principal = principal
    self.budget = budget
    self.policy = policy
  }
}
