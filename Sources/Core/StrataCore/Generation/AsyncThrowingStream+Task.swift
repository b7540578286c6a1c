// Owns the one way in which a stream is made by a task: neither outlives the other.

extension AsyncThrowingStream where Element: Sendable, Failure == any Error {
  /// A stream of what `body` emits, which ends when `body` returns or throws. The stream's consumer owns the task that
  /// runs `body`: leaving the iteration cancels it.
  public init(running body: @escaping @Sendable (_ emit: @escaping @Sendable (Element) -> Void) async throws -> Void) {
    self.init { continuation in
      let task = Task {
        do {
          try await body { continuation.yield($0) }
          continuation.finish()
        } catch {
          continuation.finish(throwing: error)
        }
      }
      continuation.onTermination = { _ in task.cancel() }
    }
  }
}
