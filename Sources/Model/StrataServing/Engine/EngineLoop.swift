// Owns what the engine's thread does: take requests, compute the step that the scheduler has planned, sample, emit. All
// state is confined to that thread. What runs when, and on which pages, is the scheduler's to say.
import StrataCore
import StrataModel
import StrataSchema

final class EngineLoop {
  private let model: DecoderModel
  private let tokenizer: any Tokenizer
  private let vocabulary: TokenVocabulary
  private let store: KVStore
  private let inbox: Inbox
  private let seeds: () -> UInt64
  private var scheduler: Scheduler
  private var sequences: [UInt64: ActiveSequence] = [:]
  private var mask: TokenMask
  private let logits = LogitsBuffer()
  private let speculator: Speculator?
  /// What was guessed for the coming step.
  private var drafts: [UInt64: Draft] = [:]
  /// Whether the last step carried a piece of a prompt; the next one is then likely to.
  private var hadPrompt = false
  private let birth = ContinuousClock.now
  /// Whether the last plan had something to compute.
  private var wasBusy = true

  init(
    model: DecoderModel, tokenizer: any Tokenizer, vocabulary: TokenVocabulary, store: KVStore,
    limits: SchedulerLimits, inbox: Inbox, seeds: @escaping () -> UInt64, speculator: Speculator? = nil
  ) {
    self.speculator = speculator
    self.model = model
    self.tokenizer = tokenizer
    self.vocabulary = vocabulary
    self.store = store
    self.inbox = inbox
    self.seeds = seeds
    scheduler = Scheduler(limits: limits)
    mask = TokenMask(count: vocabulary.count)
  }

  /// Runs until the inbox is stopped.
  func run() {
    publishStatus()
    while let letters = inbox.take(waits: scheduler.isIdle ? .forLetters : wasBusy ? .not : .shortly) {
      for letter in letters {
        switch letter {
        case .submit(let id, let request, let continuation, let time): receive(id, request, continuation, time)
        case .cancel(let id): drop(id)
        }
      }
      step()
      publishStatus()
    }
    for id in Array(sequences.keys) {
      fail(id, ServingError(ServingError.engineStopped, "The model engine has stopped."))
    }
  }

  private var now: Scheduler.Seconds { seconds(at: .now) }

  private func seconds(at time: ContinuousClock.Instant) -> Scheduler.Seconds {
    birth.duration(to: time) / .seconds(1)
  }

  // MARK: In

  private func receive(
    _ id: UInt64, _ request: EngineRequest, _ continuation: Inbox.Continuation, _ time: ContinuousClock.Instant
  ) {
    let generationLimit = min(request.maxNewTokens, contextLength - request.tokens.count)
    do throws(ServingError) {
      try check(request)
      try scheduler.enqueue(
        Scheduler.Submission(
          id: id, tokens: request.tokens, namespace: request.namespace, priority: request.priority,
          deadline: request.deadline.map(seconds(at:)), tokenLimit: request.tokens.count + generationLimit), at: now)
    } catch {
      inbox.status.withLock { $0.refused += 1 }
      continuation.finish(throwing: error)
      return
    }
    var sampler = Sampler(parameters: request.sampling, topLogprobs: request.topLogprobs, seed: seeds())
    for token in request.tokens { sampler.observe(token) }
    sequences[id] = ActiveSequence(
      request: request, continuation: continuation, cache: model.makeCache(in: store), arrivedAt: time,
      sampler: sampler, matcher: request.grammar.map { GrammarMatcher($0, vocabulary: vocabulary) },
      generationLimit: generationLimit)
  }

  private var contextLength: Int { min(model.configuration.contextLength, scheduler.capacity) }

  /// What one request does wrong must not fail the whole step.
  private func check(_ request: EngineRequest) throws(ServingError) {
    guard !request.tokens.isEmpty, request.tokens.count < contextLength else {
      throw ServingError(
        ServingError.contextLengthExceeded,
        "The prompt has \(request.tokens.count) tokens; the model takes 1 to \(contextLength) with the answer.",
        remedy: "Shorten the prompt.")
    }
    let vocabularySize = model.configuration.vocabularySize
    if let token = request.tokens.first(where: { $0 < 0 || $0 >= vocabularySize }) {
      throw ServingError(
        ServingError.invalidParameter, "The token \(token) is none of the model's \(vocabularySize).",
        remedy: "Encode the text with the tokenizer of this model.")
    }
  }

  // MARK: A step

