// Owns how many requests a model works on at once and how many may wait. Knows nothing about models.
import StrataCore
import Synchronization

/// A first-come-first-served gate with a bounded queue.
final class Admission: Sendable {
  /// The right to work; given back on ``release()`` or when the last reference goes.
  final class Permit: Sendable {
    private let admission: Admission
    private let isReleased = Mutex(false)

    fileprivate init(_ admission: Admission) { self.admission = admission }
    deinit { release() }

    func release() {
      let isFirst = isReleased.withLock { released in
        defer { released = true }
        return !released
      }
      if isFirst { admission.leave() }
    }
  }

  private enum Outcome { case admitted, abandoned }
  private struct Waiter {
    let id: Int
    let continuation: CheckedContinuation<Outcome, Never>
  }
  private struct State {
    var running = 0
    var nextID = 0
    var waiters: [Waiter] = []
  }

  private let capacity: Int
  private let queueCapacity: Int
  private let state = Mutex(State())

  init(capacity: Int, queueCapacity: Int) {
    self.capacity = max(1, capacity)
    self.queueCapacity = max(0, queueCapacity)
  }

  var counts: (running: Int, waiting: Int) { state.withLock { ($0.running, $0.waiters.count) } }

  /// Waits for a permit, as long as the client does.
  /// - Throws: `server_busy` when the queue is full, `client_gone` when the client left it.
  func enter(_ connection: ClientConnection) async throws -> Permit {
    let id: Int? = try state.withLock { state in
      if state.running < capacity, state.waiters.isEmpty {
        state.running += 1
        return nil
      }
      guard state.waiters.count < queueCapacity else {
        throw ServerError(
          .serverBusy, "\(state.running) requests are running and \(state.waiters.count) are waiting.",
          remedy: "Try again in a moment.")
      }
      state.nextID += 1
      return state.nextID
    }
    guard let id else { return Permit(self) }
    // The observer runs at once when the client is gone already; then there is nothing to remove yet, which the check
    // of `isGone` below covers.
    let observer = connection.onGone { [weak self] in self?.abandon(id) }
    defer { connection.removeObserver(observer) }
    let outcome = await withTaskCancellationHandler {
      await withCheckedContinuation { continuation in
        let immediate: Outcome? = state.withLock { state in
          if state.running < capacity, state.waiters.isEmpty {
            state.running += 1
            return .admitted
          }
          if connection.isGone || Task.isCancelled { return .abandoned }
          state.waiters.append(Waiter(id: id, continuation: continuation))
          return nil
        }
        if let immediate { continuation.resume(returning: immediate) }
      }
    } onCancel: {
      abandon(id)
    }
    guard outcome == .admitted else { throw ServerError(.clientGone, "The client left the queue.") }
    return Permit(self)
  }

  private func abandon(_ id: Int) {
    let waiter: Waiter? = state.withLock { state in
      guard let index = state.waiters.firstIndex(where: { $0.id == id }) else { return nil }
      return state.waiters.remove(at: index)
    }
    waiter?.continuation.resume(returning: .abandoned)
  }

  private func leave() {
    let next: Waiter? = state.withLock { state in
      if state.waiters.isEmpty {
        state.running -= 1
        return nil
      }
      return state.waiters.removeFirst()
    }
    next?.continuation.resume(returning: .admitted)
  }
}
