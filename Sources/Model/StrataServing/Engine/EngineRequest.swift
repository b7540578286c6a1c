// Owns what goes into the engine and what comes out, in tokens. Knows nothing about text or messages.
import StrataCore
import StrataSchema

/// A sequence to continue.
package struct EngineRequest: Sendable {
  /// At least one token.
  package var tokens: [Int32]
  package var sampling: SamplingParameters
  package var topLogprobs: Int?
  /// At least 1.
  package var maxNewTokens: Int
  /// Tokens that end the sequence; they are not emitted.
  package var stopTokens: Set<Int32>
  package var grammar: Grammar?
  package var tenant: String
  /// Lower is more urgent, among requests of the tenant.
  package var priority: Int
  /// What has not ended by then fails.
  package var deadline: ContinuousClock.Instant?
  /// The adapter to run with; nil is the base model. Held as long as the request is.
  package var adapter: AdapterLease?

  package init(
    tokens: [Int32], sampling: SamplingParameters = SamplingParameters(), topLogprobs: Int? = nil, maxNewTokens: Int,
    stopTokens: Set<Int32> = [], grammar: Grammar? = nil, tenant: String = "default", priority: Int = 0,
    deadline: ContinuousClock.Instant? = nil, adapter: AdapterLease? = nil
  ) {
    self.tokens = tokens
    self.sampling = sampling
    self.topLogprobs = topLogprobs
    self.maxNewTokens = maxNewTokens
    self.stopTokens = stopTokens
    self.grammar = grammar
    self.tenant = tenant
    self.priority = priority
    self.deadline = deadline
    self.adapter = adapter
  }

  /// What must agree with another request for the two to share keys and values.
  var namespace: RadixCache.Namespace { RadixCache.Namespace(tenant: tenant, adapter: adapter?.adapter.id) }
}

package enum EngineEvent: Sendable {
  /// The sequence got its place; so many prompt tokens were cached. Comes first.
  case started(cachedTokens: Int)
  case token(SampledToken)
  case finished(FinishReason, Usage, GenerationTimings)
}

/// What the engine is doing, for metrics.
public struct EngineStatus: Sendable, Hashable {
  public var running = 0
  public var waiting = 0
  /// Pages of keys and values, 16 positions each: all, those of running sequences, and those that only the prefix cache
  /// holds.
  public var pages = 0
  public var pagesInUse = 0
  public var pagesIdle = 0
  public var promptTokens = 0
  public var cachedTokens = 0
  public var generatedTokens = 0
  /// Guessed tokens that were checked, and those of them that held.
  public var draftedTokens = 0
  public var acceptedTokens = 0
  public var steps = 0
  /// Times that a running sequence had to give its place or its memory to another one.
  public var pauses = 0
  /// Requests that ended with an error: refused, past their deadline, or failed.
  public var refused = 0
  /// How long the last step took.
  public var lastStep = Duration.zero
  /// Prompt tokens (without those cached) and generated tokens by tenant.
  public var tokensByTenant: [String: Int] = [:]

  /// Tokens whose keys and values idle pages hold.
  public var idleCacheTokens: Int { pagesIdle * PageAllocator.pageSize }
}