  private func step() {
    propose()
    let plan = scheduler.plan(at: now)
    for (id, error) in plan.failures { fail(id, error) }
    let start = ContinuousClock.now
    for id in plan.started {
      sequences[id]?.startedAt = start
      sequences[id]?.continuation.yield(.started(cachedTokens: scheduler.reusedCount(of: id)))
    }
    wasBusy = !plan.work.isEmpty
    guard wasBusy else { return }
    do {
      try compute(plan)
    } catch {
      for work in plan.work { fail(work.id, error) }
      return
    }
    var outcomes: [Scheduler.Outcome] = []
    for (index, work) in plan.work.enumerated() {
      outcomes.append(
        work.wantsLogits ? advance(work, rows: logits.rows(ofSlice: index)) : Scheduler.Outcome(id: work.id))
    }
    let duration = start.duration(to: .now)
    scheduler.complete(outcomes, at: now, seconds: duration / .seconds(1))
    learn(plan, outcomes, seconds: duration / .seconds(1))
    for work in plan.work where sequences[work.id]?.end != nil { finish(work.id) }
    inbox.status.withLock {
      $0.steps += 1
      $0.lastStep = duration
    }
  }

  /// Offers guesses for the sequences that decode; whether they are worth their rows is the speculator's to say.
  private func propose() {
    drafts = [:]
    guard let speculator else { return }
    let candidates = scheduler.draftable.compactMap { id -> Speculator.Candidate? in
      guard let sequence = sequences[id] else { return nil }
      return Speculator.Candidate(
        id: id, tokens: scheduler.tokens(of: id), sampler: sequence.sampler, matcher: sequence.matcher,
        stopTokens: sequence.request.stopTokens, room: sequence.generationLimit - sequence.generatedCount)
    }
    drafts = speculator.drafts(for: candidates, rows: candidates.count, mayVerify: !hadPrompt)
    for (id, draft) in drafts { scheduler.propose(draft.tokens, for: id) }
  }

  private func learn(_ plan: Scheduler.Plan, _ outcomes: [Scheduler.Outcome], seconds: Double) {
    hadPrompt = plan.work.contains { !$0.isDecode }
    guard let speculator else { return }
    for (work, outcome) in zip(plan.work, outcomes) where work.isDecode && work.wantsLogits {
      speculator.record(
        work.id, tokens: scheduler.tokens(of: work.id), drafted: work.draft.count, accepted: outcome.accepted)
    }
    if !hadPrompt { speculator.record(rows: plan.work.reduce(0) { $0 + $1.rowCount }, seconds: seconds) }
  }

  /// Runs the forward pass of a plan. Slices refer to the scheduler's token arrays, and are gone when those change.
  private func compute(_ plan: Scheduler.Plan) throws {
    for copy in plan.copies { try store.copyPage(copy.source, to: copy.target) }
    var slices: [BatchSlice] = []
    for work in plan.work {
      guard let sequence = sequences[work.id] else { continue }
      sequence.cache.pages = scheduler.pages(of: work.id)
      sequence.cache.count = work.first
      let known = scheduler.tokens(of: work.id)[work.first..<(work.first + work.tokenCount)]
      slices.append(
        BatchSlice(
          tokens: work.draft.isEmpty ? known : known + work.draft, cache: sequence.cache,
          logits: work.wantsLogits ? .suffix(work.draft.count + 1) : .none,
          adapter: sequence.request.adapter?.adapter))
    }
    try model.forward(slices, into: logits)
  }

  /// Chooses what follows the known tokens of a sequence. Each guess is compared with what the sampler chooses from the
  /// model's own logits in its place, so that guesses never change what is said.
  private func advance(_ work: Scheduler.Work, rows: Range<Int>) -> Scheduler.Outcome {
    var outcome = Scheduler.Outcome(id: work.id)
    guard var sequence = sequences.removeValue(forKey: work.id) else { return outcome }
    defer { sequences[work.id] = sequence }
    if sequence.firstTokenAt == nil { sequence.firstTokenAt = .now }
    sequence.draftedCount += work.draft.count
    var draft = drafts[work.id] ?? Draft()
    draft.cut(to: work.draft.count)
    var verifier = SpeculativeVerifier(draft)
    while sequence.end == nil, let row = verifier.row(after: outcome.appended) {
      let sampled = logits.withRow(rows.lowerBound + row) { sample(&sequence, $0, verifier.proposal(atRow: row)) }
      guard let sampled else {
        sequence.end = .stop
        sequence.continuation.finish(
          throwing: ServingError(ServingError.constraintDeadEnd, "No token continues the constrained output."))
        break
      }
      guard !sequence.request.stopTokens.contains(sampled.id) else {
        sequence.end = .stop
        break
      }
      append(sampled, to: &sequence, &outcome)
      accept(sampled.id, in: &sequence, &outcome)
      if sequence.end == nil, sequence.generatedCount >= sequence.generationLimit { sequence.end = .length }
    }
    outcome.accepted = verifier.acceptedCount
    sequence.acceptedCount += outcome.accepted
    return outcome
  }

