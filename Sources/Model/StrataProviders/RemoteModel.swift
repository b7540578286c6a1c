// Owns calling a remote model: retries, timeouts, the circuit breaker, turning its stream into events. Knows the
// protocols only as `RemoteWire`s.
import StrataCore
import Synchronization

/// A model behind an OpenAI-compatible server or Anthropic's API.
///
/// A call that fails before its first piece of output is tried again where that can help (no connection, 429, 5xx), after
/// a pause with jitter or as long as the server asks for; once something has been streamed, it never is. After several
/// failures in a row the server is left alone for a while (``CircuitBreaker``).
public final class RemoteModel: LanguageModel {
  public let info: ModelInfo
  public let endpoint: RemoteEndpoint
  private let transport: any RemoteTransport
  private let breaker: Mutex<CircuitBreaker>
  private let start = ContinuousClock.now
  private let sleep: @Sendable (Duration) async throws -> Void
  private let jitter: @Sendable () -> Double

  /// - Parameter id: the name that the API shows; the endpoint's model by default.
  public convenience init(
    id: String? = nil, endpoint: RemoteEndpoint, connections: RemoteConnections,
    breaker: CircuitBreaker = CircuitBreaker()
  ) {
    self.init(id: id, endpoint: endpoint, transport: connections, breaker: breaker)
  }

  package init(
    id: String? = nil, endpoint: RemoteEndpoint, transport: any RemoteTransport,
    breaker: CircuitBreaker = CircuitBreaker(),
    sleep: @escaping @Sendable (Duration) async throws -> Void = { try await Task.sleep(for: $0) },
    jitter: @escaping @Sendable () -> Double = { .random(in: 0.5...1) }
  ) {
    info = ModelInfo(
      id: id ?? endpoint.model, contextLength: endpoint.contextLength, provider: endpoint.dialect.rawValue)
    self.endpoint = endpoint
    self.transport = transport
    self.breaker = Mutex(breaker)
    self.sleep = sleep
    self.jitter = jitter
  }

  /// Whether calls go out now; false while the circuit breaker holds them back.
  public var isAvailable: Bool {
    let now = ContinuousClock.now - start
    return breaker.withLock { breaker in
      if case .open(let until) = breaker.state { return now >= until }
      return true
    }
  }

  /// An estimate: four bytes a token, since the server's tokenizer is not here.
  public func countTokens(_ input: GenerationRequest.Input, tools: [ToolDefinition]) async throws -> Int {
    let bytes =
      switch input {
      case .prompt(let text): text.utf8.count
      case .messages(let messages): messages.reduce(0) { $0 + $1.content.utf8.count + 16 }
      }
    return (bytes + tools.reduce(0) { $0 + $1.description.utf8.count + $1.parameters.text().utf8.count }) / 4 + 1
  }

  public func generate(_ request: GenerationRequest) -> AsyncThrowingStream<GenerationEvent, any Error> {
    AsyncThrowingStream(running: { emit in
      guard !request.isLocalOnly else {
        throw ProviderError(
          ProviderError.localOnly, "This request may not leave the machine, and \(self.info.id) is elsewhere.",
          remedy: "Use a local model.")
      }
      switch self.endpoint.dialect {
      case .openAI: try await self.run(OpenAIWire.self, request, emit: emit)
      case .anthropic: try await self.run(AnthropicWire.self, request, emit: emit)
      }
    })
  }

  private func run<Wire: RemoteWire>(
    _ wire: Wire.Type, _ request: GenerationRequest, emit: @Sendable (GenerationEvent) -> Void
  ) async throws {
    let outgoing = try Wire.request(request, to: endpoint)
    var attempt = 0
    while true {
      try admit()
      let output = Mutex(false)
      do {
        try await stream(Wire(request), outgoing) { event in
          output.withLock { $0 = true }
          emit(event)
        }
        breaker.withLock { $0.succeeded() }
        return
      } catch {
        note(error)
        guard let pause = pause(after: error, attempt: attempt, hasOutput: output.withLock { $0 }) else { throw error }
        attempt += 1
        try await sleep(pause)
      }
    }
  }

  private func admit() throws(ProviderError) {
    let now = ContinuousClock.now - start
    guard let wait = breaker.withLock({ $0.admit(at: now) }) else { return }
    throw ProviderError(
      ProviderError.circuitOpen, "The server of \(info.id) failed repeatedly and is left alone for a while.",
      remedy: "Check the server; calls go out again by themselves.", retryAfter: wait)
  }

