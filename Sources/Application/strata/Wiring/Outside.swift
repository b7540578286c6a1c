// Owns what the server has to do with other machines: remote models and the collector of spans.
import ArgumentParser
import Foundation
import StrataCore
import StrataProviders
import StrataServing
import StrataTelemetry

/// A remote model beside the local one, and where spans go.
struct OutsideOptions: ParsableArguments {
  @Option(
    name: .long,
    help: "URL of a remote model's API, e.g. http://127.0.0.1:8000/v1: takes requests when the local model cannot.")
  var remote: String?

  @Option(name: .long, help: "Name of the model at --remote.") var remoteModel: String?

  @Option(name: .long, help: "Protocol of --remote: openai or anthropic.") var remoteAPI = "openai"

  @Option(name: .long, help: "Environment variable that holds the key of --remote.")
  var remoteKeyVariable = "STRATA_REMOTE_KEY"

  @Option(name: .long, help: "Most tokens that the remote model takes (default: unknown).") var remoteContext = 0

  @Option(name: .long, help: "Requests that may wait for the local model before others go to --remote.")
  var remoteQueue = 8

  @Option(
    name: .long,
    help: "URL of an OpenTelemetry collector, e.g. http://127.0.0.1:4318 (default: OTEL_EXPORTER_OTLP_ENDPOINT).")
  var otlp: String?

  /// The remote model, if one is named.
  /// - Parameter local: the name that is taken already.
  func remoteModel(_ connections: RemoteConnections, beside local: String) throws -> RemoteModel? {
    guard let remote else { return nil }
    guard let name = remoteModel else {
      throw CommandError(CommandError.usage, "--remote needs --remote-model.")
    }
    guard let dialect = RemoteEndpoint.Dialect(rawValue: remoteAPI) else {
      throw CommandError(CommandError.usage, "--remote-api must be openai or anthropic.")
    }
    return RemoteModel(
      id: name == local ? "remote/\(name)" : name,
      endpoint: try RemoteEndpoint(
        dialect: dialect, baseURL: remote, model: name,
        apiKey: ProcessInfo.processInfo.environment[remoteKeyVariable], contextLength: remoteContext),
      connections: connections)
  }

  /// Sends spans to the collector, if one is named.
  func exporter(_ connections: RemoteConnections) throws -> SpanExporter? {
    let environment = ProcessInfo.processInfo.environment
    guard let base = otlp ?? environment["OTEL_EXPORTER_OTLP_ENDPOINT"], !base.isEmpty else { return nil }
    guard base.hasPrefix("http://") || base.hasPrefix("https://") else {
      throw CommandError(CommandError.usage, "The collector's address \(base) is no http or https URL.")
    }
    let url = (base.hasSuffix("/") ? String(base.dropLast()) : base) + "/v1/traces"
    let resource = [
      ("service.name", environment["OTEL_SERVICE_NAME"] ?? "strata"), ("service.version", Strata.version),
      ("process.pid", "\(ProcessInfo.processInfo.processIdentifier)"),
    ]
    return SpanExporter(resource: resource, version: Strata.version) { body in
      let reply = try await connections.post(json: body, to: url)
      return ExportReply(status: reply.status, retryAfter: reply.retryAfter)
    }
  }
}

extension EngineStatus {
  /// Appends what the engine is doing to a page of numbers.
  func write(model: String, to page: inout PrometheusText) {
    let labels = [("model", model)]
    func gauge(_ name: String, _ help: String, _ value: Int) {
      page.family(name, .gauge, help)
      page.sample(name, labels, value)
    }
    func counter(_ name: String, _ help: String, _ value: Int) {
      page.family(name, .counter, help)
      page.sample(name, labels, value)
    }
    gauge("strata_engine_running", "Sequences in the engine's batch.", running)
    gauge("strata_engine_queue_depth", "Sequences that wait for a place in the batch.", waiting)
    gauge("strata_kv_pages", "Pages of keys and values, 16 positions each.", pages)
    gauge("strata_kv_pages_in_use", "Pages of running sequences.", pagesInUse)
    gauge("strata_kv_pages_idle", "Pages that only the prefix cache holds.", pagesIdle)
    counter("strata_engine_steps_total", "Forward passes.", steps)
    counter("strata_engine_pauses_total", "Times that a running sequence gave its place away.", pauses)
    counter("strata_engine_refused_total", "Requests that ended with an error.", refused)
    counter("strata_speculation_drafted_tokens_total", "Guessed tokens that were checked.", draftedTokens)
    counter("strata_speculation_accepted_tokens_total", "Guessed tokens that held.", acceptedTokens)
  }
}
