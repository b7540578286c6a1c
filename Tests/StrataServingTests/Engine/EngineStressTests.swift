import Foundation
import StrataCore
import StrataModel
import StrataServing
import Testing

/// The engine under more than it can hold: nothing may be lost, nothing mixed up, and all memory comes back.
@Suite("Engine under stress", .serialized)
struct EngineStressTests {
  private enum Fate: Sendable { case finish, cancelAtOnce, cancelAfter(Int), oversized, foreignToken }

  private struct Job: Sendable {
    var prompt: [Int32]
    var count: Int
    var tenant: String
    var fate: Fate
    var delay: Duration
  }

  private enum Result: Sendable, Equatable {
    case tokens([Int32], FinishReason?, promptTokens: Int)
    case refused(String)
  }

  private func run(_ job: Job, on engine: Engine) async -> Result {
    try? await Task.sleep(for: job.delay)
    return await follow(submit(job, to: engine), as: job)
  }

  private func submit(_ job: Job, to engine: Engine) -> AsyncThrowingStream<EngineEvent, any Error> {
    engine.submit(
      EngineRequest(tokens: job.prompt, sampling: .greedy, maxNewTokens: job.count, tenant: job.tenant))
  }

  private func follow(_ stream: AsyncThrowingStream<EngineEvent, any Error>, as job: Job) async -> Result {
    var tokens: [Int32] = []
    do {
      if case .cancelAtOnce = job.fate { return .tokens([], nil, promptTokens: 0) }
      for try await event in stream {
        switch event {
        case .started: break
        case .token(let token):
          tokens.append(token.id)
          if case .cancelAfter(let count) = job.fate, tokens.count >= count {
            return .tokens(tokens, nil, promptTokens: 0)
          }
        case .finished(let reason, let usage, _):
          return .tokens(tokens, reason, promptTokens: usage.promptTokens)
        }
      }
      return .refused("the stream ended without an end")
    } catch let error as ServingError {
      return .refused(error.code.name)
    } catch {
      return .refused("\(error)")
    }
  }

  private func jobs(_ count: Int) -> [Job] {
    var random = RandomSource(seed: 11)
    func tokens(_ count: Int) -> [Int32] {
      (0..<count).map { _ in Int32.random(in: 0..<Int32(TinyModel.vocabulary), using: &random) }
    }
    let shared = (0..<4).map { _ in tokens(70) }
    let prompts = (0..<60).map { index in
      shared[index % 4].prefix(Int.random(in: 0...70, using: &random)) + tokens(Int.random(in: 1...40, using: &random))
    }
    return (0..<count).map { index in
      var job = Job(
        prompt: Array(prompts.randomElement(using: &random) ?? [1]), count: Int.random(in: 1...40, using: &random),
        tenant: ["a", "b", "c"][index % 3], fate: .finish,
        delay: .microseconds(Int.random(in: 0...400_000, using: &random)))
      switch Int.random(in: 0..<20, using: &random) {
      case 0...2: job.fate = .cancelAfter(Int.random(in: 1...job.count, using: &random))
      case 3, 4: job.fate = .cancelAtOnce
      case 5:
        job.fate = .oversized
        job.prompt = tokens(TinyModel.contextLength + Int.random(in: 0...500, using: &random))
      case 6:
        job.fate = .foreignToken
        job.prompt.append(Int32(TinyModel.vocabulary))
      default: break
      }
      return job
    }
  }

  /// Half of the requests wait before the first is answered, so that the memory runs out on the fastest machine;
  /// the others come at random times.
  @Test("1,000 requests with cancellations, oversized prompts and too little memory: none lost, none mixed up")
  func thousand() async throws {
    let model = try TinyModel.make()
    var limits = SchedulerLimits(maxRunning: 12, maxWaiting: 2000, stepTokens: 96, cacheTokens: 640)
    limits.maxWaitingPerTenant = 1000
    let engine = try TinyModel.engine(model, limits: limits)
    let jobs = jobs(1000)
    let results = await withTaskGroup(of: (Int, Result).self) { group in
      for (index, job) in jobs.enumerated() {
        if index.isMultiple(of: 2) {
          let stream = submit(job, to: engine)
          group.addTask { (index, await follow(stream, as: job)) }
        } else {
          group.addTask { (index, await run(job, on: engine)) }
        }
      }
      var results = [Result](repeating: .refused("never ran"), count: jobs.count)
      for await (index, result) in group { results[index] = result }
      return results
    }
    let solo = try soloAnswers(model, jobs)
    for (job, result) in zip(jobs, results) {
      let answer = solo[job.prompt].map { Array($0.prefix(job.count)) } ?? []
      switch job.fate {
      case .finish: #expect(result == .tokens(answer, .length, promptTokens: job.prompt.count))
      case .cancelAtOnce: #expect(result == .tokens([], nil, promptTokens: 0))
      case .cancelAfter(let count): #expect(result == .tokens(Array(answer.prefix(count)), nil, promptTokens: 0))
      case .oversized: #expect(result == .refused(ServingError.contextLengthExceeded.name))
      case .foreignToken: #expect(result == .refused(ServingError.invalidParameter.name))
      }
    }
    try await settle(engine)
    let status = engine.status
    #expect(status.running == 0 && status.waiting == 0 && status.pagesInUse == 0)
    #expect(status.pauses > 0, "the memory never ran out, so that this test shows nothing")
    #expect(status.cachedTokens > 0)
  }

