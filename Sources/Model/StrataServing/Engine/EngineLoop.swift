// Owns what the engine's thread does: admit, compute one step for everybody, sample, emit. All state is confined to
// that thread.
import StrataCore
import StrataModel
import StrataSchema

final class EngineLoop {
  private struct Sequence {
    var request: EngineRequest
    var continuation: Inbox.Continuation
    var arrivedAt: ContinuousClock.Instant
    var startedAt: ContinuousClock.Instant?
    var firstTokenAt: ContinuousClock.Instant?
    var cache: KVCache?
    /// Prompt and completion; the first `cache.count` of them are computed.
    var tokens: [Int32]
    var reusedCount = 0
    var generatedCount = 0
    var sampler: Sampler
    var matcher: GrammarMatcher?
  }

  private let model: DecoderModel
  private let tokenizer: any Tokenizer
  private let vocabulary: TokenVocabulary
  private let inbox: Inbox
  private let seeds: () -> UInt64
  private var scheduler: Scheduler
  private var prefixes: PrefixCache
  private var sequences: [UInt64: Sequence] = [:]
  private var mask: TokenMask
  private let logits = LogitsBuffer()

  init(
    model: DecoderModel, tokenizer: any Tokenizer, vocabulary: TokenVocabulary, limits: SchedulerLimits, inbox: Inbox,
    seeds: @escaping () -> UInt64
  ) {
    self.model = model
    self.tokenizer = tokenizer
    self.vocabulary = vocabulary
    self.inbox = inbox
    self.seeds = seeds
    scheduler = Scheduler(limits: limits)
    prefixes = PrefixCache(tokenLimit: limits.cacheTokens / 2)
    mask = TokenMask(count: vocabulary.count)
  }

  /// Runs until the inbox is stopped.
  func run() {
    while let letters = inbox.take(waits: scheduler.isIdle) {
      for letter in letters {
        switch letter {
        case .submit(let id, let request, let continuation, let time): receive(id, request, continuation, time)
        case .cancel(let id): drop(id)
        }
      }
      for id in scheduler.admit() { start(id) }
      step()
      publishStatus()
    }
    for id in Array(sequences.keys) {
      fail(id, ServingError(ServingError.engineStopped, "The model engine has stopped."))
    }
  }

  private func receive(
    _ id: UInt64, _ request: EngineRequest, _ continuation: Inbox.Continuation, _ time: ContinuousClock.Instant
  ) {
    do throws(ServingError) {
      try scheduler.enqueue(id, reserved: request.tokens.count + request.maxNewTokens, tenant: request.tenant)
    } catch {
      continuation.finish(throwing: error)
      return
    }
    var sampler = Sampler(parameters: request.sampling, topLogprobs: request.topLogprobs, seed: seeds())
    for token in request.tokens { sampler.observe(token) }
    sequences[id] = Sequence(
      request: request, continuation: continuation, arrivedAt: time, tokens: request.tokens, sampler: sampler,
      matcher: request.grammar.map { GrammarMatcher($0, vocabulary: vocabulary) })
  }

  /// Gives an admitted sequence its cache, filled with the longest prefix that is known already.
  private func start(_ id: UInt64) {
    guard var sequence = sequences[id] else { return }
    do {
      let cache = try model.makeCache(capacity: sequence.tokens.count + sequence.request.maxNewTokens)
      // The last prompt token is always computed: its logits are needed.
      let usable = sequence.tokens.count - 1
      var donor = prefixes.longestMatch(for: sequence.tokens, tenant: sequence.request.tenant)
      for other in sequences.values where other.request.tenant == sequence.request.tenant {
        guard let running = other.cache else { continue }
        let count = min(PrefixCache.commonPrefix(other.tokens, sequence.tokens), running.count)
        if count > donor?.count ?? 7 { donor = (running, count) }
      }
      if let donor, min(donor.count, usable) > 0 {
        sequence.reusedCount = min(donor.count, usable)
        try cache.copyPrefix(from: donor.cache, count: sequence.reusedCount)
      }
      sequence.cache = cache
      sequence.startedAt = .now
      sequences[id] = sequence
      scheduler.addPending(sequence.tokens.count - sequence.reusedCount, to: id)
    } catch {
      fail(id, error)
    }
  }

  private func step() {
    let work = scheduler.nextStep()
    guard !work.isEmpty else { return }
    var slices: [BatchSlice] = []
    var planned: [Scheduler.Work] = []
    for item in work {
      guard let sequence = sequences[item.id], let cache = sequence.cache else { continue }
      let first = cache.count
      slices.append(
        BatchSlice(
          tokens: sequence.tokens[first..<(first + item.tokenCount)], cache: cache, logits: item.isLast ? .last : .none)
      )
      planned.append(item)
    }
    do {
      try model.forward(slices, into: logits)
      for (index, item) in planned.enumerated() where item.isLast {
        logits.withRow(logits.rows(ofSlice: index).lowerBound) { advance(item.id, logits: $0) }
      }
      inbox.status.withLock { $0.steps += 1 }
    } catch {
      for item in planned { fail(item.id, error) }
    }
  }

