// Owns watching several streams and the client at the same time, as one sequence that a single reader takes. Knows
// nothing about HTTP.
import StrataCore
import Synchronization

/// One thing that happens while a response is produced.
enum LiveSignal<Event: Sendable>: Sendable {
  case event(Int, Event)
  /// The stream with this index ended well.
  case ended(Int)
  case failed(any Error)
  /// Nothing happened for the keep-alive interval.
  case silence
  /// The client went; nobody reads what would be written now.
  case clientGone
}

/// Merges streams with the news about their client. Everything behind it stops when ``cancel()`` is called, when the
/// last reference goes, or when the client does.
final class LiveStream<Event: Sendable>: Sendable {
  let signals: AsyncStream<LiveSignal<Event>>
  private let tasks: [Task<Void, Never>]
  private let connection: ClientConnection
  private let observer: Int?

  init(
    _ streams: [AsyncThrowingStream<Event, any Error>], connection: ClientConnection, keepAlive: Duration,
    deadline: ContinuousClock.Instant? = nil
  ) {
    let (signals, continuation) = AsyncStream<LiveSignal<Event>>.makeStream()
    let clock = SilenceClock()
    // Unstructured, because the tasks outlive the handler: the response body goes on reading after it returned.
    // `cancel` and `deinit` end them.
    var tasks = streams.enumerated().map { index, stream in
      Task {
        do {
          for try await event in stream {
            clock.touch()
            continuation.yield(.event(index, event))
          }
          continuation.yield(.ended(index))
        } catch {
          continuation.yield(.failed(error))
        }
      }
    }
    tasks.append(
      Task {
        while !Task.isCancelled {
          let rest = keepAlive - clock.silence
          if rest <= .zero {
            continuation.yield(.silence)
            clock.touch()
          } else {
            try? await Task.sleep(for: rest)
          }
        }
      })
    if let deadline {
      tasks.append(
        Task {
          try? await Task.sleep(until: deadline, clock: .continuous)
          guard !Task.isCancelled else { return }
          continuation.yield(
            .failed(ServerError(.deadlineExceeded, "The time that the client gave the request is over.")))
        })
    }
    let pumps = tasks
    observer = connection.onGone {
      // Before the streams are cancelled: a cancelled stream ends like one that has said all it had to say.
      continuation.yield(.clientGone)
      continuation.finish()
      for task in pumps { task.cancel() }
    }
    self.signals = signals
    self.tasks = tasks
    self.connection = connection
  }

  func cancel() {
    for task in tasks { task.cancel() }
    connection.removeObserver(observer)
  }

  deinit { cancel() }
}

private final class SilenceClock: Sendable {
  private let last = Mutex(ContinuousClock.now)
  func touch() { last.withLock { $0 = .now } }
  var silence: Duration { last.withLock { .now - $0 } }
}
