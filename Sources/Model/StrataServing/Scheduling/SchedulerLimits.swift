// Owns the bounds and weights by which the scheduler decides. Knows nothing about how.
import StrataCore
import StrataModel

/// Bounds of the scheduler, and what it aims at.
public struct SchedulerLimits: Sendable, Hashable {
  /// Sequences that run at the same time.
  public var maxRunning: Int
  /// Requests that wait for a place, of all tenants; one more is refused.
  public var maxWaiting: Int
  /// Requests of one tenant that wait for a place; one more is refused.
  public var maxWaitingPerTenant = 256
  /// Tokens of one step: every running decode takes one, chunks of prompts share the rest.
  public var stepTokens: Int
  /// Tokens whose keys and values all sequences and the prefix cache hold together.
  public var cacheTokens: Int
  /// Bytes of keys and values; when given, ``cacheTokens`` is at most what they hold.
  public var cacheByteCount: Int?
  /// How keys and values are kept.
  public var cacheType = KVType.f16
  /// How long a step may take while answers are being streamed: chunks of prompts are made to fit.
  public var targetStepTime = Duration.milliseconds(25)
  /// The same while several tenants want something: a newcomer waits for the step that runs when it comes.
  public var sharedStepTime = Duration.milliseconds(12)
  /// How long a streaming answer may wait for its next token when a tenant that got less is served first.
  public var longestPause = Duration.milliseconds(100)
  /// What a generated token counts in the fair share, in prompt tokens. Cached tokens count nothing.
  public var completionCost = 4.0
  /// How far a tenant that was away may be behind the others, in prompt tokens: so much of what it asks goes first.
  public var burstCredit = 4_000.0
  /// Shares of tenants; 1 for those that are not listed.
  public var tenantWeights: [String: Double] = [:]
  /// The part of the cache that a tenant keeps for its prefixes while others want memory.
  public var prefixShare = 0.5
  /// Bytes that loaded adapters may take together; those used least recently give way.
  public var adapterByteCount = 1 << 30

  public init(maxRunning: Int = 16, maxWaiting: Int = 1024, stepTokens: Int = 512, cacheTokens: Int = 65_536) {
    self.maxRunning = maxRunning
    self.maxWaiting = maxWaiting
    self.stepTokens = stepTokens
    self.cacheTokens = cacheTokens
  }
}
