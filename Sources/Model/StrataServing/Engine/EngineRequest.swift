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
}

package enum EngineEvent: Sendable {
  case token(SampledToken)
  case finished(FinishReason, Usage, GenerationTimings)
}

/// What the engine is doing, for metrics.
public struct EngineStatus: Sendable, Hashable {
  public var running = 0
  public var waiting = 0
  /// Tokens whose keys and values idle caches hold.
  public var idleCacheTokens = 0
  public var promptTokens = 0
  public var cachedTokens = 0
  public var generatedTokens = 0
  public var steps = 0
}
