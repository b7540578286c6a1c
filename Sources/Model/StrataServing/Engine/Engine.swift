// Owns the thread on which a model runs, and the way in and out of it.
import Foundation
import StrataCore
import StrataModel
import StrataSchema
import Synchronization

/// Runs one model for many sequences at once. The forward pass blocks for milliseconds, so it has a thread of its own
/// and never occupies Swift's cooperative pool.
package final class Engine: Sendable {
  private let inbox: Inbox
  package let limits: SchedulerLimits

  /// - Parameter vocabulary: makes the table of token bytes that constrained output needs; called once, on the
  ///   engine's thread, so that loading a model does not wait for it.
  /// - Parameter speculator: makes what guesses tokens ahead, on the engine's thread; nil guesses nothing.
  /// - Throws: ``ModelError`` `out_of_memory` when there is none for the keys and values.
  package init(
    model: DecoderModel, tokenizer: any Tokenizer, vocabulary: @escaping @Sendable () -> TokenVocabulary,
    limits given: SchedulerLimits, seeds: @escaping @Sendable () -> UInt64,
    speculator: @escaping @Sendable () -> Speculator? = { nil }
  ) throws(ModelError) {
    let inbox = Inbox()
    self.inbox = inbox
    var limits = given
    if let byteCount = given.cacheByteCount {
      let bytesPerPage = try model.makeStore(pageCount: 1, type: given.cacheType).bytesPerPage
      limits.cacheTokens = min(given.cacheTokens, byteCount / bytesPerPage * PageAllocator.pageSize)
    }
    let pageCount = PageAllocator.pageCount(for: limits.cacheTokens)
    limits.cacheTokens = pageCount * PageAllocator.pageSize
    let store = try model.makeStore(pageCount: pageCount, type: limits.cacheType)
    self.limits = limits
    let thread = Thread { [limits] in
      let loop = EngineLoop(
        model: model, tokenizer: tokenizer, vocabulary: vocabulary(), store: store, limits: limits, inbox: inbox,
        seeds: seeds, speculator: speculator())
      loop.run()
    }
    thread.name = "strata-engine"
    thread.stackSize = 8 << 20
    thread.start()
  }

  deinit { stop() }

  /// Ends the thread after its current step; what is running or waiting ends with ``ServingError/engineStopped``.
  package func stop() { inbox.stop() }

  package var status: EngineStatus { inbox.status.withLock { $0 } }

  package func submit(_ request: EngineRequest) -> AsyncThrowingStream<EngineEvent, any Error> {
    AsyncThrowingStream { continuation in
      let id = inbox.post(request, continuation)
      continuation.onTermination = { [inbox] reason in
        if case .cancelled = reason { inbox.cancel(id) }
      }
    }
  }
}

/// The mailbox between callers and the engine's thread.
final class Inbox: Sendable {
  typealias Continuation = AsyncThrowingStream<EngineEvent, any Error>.Continuation

  enum Letter: Sendable {
    case submit(UInt64, EngineRequest, Continuation, ContinuousClock.Instant)
    case cancel(UInt64)
  }

  private struct State {
    var letters: [Letter] = []
    var nextID: UInt64 = 1
    var isStopped = false
  }

  private let state = Mutex(State())
  private let signal = DispatchSemaphore(value: 0)
  let status = Mutex(EngineStatus())

  func post(_ request: EngineRequest, _ continuation: Continuation) -> UInt64 {
    let id: UInt64? = state.withLock { state in
      guard !state.isStopped else { return nil }
      let id = state.nextID
      state.nextID += 1
      state.letters.append(.submit(id, request, continuation, .now))
      return id
    }
    guard let id else {
      continuation.finish(throwing: ServingError(ServingError.engineStopped, "The model engine has stopped."))
      return 0
    }
    signal.signal()
    return id
  }

  func cancel(_ id: UInt64) {
    state.withLock { $0.letters.append(.cancel(id)) }
    signal.signal()
  }

  func stop() {
    state.withLock { $0.isStopped = true }
    signal.signal()
  }

  /// How long ``take(waits:)`` waits for a letter.
  enum Patience { case not, shortly, forLetters }

  /// Takes all letters.
  /// - Returns: nil once stopped.
  func take(waits patience: Patience) -> [Letter]? {
    while true {
      let (letters, isStopped) = state.withLock { state in
        defer { state.letters = [] }
        return (state.letters, state.isStopped)
      }
      if isStopped {
        for case .submit(_, _, let continuation, _) in letters {
          continuation.finish(throwing: ServingError(ServingError.engineStopped, "The model engine has stopped."))
        }
        return nil
      }
      if !letters.isEmpty { return letters }
      switch patience {
      case .not: return letters
      case .shortly: return signal.wait(timeout: .now() + .milliseconds(2)) == .timedOut ? letters : take(waits: .not)
      case .forLetters: signal.wait()
      }
    }
  }
}