  private func sample(
    _ sequence: inout ActiveSequence, _ logits: UnsafeBufferPointer<Float>,
    _ draft: (token: Int32, proposal: TokenDistribution)?
  ) -> SampledToken? {
    guard sequence.matcher != nil else { return sequence.sampler.sample(logits, allowed: nil, draft: draft) }
    let start = ContinuousClock.now
    sequence.matcher?.fillMask(&mask)
    sequence.grammarTime += start.duration(to: .now)
    return mask.words.withUnsafeBufferPointer { sequence.sampler.sample(logits, allowed: $0, draft: draft) }
  }

  private func append(
    _ sampled: SampledToken, to sequence: inout ActiveSequence, _ outcome: inout Scheduler.Outcome
  ) {
    outcome.appended.append(sampled.id)
    sequence.generatedCount += 1
    sequence.continuation.yield(.token(sampled))
  }

  /// Moves the grammar on, and appends whatever text can only follow: those tokens are computed like a prompt, many in
  /// one step, instead of one by one (jump-forward decoding, Zheng et al. 2024).
  private func accept(
    _ token: Int32, in sequence: inout ActiveSequence, _ outcome: inout Scheduler.Outcome
  ) {
    guard sequence.matcher != nil else { return }
    let start = ContinuousClock.now
    defer { sequence.grammarTime += start.duration(to: .now) }
    _ = sequence.matcher?.accept(token: token)
    if sequence.matcher?.isComplete == true {
      sequence.end = .stop
      return
    }
    guard sequence.request.topLogprobs == nil, let forced = sequence.matcher?.forcedBytes(), forced.count > 3,
      let text = String(validating: forced, as: UTF8.self)
    else { return }
    // The last token may merge with what follows, so the model chooses that one itself.
    for id in tokenizer.encode(text, addSpecial: false, parseSpecial: false).dropLast() {
      guard sequence.generatedCount < sequence.generationLimit, sequence.matcher?.accept(token: id) == true else {
        break
      }
      sequence.sampler.observe(id)
      append(SampledToken(id: id, logprob: 0, top: []), to: &sequence, &outcome)
    }
    if sequence.matcher?.isComplete == true { sequence.end = .stop }
  }

  // MARK: Ends

  private func finish(_ id: UInt64) {
    guard let sequence = sequences[id], let reason = sequence.end else { return }
    let usage = Usage(
      promptTokens: sequence.request.tokens.count, completionTokens: sequence.generatedCount,
      cachedTokens: scheduler.reusedCount(of: id), acceptedPredictionTokens: sequence.acceptedCount,
      rejectedPredictionTokens: sequence.draftedCount - sequence.acceptedCount)
    let timings = sequence.timings(at: .now, pauses: scheduler.pauseCount(of: id))
    drop(id)
    sequence.continuation.yield(.finished(reason, usage, timings))
    sequence.continuation.finish()
  }

  private func fail(_ id: UInt64, _ error: any Error) {
    guard let sequence = sequences[id] else { return }
    drop(id)
    inbox.status.withLock { $0.refused += 1 }
    let wrapped: any Error =
      error is any StrataError
      ? error
      : ServingError(ServingError.stepFailed, "The model could not compute a step.", cause: error)
    sequence.continuation.finish(throwing: wrapped)
  }

  /// Forgets a sequence; the scheduler keeps what it has computed for prompts that begin alike.
  private func drop(_ id: UInt64) {
    guard let sequence = sequences.removeValue(forKey: id) else { return }
    let reused = scheduler.reusedCount(of: id)
    let computed = max(0, min(scheduler.computedCount(of: id), sequence.request.tokens.count) - reused)
    scheduler.remove(id, at: now)
    speculator?.end(id)
    guard sequence.startedAt != nil else { return }
    inbox.status.withLock { status in
      status.promptTokens += sequence.request.tokens.count
      status.cachedTokens += reused
      status.generatedTokens += sequence.generatedCount
      status.draftedTokens += sequence.draftedCount
      status.acceptedTokens += sequence.acceptedCount
      status.tokensByTenant[sequence.request.tenant, default: 0] += computed + sequence.generatedCount
    }
  }

  private func publishStatus() {
    inbox.status.withLock { status in
      status.running = scheduler.runningCount
      status.waiting = scheduler.waitingCount
      status.pages = scheduler.pageCount
      status.pagesInUse = scheduler.pagesInUse
      status.pagesIdle = scheduler.pagesIdle
      status.pauses = scheduler.pauseCount
    }
  }
}