  private func note(_ error: any Error) {
    let now = ContinuousClock.now - start
    breaker.withLock { breaker in
      switch (error as? ProviderError)?.code {
      case ProviderError.unreachable, ProviderError.timeout, ProviderError.failed, ProviderError.malformed:
        breaker.failed(at: now)
      // A server that refuses is a server that answers.
      case .some: breaker.succeeded()
      case nil: breaker.abandoned(at: now)
      }
    }
  }

  /// How long to wait before trying again; nil when that would not help or could double an answer.
  private func pause(after error: any Error, attempt: Int, hasOutput: Bool) -> Duration? {
    guard !hasOutput, attempt < endpoint.retries, let error = error as? ProviderError else { return nil }
    switch error.code {
    case ProviderError.unreachable, ProviderError.failed, ProviderError.overloaded, ProviderError.timeout:
      if let asked = error.retryAfter { return asked <= .seconds(30) ? asked : nil }
      return .milliseconds(Int(500 * Double(1 << min(attempt, 5)) * jitter()))
    default: return nil
    }
  }

  private func stream<Wire: RemoteWire>(
    _ wire: Wire, _ request: RemoteRequest, emit: @Sendable (GenerationEvent) -> Void
  ) async throws {
    var wire = wire
    let began = ContinuousClock.now
    var firstPiece: ContinuousClock.Instant?
    let reply = try await transport.post(request, timeout: endpoint.timeout)
    guard reply.status == 200 else { throw try await refusal(of: reply, Wire.self) }
    var events = ServerSentEvents()
    for try await bytes in Self.timed(reply.body, limit: endpoint.timeout, server: info.id) {
      for event in try events.push(bytes) {
        for piece in try wire.push(event) {
          if firstPiece == nil { firstPiece = .now }
          emit(piece)
        }
      }
    }
    guard wire.isComplete else {
      throw ProviderError(ProviderError.unreachable, "The connection to \(info.id) ended in the middle of the answer.")
    }
    for event in try wire.finish() {
      guard case .finished(let reason, let usage, _) = event else {
        emit(event)
        continue
      }
      let now = ContinuousClock.now
      let timings = GenerationTimings(prefill: (firstPiece ?? now) - began, decode: now - (firstPiece ?? now))
      emit(.finished(reason, usage, timings))
    }
  }

  /// The error that an answer without success means; at most 64 kB of its body are read.
  private func refusal<Wire: RemoteWire>(of reply: RemoteReply, _ wire: Wire.Type) async throws -> ProviderError {
    var body: [UInt8] = []
    for try await bytes in Self.timed(reply.body, limit: .seconds(10), server: info.id) where body.count < 65_536 {
      body += bytes
    }
    let said = (try? JSON(parsing: body)).flatMap(Wire.message) ?? "no reason given"
    let message = "The server of \(info.id) answered \(reply.status): \(said.prefix(500))"
    let wait = reply.headers["retry-after"].flatMap { Int($0) }.map { Duration.seconds(max(0, $0)) }
    switch reply.status {
    case 401, 403:
      return ProviderError(ProviderError.unauthorized, message, remedy: "Check the key of this provider.")
    case 429, 503, 529: return ProviderError(ProviderError.overloaded, message, retryAfter: wait)
    case 500...: return ProviderError(ProviderError.failed, message, retryAfter: wait)
    default: return ProviderError(ProviderError.rejected, message)
    }
  }

  /// The same stream, ended by an error when no piece comes for `limit`.
  private static func timed(
    _ stream: AsyncThrowingStream<[UInt8], any Error>, limit: Duration, server: String
  ) -> AsyncThrowingStream<[UInt8], any Error> {
    AsyncThrowingStream { continuation in
      let last = LastPiece()
      // Both belong to the consumer of the returned stream and end with it.
      let reader = Task {
        do {
          for try await bytes in stream {
            last.note()
            continuation.yield(bytes)
          }
          continuation.finish()
        } catch is CancellationError {
          continuation.finish(throwing: CancellationError())
        } catch {
          continuation.finish(
            throwing: error is ProviderError
              ? error
              : ProviderError(ProviderError.unreachable, "The connection to \(server) broke.", cause: error))
        }
      }
      let watch = Task {
        while !Task.isCancelled {
          let left = limit - (ContinuousClock.now - last.time)
          guard left > .zero else {
            continuation.finish(
              throwing: ProviderError(
                ProviderError.timeout, "\(server) sent nothing for \(limit.components.seconds) s."))
            return
          }
          try? await Task.sleep(for: left)
        }
      }
      continuation.onTermination = { _ in
        reader.cancel()
        watch.cancel()
      }
    }
  }
}

/// When a stream last gave something.
private final class LastPiece: Sendable {
  private let state = Mutex(ContinuousClock.now)
  var time: ContinuousClock.Instant { state.withLock { $0 } }
  func note() { state.withLock { $0 = .now } }
}
