// Owns bringing spans to a collector: batches, bounds, retries. Knows HTTP only as a closure that posts a body.
import Foundation
import StrataCore
import Synchronization

/// What a collector answered.
public struct ExportReply: Sendable, Hashable {
  public var status: Int
  /// Seconds of a `Retry-After` header.
  public var retryAfter: Int?

  public init(status: Int, retryAfter: Int? = nil) {
    self.status = status
    self.retryAfter = retryAfter
  }
}

/// Sends spans to an OpenTelemetry collector over OTLP/HTTP with JSON bodies.
///
/// A slow or absent collector never slows what is traced: at most `capacity` spans wait, the newest beyond are dropped
/// and counted. Batches are sent again after the statuses that the protocol calls retryable (429, 502, 503, 504) and
/// after connection errors, with growing pauses, then dropped.
public final class SpanExporter: SpanSink {
  /// Posts a JSON body to the collector's `/v1/traces`.
  public typealias Transport = @Sendable (_ body: [UInt8]) async throws -> ExportReply

  public struct Counts: Sendable, Hashable {
    public var exported = 0
    public var dropped = 0
    public var failedBatches = 0
    public var waiting = 0
  }

  private struct State {
    var waiting: [SpanRecord] = []
    var counts = Counts()
    var isOver = false
  }

  private let state = Mutex(State())
  private let capacity: Int
  private let batchSize: Int
  private let interval: Duration
  private let resource: [(String, String)]
  private let version: String
  private let transport: Transport
  private let sleep: @Sendable (Duration) async throws -> Void
  private let wakeups: AsyncStream<Void>
  private let wake: AsyncStream<Void>.Continuation
  private let worker = Mutex<Task<Void, Never>?>(nil)

  /// - Parameters:
  ///   - resource: attributes of the process (`service.name`, `service.instance.id`, …).
  ///   - interval: longest time that a span waits for others to share its batch.
  public init(
    resource: [(String, String)], version: String, capacity: Int = 8192, batchSize: Int = 512,
    interval: Duration = .seconds(2),
    sleep: @escaping @Sendable (Duration) async throws -> Void = { try await Task.sleep(for: $0) },
    transport: @escaping Transport
  ) {
    self.resource = resource
    self.version = version
    self.capacity = max(1, capacity)
    self.batchSize = max(1, batchSize)
    self.interval = interval
    self.sleep = sleep
    self.transport = transport
    (wakeups, wake) = AsyncStream.makeStream(bufferingPolicy: .bufferingNewest(1))
    // Lives as long as the exporter; `shutdown` ends it.
    worker.withLock {
      $0 = Task { [weak self, wakeups] in
        for await _ in wakeups {
          guard let self else { return }
          await self.drain(waits: true)
        }
      }
    }
  }

  deinit {
    wake.finish()
    worker.withLock { $0?.cancel() }
  }

  public var counts: Counts {
    state.withLock { state in
      var counts = state.counts
      counts.waiting = state.waiting.count
      return counts
    }
  }

  public func record(_ span: SpanRecord) {
    state.withLock { state in
      guard !state.isOver, state.waiting.count < capacity else {
        state.counts.dropped += 1
        return
      }
      state.waiting.append(span)
    }
    wake.yield()
  }

  public func flush() { wake.yield() }

  /// Sends what waits, for at most `limit`, and takes no more.
  public func shutdown(within limit: Duration = .seconds(5)) async {
    state.withLock { $0.isOver = true }
    wake.finish()
    worker.withLock { $0?.cancel() }
    await withTaskGroup(of: Void.self) { group in
      group.addTask { await self.drain(waits: false) }
      group.addTask { try? await self.sleep(limit) }
      await group.next()
      group.cancelAll()
    }
  }

  /// Sends batches until nothing waits.
  private func drain(waits: Bool) async {
    if waits, state.withLock({ $0.waiting.count < batchSize }) {
      guard (try? await sleep(interval)) != nil else { return }
    }
    while !Task.isCancelled {
      let batch: [SpanRecord] = state.withLock { state in
        let batch = Array(state.waiting.prefix(batchSize))
        state.waiting.removeFirst(batch.count)
        return batch
      }
      guard !batch.isEmpty else { return }
      let isSent = await send(batch)
      state.withLock { state in
        if isSent {
          state.counts.exported += batch.count
        } else {
          state.counts.dropped += batch.count
          state.counts.failedBatches += 1
        }
      }
    }
  }

  private static let pauses: [Duration] = [.milliseconds(500), .seconds(1), .seconds(2), .seconds(4)]

  private func send(_ batch: [SpanRecord]) async -> Bool {
    let body = Array(
      OTLPSpans.body(batch, resource: resource, scope: "strata", version: version).text().utf8)
    for attempt in 0...Self.pauses.count {
      var pause = attempt < Self.pauses.count ? Self.pauses[attempt] : .zero
      do {
        let reply = try await transport(body)
        switch reply.status {
        case 200..<300: return true
        case 429, 502, 503, 504:
          if let seconds = reply.retryAfter { pause = .seconds(min(max(seconds, 0), 30)) }
        default: return false
        }
      } catch is CancellationError {
        return false
      } catch {
        // A collector that is not there may come back.
      }
      guard attempt < Self.pauses.count, (try? await sleep(pause)) != nil else { return false }
    }
    return false
  }
}