  /// Samples the next token of a sequence and decides whether it goes on.
  private func advance(_ id: UInt64, logits: UnsafeBufferPointer<Float>) {
    guard var sequence = sequences.removeValue(forKey: id) else { return }
    if sequence.firstTokenAt == nil { sequence.firstTokenAt = .now }
    let sampled: SampledToken?
    if sequence.matcher != nil {
      sequence.matcher?.fillMask(&mask)
      sampled = mask.words.withUnsafeBufferPointer { sequence.sampler.sample(logits, allowed: $0) }
    } else {
      sampled = sequence.sampler.sample(logits, allowed: nil)
    }
    guard let sampled else {
      sequences[id] = sequence
      let message = "No token continues the constrained output."
      return fail(id, ServingError(ServingError.constraintDeadEnd, message))
    }
    if sequence.request.stopTokens.contains(sampled.id) {
      sequences[id] = sequence
      return finish(id, .stop)
    }
    append(sampled, to: &sequence)
    let isComplete = accept(sampled.id, in: &sequence)
    scheduler.addPending(sequence.tokens.count - (sequence.cache?.count ?? 0), to: id)
    let isFull = sequence.generatedCount >= sequence.request.maxNewTokens
    sequences[id] = sequence
    if isComplete { finish(id, .stop) } else if isFull { finish(id, .length) }
  }

  private func append(_ sampled: SampledToken, to sequence: inout Sequence) {
    sequence.tokens.append(sampled.id)
    sequence.generatedCount += 1
    sequence.continuation.yield(.token(sampled))
  }

  /// Moves the grammar on, and appends whatever text can only follow: those tokens are computed like a prompt, many in
  /// one step, instead of one by one (jump-forward decoding, Zheng et al. 2024).
  /// - Returns: whether the constrained value is complete.
  private func accept(_ token: Int32, in sequence: inout Sequence) -> Bool {
    guard sequence.matcher != nil else { return false }
    _ = sequence.matcher?.accept(token: token)
    if sequence.matcher?.isComplete == true { return true }
    guard sequence.request.topLogprobs == nil, let forced = sequence.matcher?.forcedBytes(), forced.count > 3,
      let text = String(validating: forced, as: UTF8.self)
    else { return false }
    // The last token may merge with what follows, so the model chooses that one itself.
    for id in tokenizer.encode(text, addSpecial: false, parseSpecial: false).dropLast() {
      guard sequence.generatedCount < sequence.request.maxNewTokens, sequence.matcher?.accept(token: id) == true else {
        break
      }
      sequence.sampler.observe(id)
      append(SampledToken(id: id, logprob: 0, top: []), to: &sequence)
    }
    return sequence.matcher?.isComplete == true
  }

  // MARK: Ends

  private func finish(_ id: UInt64, _ reason: FinishReason) {
    guard let sequence = sequences[id] else { return }
    let now = ContinuousClock.now
    let started = sequence.startedAt ?? now
    let first = sequence.firstTokenAt ?? now
    let usage = Usage(
      promptTokens: sequence.request.tokens.count, completionTokens: sequence.generatedCount,
      cachedTokens: sequence.reusedCount)
    let timings = GenerationTimings(
      queue: sequence.arrivedAt.duration(to: started), prefill: started.duration(to: first),
      decode: first.duration(to: now))
    inbox.status.withLock { status in
      status.promptTokens += usage.promptTokens
      status.cachedTokens += usage.cachedTokens
      status.generatedTokens += usage.completionTokens
    }
    drop(id)
    sequence.continuation.yield(.finished(reason, usage, timings))
    sequence.continuation.finish()
  }

  private func fail(_ id: UInt64, _ error: any Error) {
    guard let sequence = sequences[id] else { return }
    drop(id)
    let wrapped: any Error =
      error is any StrataError
      ? error
      : ServingError(ServingError.stepFailed, "The model could not compute a step.", cause: error)
    sequence.continuation.finish(throwing: wrapped)
  }

  /// Forgets a sequence and keeps its cache for prompts that begin alike.
  private func drop(_ id: UInt64) {
    scheduler.remove(id)
    guard let sequence = sequences.removeValue(forKey: id), let cache = sequence.cache else { return }
    prefixes.insert(cache, tokens: Array(sequence.tokens.prefix(cache.count)), tenant: sequence.request.tenant)
  }

  private func publishStatus() {
    inbox.status.withLock { status in
      status.running = scheduler.runningCount
      status.waiting = scheduler.waitingCount
      status.idleCacheTokens = prefixes.tokenCount
    }
  }
}
