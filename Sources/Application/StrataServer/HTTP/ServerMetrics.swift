// Owns the numbers of requests over HTTP; those of models are StrataTelemetry's.
import StrataTelemetry
import Synchronization

final class ServerMetrics: Sendable {
  private struct RouteKey: Hashable, Comparable {
    let route: String
    let method: String
    let status: Int
    static func < (a: Self, b: Self) -> Bool { (a.route, a.method, a.status) < (b.route, b.method, b.status) }
  }
  private struct State {
    var requests: [RouteKey: Int] = [:]
    var latency: [String: Histogram] = [:]
    var inputTokens: [String: Int] = [:]
    var inFlight = 0
    var abandoned = 0
  }
  private let state = Mutex(State())
  private let start = ContinuousClock.now

  func requestStarted() { state.withLock { $0.inFlight += 1 } }

  func requestEnded(route: String, method: String, status: Int, seconds: Double) {
    state.withLock { state in
      state.inFlight -= 1
      state.requests[RouteKey(route: route, method: method, status: status), default: 0] += 1
      state.latency[route, default: Histogram()].observe(seconds)
    }
  }

  /// Tokens of a model that writes none.
  func inputTokens(_ count: Int, model: String) { state.withLock { $0.inputTokens[model, default: 0] += count } }

  func generationAbandoned() { state.withLock { $0.abandoned += 1 } }

  /// - Parameter queue: of the admission gate.
  func write(queue: (running: Int, waiting: Int), to page: inout PrometheusText) {
    let now = state.withLock { $0 }
    page.family("strata_http_requests_total", .counter, "Requests answered, by route and status.")
    for (key, count) in now.requests.sorted(by: { $0.key < $1.key }) {
      page.sample(
        "strata_http_requests_total", [("route", key.route), ("method", key.method), ("status", "\(key.status)")], count
      )
    }
    let duration = "strata_http_request_duration_seconds"
    page.family(duration, .histogram, "Time until the last byte was handed to the system.")
    for (route, histogram) in now.latency.sorted(by: { $0.key < $1.key }) {
      page.histogram(duration, [("route", route)], histogram)
    }
    func single(_ name: String, _ kind: PrometheusText.Kind, _ help: String, _ value: Int) {
      page.family(name, kind, help)
      page.sample(name, [], value)
    }
    single("strata_http_requests_in_flight", .gauge, "Requests being answered now.", now.inFlight)
    single("strata_generations_running", .gauge, "Requests past the admission gate.", queue.running)
    single("strata_generations_waiting", .gauge, "Requests that wait at the admission gate.", queue.waiting)
    single(
      "strata_generations_abandoned_total", .counter, "Generations cancelled because the client went.", now.abandoned)
    page.family("strata_input_tokens_total", .counter, "Tokens read by embedders and rerankers.")
    for (model, count) in now.inputTokens.sorted(by: { $0.key < $1.key }) {
      page.sample("strata_input_tokens_total", [("model", model)], count)
    }
    page.family("strata_uptime_seconds", .gauge, "Seconds since the start.")
    page.sample("strata_uptime_seconds", [], (ContinuousClock.now - start).seconds)
  }
}

/// The numbers of one request, written down once, when its last byte is out.
final class RequestMetrics: Sendable {
  let metrics: ServerMetrics
  let start = ContinuousClock.now

  init(_ metrics: ServerMetrics) {
    self.metrics = metrics
    metrics.requestStarted()
  }

  var elapsed: Duration { ContinuousClock.now - start }
}

extension Duration {
  var seconds: Double {
    Double(components.seconds) + Double(components.attoseconds) * 1e-18
  }
}
