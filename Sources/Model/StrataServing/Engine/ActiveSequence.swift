// Owns what the engine knows of one running request beyond its scheduling: its sampler, its grammar, its stream and its
// times.
import StrataCore
import StrataModel
import StrataSchema

/// One request inside the engine's loop. Its tokens and pages are the scheduler's.
struct ActiveSequence {
  let request: EngineRequest
  let continuation: Inbox.Continuation
  let cache: KVCache
  let arrivedAt: ContinuousClock.Instant
  var startedAt: ContinuousClock.Instant?
  var firstTokenAt: ContinuousClock.Instant?
  var sampler: Sampler
  var matcher: GrammarMatcher?
  /// Most tokens that it may generate.
  let generationLimit: Int
  var generatedCount = 0
  var grammarTime = Duration.zero
  var speculationTime = Duration.zero
  var draftedCount = 0
  var acceptedCount = 0
  /// Why it ends, once that is known.
  var end: FinishReason?

  func timings(at now: ContinuousClock.Instant, pauses: Int) -> GenerationTimings {
    let started = startedAt ?? now
    let first = firstTokenAt ?? now
    var timings = GenerationTimings(
      queue: arrivedAt.duration(to: started), prefill: started.duration(to: first), decode: first.duration(to: now))
    timings.grammar = grammarTime
    timings.speculation = speculationTime
    timings.draftedTokens = draftedCount
    timings.acceptedTokens = acceptedCount
    timings.pauses = pauses
    return timings
  }
}