  /// The longest answer wanted to each prompt, from the model alone.
  private func soloAnswers(_ model: DecoderModel, _ jobs: [Job]) throws -> [[Int32]: [Int32]] {
    var counts: [[Int32]: Int] = [:]
    for job in jobs {
      switch job.fate {
      case .oversized, .foreignToken: continue
      default: counts[job.prompt] = max(counts[job.prompt] ?? 0, job.count)
      }
    }
    return try Dictionary(
      uniqueKeysWithValues: counts.map { ($0, try TinyModel.soloAnswer(model, to: $0, count: $1)) })
  }

  /// Waits until the engine has noticed the last cancellations.
  private func settle(_ engine: Engine) async throws {
    for _ in 0..<200 where engine.status.running + engine.status.waiting > 0 {
      try await Task.sleep(for: .milliseconds(10))
    }
  }

  @Test("a sequence that was paused for lack of memory says the same as one that was not")
  func pausing() async throws {
    let model = try TinyModel.make()
    let engine = try TinyModel.engine(model, limits: SchedulerLimits(maxRunning: 4, cacheTokens: 208))
    let prompts = (0..<4).map { first in (0..<40).map { Int32(($0 * 7 + first * 13) % TinyModel.vocabulary) } }
    let answers = await withTaskGroup(of: (Int, Result).self) { group in
      for (index, prompt) in prompts.enumerated() {
        group.addTask {
          (index, await run(Job(prompt: prompt, count: 60, tenant: "a", fate: .finish, delay: .zero), on: engine))
        }
      }
      var answers = [Result](repeating: .refused("never ran"), count: prompts.count)
      for await (index, result) in group { answers[index] = result }
      return answers
    }
    for (prompt, answer) in zip(prompts, answers) {
      let solo = try TinyModel.soloAnswer(model, to: prompt, count: 60)
      #expect(answer == .tokens(solo, .length, promptTokens: 40))
    }
    #expect(engine.status.pauses > 0)
  }

  @Test("a cancelled request frees its place within a step")
  func cancellation() async throws {
    let engine = try TinyModel.engine(try TinyModel.make(), limits: SchedulerLimits(maxRunning: 1))
    // Leaving the loop ends the stream, which nobody else refers to.
    for try await event in engine.submit(
      EngineRequest(tokens: [1, 2, 3], sampling: .greedy, maxNewTokens: 250))
    {
      if case .token = event { break }
    }
    let started = ContinuousClock.now
    let next = await run(
      Job(prompt: [4, 5], count: 2, tenant: "a", fate: .finish, delay: .zero), on: engine)
    guard case .tokens(let tokens, .length, _) = next else {
      Issue.record("\(next)")
      return
    }
    #expect(tokens.count == 2)
    #expect(started.duration(to: .now) < .seconds(5))
  }

  @Test("requests past their deadline fail, and stopping the engine ends all others")
  func ends() async throws {
    let engine = try TinyModel.engine(try TinyModel.make(), limits: SchedulerLimits(maxRunning: 1))
    let late = EngineRequest(tokens: [1], maxNewTokens: 5, deadline: .now - .seconds(1))
    let error = await #expect(throws: ServingError.self) { for try await _ in engine.submit(late) {} }
    #expect(error?.code == ServingError.deadlineExceeded)
    engine.stop()
    let stopped = await #expect(throws: ServingError.self) {
      for try await _ in engine.submit(EngineRequest(tokens: [1], maxNewTokens: 5)) {}
    }
    #expect(stopped?.code == ServingError.engineStopped)
  }
}
