// Owns the numbers of generations, by model and tenant. Knows nothing about HTTP or engines.
import StrataCore
import Synchronization

/// Histograms and counters of every generation that went through an ``ObservedModel``.
///
/// Names follow OpenTelemetry's GenAI metrics where it has one (`gen_ai.server.time_to_first_token` becomes
/// `gen_ai_server_time_to_first_token_seconds`).
public final class GenerationMetrics: Sendable {
  private struct PerModel {
    var firstToken = Histogram()
    var betweenTokens = Histogram(bounds: Histogram.tokenSeconds)
    var duration = Histogram()
    var queue = Histogram()
    var inputTokens = Histogram(bounds: Histogram.tokens)
    var outputTokens = Histogram(bounds: Histogram.tokens)
    var ended: [String: Int] = [:]
  }

  struct TenantKey: Hashable, Comparable {
    let model: String
    let tenant: String
    static func < (a: Self, b: Self) -> Bool { (a.model, a.tenant) < (b.model, b.tenant) }
  }

  private struct State {
    var models: [String: PerModel] = [:]
    var tenants: [TenantKey: Usage] = [:]
    var running: [String: Int] = [:]
  }

  /// Tenants beyond this many share the label `other`, so that a page of numbers stays a page.
  private static let mostTenants = 200

  private let state = Mutex(State())

  public init() {}

  func started(_ model: String) { state.withLock { $0.running[model, default: 0] += 1 } }

  func firstPiece(_ model: String, after seconds: Double) {
    state.withLock { $0.models[model, default: PerModel()].firstToken.observe(seconds) }
  }

  func gap(_ model: String, _ seconds: Double) {
    state.withLock { $0.models[model, default: PerModel()].betweenTokens.observe(seconds) }
  }

  /// - Parameter outcome: a finish reason, `cancelled`, or an error's code.
  func ended(_ model: String, tenant: String, outcome: String, seconds: Double, usage: Usage?, queue: Double?) {
    state.withLock { state in
      state.running[model, default: 1] -= 1
      var numbers = state.models[model] ?? PerModel()
      numbers.ended[outcome, default: 0] += 1
      numbers.duration.observe(seconds)
      if let queue { numbers.queue.observe(queue) }
      if let usage {
        numbers.inputTokens.observe(Double(usage.promptTokens))
        numbers.outputTokens.observe(Double(usage.completionTokens))
        var key = TenantKey(model: model, tenant: tenant)
        if state.tenants[key] == nil, state.tenants.count >= Self.mostTenants {
          key = TenantKey(model: model, tenant: "other")
        }
        state.tenants[key, default: Usage()] = state.tenants[key, default: Usage()] + usage
      }
      state.models[model] = numbers
    }
  }

  /// Appends all families to a page of numbers.
  public func write(to page: inout PrometheusText) {
    let now = state.withLock { $0 }
    let models = now.models.sorted { $0.key < $1.key }
    func histograms(_ name: String, _ help: String, _ path: KeyPath<PerModel, Histogram>) {
      page.family(name, .histogram, help)
      for (model, numbers) in models {
        page.histogram(name, [("gen_ai_request_model", model)], numbers[keyPath: path])
      }
    }
    histograms(
      "gen_ai_server_time_to_first_token_seconds", "From the call to the first piece of output.", \.firstToken)
    histograms(
      "gen_ai_server_time_per_output_token_seconds", "Between two pieces of output of one sequence.", \.betweenTokens)
    histograms("gen_ai_server_request_duration_seconds", "From the call to the end of the output.", \.duration)
    histograms("strata_queue_seconds", "From the call to the first step of the sequence.", \.queue)
    page.family("gen_ai_client_token_usage", .histogram, "Tokens of a call, read and written.")
    for (model, numbers) in models {
      for (type, histogram) in [("input", numbers.inputTokens), ("output", numbers.outputTokens)] {
        page.histogram(
          "gen_ai_client_token_usage", [("gen_ai_request_model", model), ("gen_ai_token_type", type)], histogram)
      }
    }
    page.family("strata_generations_total", .counter, "Generations that ended, by how they ended.")
    for (model, numbers) in models {
      for (outcome, count) in numbers.ended.sorted(by: { $0.key < $1.key }) {
        page.sample("strata_generations_total", [("model", model), ("outcome", outcome)], count)
      }
    }
    page.family("strata_generations_in_flight", .gauge, "Generations that wait or run.")
    for (model, count) in now.running.sorted(by: { $0.key < $1.key }) {
      page.sample("strata_generations_in_flight", [("model", model)], count)
    }
    page.family("strata_tokens_total", .counter, "Tokens by tenant: read, read from the prefix cache, and written.")
    for (key, usage) in now.tenants.sorted(by: { $0.key < $1.key }) {
      for (type, count) in [
        ("prompt", usage.promptTokens), ("cached", usage.cachedTokens), ("completion", usage.completionTokens),
      ] {
        page.sample("strata_tokens_total", [("model", key.model), ("tenant", key.tenant), ("type", type)], count)
      }
    }
  }
}
