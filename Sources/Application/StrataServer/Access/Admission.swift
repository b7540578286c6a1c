// Owns how many requests the models get at once and how many may wait, fairly by tenant. Knows nothing about models.
import StrataCore
import Synchronization

/// A gate with a bounded queue for each tenant; tenants take turns, so that nobody waits behind another one's flood.
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
    /// By tenant, in the order in which they came.
    var queues: [String: [Waiter]] = [:]
    /// Tenants that have somebody waiting, next one first.
    var turns: [String] = []

    mutating func wait(_ waiter: Waiter, _ tenant: String) {
      if queues[tenant, default: []].isEmpty { turns.append(tenant) }
      queues[tenant, default: []].append(waiter)
    }

    mutating func next() -> Waiter? {
      guard !turns.isEmpty else { return nil }
      let tenant = turns.removeFirst()
      guard var queue = queues.removeValue(forKey: tenant), !queue.isEmpty else { return nil }
      let waiter = queue.removeFirst()
      if !queue.isEmpty {
        queues[tenant] = queue
        turns.append(tenant)
      }
      return waiter
    }

    mutating func remove(_ id: Int, _ tenant: String) -> Waiter? {
      guard let place = queues[tenant]?.firstIndex(where: { $0.id == id }) else { return nil }
      let waiter = queues[tenant]?.remove(at: place)
      if queues[tenant]?.isEmpty == true {
        queues[tenant] = nil
        turns.removeAll { $0 == tenant }
      }
      return waiter
    }
  }

  private let capacity: Int
  private let queueCapacity: Int
  private let state = Mutex(State())

  init(capacity: Int, queueCapacity: Int) {
    self.capacity = max(1, capacity)
    self.queueCapacity = max(0, queueCapacity)
  }

  var counts: (running: Int, waiting: Int) {
    state.withLock { ($0.running, $0.queues.values.reduce(0) { $0 + $1.count }) }
  }

  /// Waits for a permit, as long as the client does and its deadline allows.
  /// - Throws: `server_busy` when the tenant's queue is full, `client_gone` when the client left it,
  ///   `deadline_exceeded` when its time is over.
  func enter(_ context: RequestContext) async throws -> Permit {
    guard let deadline = context.deadline else { return try await enter(context.connection, tenant: context.tenant) }
    return try await withThrowingTaskGroup(of: Permit.self) { group in
      defer { group.cancelAll() }
      group.addTask { try await self.enter(context.connection, tenant: context.tenant) }
      group.addTask {
        try await Task.sleep(until: deadline, clock: .continuous)
        throw ServerError(.deadlineExceeded, "The request waited until the time that its client gave it was over.")
      }
      guard let permit = try await group.next() else { throw CancellationError() }
      return permit
    }
  }

  private func enter(_ connection: ClientConnection, tenant: String) async throws -> Permit {
    let id: Int? = try state.withLock { state in
      if state.running < capacity, state.turns.isEmpty {
        state.running += 1
        return nil
      }
      let waiting = state.queues[tenant]?.count ?? 0
      guard waiting < queueCapacity else {
        throw ServerError(
          .serverBusy, "\(state.running) requests are running and \(waiting) of yours are waiting.",
          remedy: "Try again in a moment.")
      }
      state.nextID += 1
      return state.nextID
    }
    guard let id else { return Permit(self) }
    // The observer runs at once when the client is gone already; then there is nothing to remove yet, which the check
    // of `isGone` below covers.
    let observer = connection.onGone { [weak self] in self?.abandon(id, tenant) }
    defer { connection.removeObserver(observer) }
    let outcome = await withTaskCancellationHandler {
      await withCheckedContinuation { continuation in
        let immediate: Outcome? = state.withLock { state in
          if state.running < capacity, state.turns.isEmpty {
            state.running += 1
            return .admitted
          }
          if connection.isGone || Task.isCancelled { return .abandoned }
          state.wait(Waiter(id: id, continuation: continuation), tenant)
          return nil
        }
        if let immediate { continuation.resume(returning: immediate) }
      }
    } onCancel: {
      abandon(id, tenant)
    }
    guard outcome == .admitted else { throw ServerError(.clientGone, "The client left the queue.") }
    return Permit(self)
  }

  private func abandon(_ id: Int, _ tenant: String) {
    let waiter = state.withLock { $0.remove(id, tenant) }
    waiter?.continuation.resume(returning: .abandoned)
  }

  private func leave() {
    let next: Waiter? = state.withLock { state in
      guard let next = state.next() else {
        state.running -= 1
        return nil
      }
      return next
    }
    next?.continuation.resume(returning: .admitted)
  }
}
