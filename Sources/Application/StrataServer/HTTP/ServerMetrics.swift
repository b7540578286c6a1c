// Owns the numbers of the server and their Prometheus text form (exposition format 0.0.4). Knows nothing about models.
import Synchronization

/// Counts a distribution in fixed buckets.
struct Histogram: Sendable {
  /// Upper bounds in seconds.
  static let bounds: [Double] = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120]
  private var buckets = [Int](repeating: 0, count: bounds.count)
  private var count = 0
  private var sum = 0.0

  mutating func observe(_ seconds: Double) {
    count += 1
    sum += seconds
    if let index = Histogram.bounds.firstIndex(where: { seconds <= $0 }) { buckets[index] += 1 }
  }

  /// - Parameter labels: without braces; may be empty.
  func write(_ name: String, labels: String, to text: inout String) {
    let prefix = labels.isEmpty ? "" : labels + ","
    var total = 0
    for (bound, bucket) in zip(Histogram.bounds, buckets) {
      total += bucket
      text += "\(name)_bucket{\(prefix)le=\"\(bound)\"} \(total)\n"
    }
    let braces = labels.isEmpty ? "" : "{\(labels)}"
    text += "\(name)_bucket{\(prefix)le=\"+Inf\"} \(count)\n"
    text += "\(name)_sum\(braces) \(sum)\n\(name)_count\(braces) \(count)\n"
  }
}

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
    var promptTokens: [String: Int] = [:]
    var completionTokens: [String: Int] = [:]
    var cachedTokens: [String: Int] = [:]
    var firstToken: [String: Histogram] = [:]
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

  func tokens(model: String, prompt: Int, completion: Int, cached: Int) {
    state.withLock { state in
      state.promptTokens[model, default: 0] += prompt
      state.completionTokens[model, default: 0] += completion
      state.cachedTokens[model, default: 0] += cached
    }
  }

  func firstToken(model: String, seconds: Double) {
    state.withLock { $0.firstToken[model, default: Histogram()].observe(seconds) }
  }

  func generationAbandoned() { state.withLock { $0.abandoned += 1 } }

  /// - Parameter queue: of the admission gate.
  func text(queue: (running: Int, waiting: Int)) -> String {
    let now = state.withLock { $0 }
    var text = ""
    func head(_ name: String, _ type: String, _ help: String) {
      text += "# HELP \(name) \(help)\n# TYPE \(name) \(type)\n"
    }
    func family(_ name: String, _ type: String, _ help: String, _ values: [String: Int]) {
      head(name, type, help)
      for (model, count) in values.sorted(by: { $0.key < $1.key }) {
        text += "\(name){model=\"\(Self.escaped(model))\"} \(count)\n"
      }
    }
    func single(_ name: String, _ type: String, _ help: String, _ value: String) {
      head(name, type, help)
      text += "\(name) \(value)\n"
    }
    head("strata_http_requests_total", "counter", "Requests answered, by route and status.")
    for (key, count) in now.requests.sorted(by: { $0.key < $1.key }) {
      text += "strata_http_requests_total{route=\"\(key.route)\",method=\"\(key.method)\",status=\"\(key.status)\"} "
      text += "\(count)\n"
    }
    head("strata_http_request_duration_seconds", "histogram", "Time until the last byte was handed to the system.")
    for (route, histogram) in now.latency.sorted(by: { $0.key < $1.key }) {
      histogram.write("strata_http_request_duration_seconds", labels: "route=\"\(route)\"", to: &text)
    }
    single("strata_http_requests_in_flight", "gauge", "Requests being answered now.", "\(now.inFlight)")
    single("strata_generations_running", "gauge", "Requests that a model works on.", "\(queue.running)")
    single("strata_generations_waiting", "gauge", "Requests that wait for a model.", "\(queue.waiting)")
    single(
      "strata_generations_abandoned_total", "counter", "Generations cancelled because the client went.",
      "\(now.abandoned)")
    family("strata_prompt_tokens_total", "counter", "Tokens read by the model.", now.promptTokens)
    family("strata_completion_tokens_total", "counter", "Tokens written by the model.", now.completionTokens)
    family("strata_cached_tokens_total", "counter", "Prompt tokens found in the prefix cache.", now.cachedTokens)
    head("strata_time_to_first_token_seconds", "histogram", "From the request to the first piece of output.")
    for (model, histogram) in now.firstToken.sorted(by: { $0.key < $1.key }) {
      histogram.write(
        "strata_time_to_first_token_seconds", labels: "model=\"\(Self.escaped(model))\"", to: &text)
    }
    single("strata_uptime_seconds", "gauge", "Seconds since the start.", "\((ContinuousClock.now - start).seconds)")
    return text
  }

  private static func escaped(_ label: String) -> String {
    label.reduce(into: "") { text, character in
      switch character {
      case "\\": text += "\\\\"
      case "\"": text += "\\\""
      case "\n": text += "\\n"
      default: text.append(character)
      }
    }
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
