// Owns the life of the server: composing routes, binding, serving, stopping. Knows models and documents by protocol
// only.
import Foundation
import Hummingbird
import Logging
import NIOCore
import ServiceLifecycle
import StrataCore
import StrataTelemetry

/// Where the server listens.
public struct BoundAddress: Sendable, Hashable, CustomStringConvertible {
  public let host: String
  public let port: Int

  /// A URL that a browser on this machine can open.
  public var description: String {
    host.contains(":") ? "http://[\(host)]:\(port)" : "http://\(host):\(port)"
  }
}

/// Serves the OpenAI-compatible API, the app API and the web page over HTTP/1.1.
///
/// ```swift
/// let server = HTTPServer(models: [model], embedders: [embedder], app: service)
/// try await server.run { print("Open \($0)") }
/// ```
public struct HTTPServer: Sendable {
  private let configuration: ServerConfiguration
  private let models: [any LanguageModel]
  private let embedders: [any Embedder]
  private let rerankers: [any Reranker]
  private let source: (any ModelSource)?
  private let onDemand: [String]
  private let app: (any AppService)?
  private let telemetry: Telemetry
  private let logger: Logger

  /// - Parameters:
  ///   - models: answer `/v1/chat/completions` and `/v1/completions` under their ids.
  ///   - embedders: answer `/v1/embeddings` under their ids.
  ///   - rerankers: answer `/v1/rerank` under their ids.
  ///   - source: gives models that administrators load while the server runs.
  ///   - onDemand: names that `source` loads when the first request asks for them.
  ///   - app: what the page works with; without it only the OpenAI API is served.
  ///   - telemetry: observes every call of a model, and every request when it has a tracer.
  public init(
    configuration: ServerConfiguration = ServerConfiguration(), models: [any LanguageModel],
    embedders: [any Embedder] = [], rerankers: [any Reranker] = [], source: (any ModelSource)? = nil,
    onDemand: [String] = [], app: (any AppService)? = nil, telemetry: Telemetry = Telemetry(),
    logger: Logger = Logger(label: "strata.server")
  ) {
    self.configuration = configuration
    self.models = models
    self.embedders = embedders
    self.rerankers = rerankers
    self.source = source
    self.onDemand = onDemand
    self.app = app
    self.telemetry = telemetry
    self.logger = logger
  }

  /// Serves until the task is cancelled or, with ``ServerConfiguration/handlesSignals``, SIGINT or SIGTERM arrives.
  /// Then no connection is accepted any more, and running responses get ``ServerLimits/shutdownGrace`` to end.
  /// - Parameter onListening: called once, when connections are accepted.
  /// - Throws: ``ServerError`` when the configuration is unsafe or the address cannot be bound.
  public func run(onListening: @escaping @Sendable (BoundAddress) async -> Void = { _ in }) async throws {
    try configuration.validate()
    let host = configuration.host
    let limits = configuration.limits
    var frameworkLogger = logger
    frameworkLogger.logLevel = max(logger.logLevel, .warning)
    let catalog = ModelCatalog(
      models: models, embedders: embedders, rerankers: rerankers, source: source, onDemand: onDemand,
      documents: app.map { DocumentChat.modelName($0.collectionName) })
    let janitor = limits.modelIdleTime.map { idle in
      // Lives as long as the server runs, beside the services that end with a signal.
      Task { [logger] in
        while !Task.isCancelled {
          try? await Task.sleep(for: min(max(idle / 10, .milliseconds(10)), .seconds(5)))
          for model in catalog.rest(idle: idle) { logger.info("freed an idle model", metadata: ["model": "\(model)"]) }
        }
      }
    }
    defer { janitor?.cancel() }
    let application = Application(
      responder: responder(catalog),
      server: .http1(
        configuration: .init(
          additionalChannelHandlers: [ClientConnectionHandler(stallTimeout: limits.stallTimeout)],
          idleTimeout: TimeAmount(limits.idleTimeout))),
      configuration: ApplicationConfiguration(
        address: .hostname(host == "[::1]" ? "::1" : host, port: configuration.port), serverName: nil),
      onServerRunning: { channel in
        let address = channel.localAddress
        await onListening(
          BoundAddress(host: address?.ipAddress ?? host, port: address?.port ?? 0))
      },
      logger: frameworkLogger)
    var group = ServiceGroupConfiguration(
      services: [.init(service: application)],
      gracefulShutdownSignals: configuration.handlesSignals ? [.sigint, .sigterm] : [], logger: frameworkLogger)
    group.maximumGracefulShutdownDuration = limits.shutdownGrace
    do {
      try await ServiceGroup(configuration: group).run()
    } catch let error as IOError {
      throw explain(error)
    }
  }

  private func responder(_ catalog: ModelCatalog) -> RequestPipeline {
    let metrics = ServerMetrics()
    let admission = Admission(
      capacity: configuration.limits.concurrentRequests, queueCapacity: configuration.limits.waitingRequests)
    let access = AccessControl(configuration, keys: KeyRing(configuration, logger: logger))
    let ledger = BudgetLedger()
    let generation = GenerationRunner(
      limits: configuration.limits, admission: admission, metrics: metrics, telemetry: telemetry, ledger: ledger)
    let questions = app.map {
      AppQuestions(app: $0, limits: configuration.limits, admission: admission, ledger: ledger)
    }
    var routes =
      OperationsRoutes(metrics: metrics, telemetry: telemetry, admission: admission).routes
      + ModelRoutes(catalog: catalog, limits: configuration.limits).routes
      + AdapterRoutes(
        catalog: catalog, limits: configuration.limits, folder: configuration.adapterFolder
      ).routes
      + ChatRoutes(catalog: catalog, runner: generation, documents: questions.map(DocumentChat.init)).routes
      + CompletionRoutes(catalog: catalog, runner: generation).routes
      + EmbeddingRoutes(catalog: catalog, runner: generation).routes
      + RerankRoutes(catalog: catalog, runner: generation).routes
      + ResponsesRoutes(
        catalog: catalog, runner: generation, store: ResponseStore(configuration.limits)
      ).routes
      + MessagesRoutes(catalog: catalog, runner: generation).routes
    if let questions {
      routes +=
        AppRoutes(app: questions.app, access: access, limits: configuration.limits, questions: questions).routes
      routes += PageRoutes().routes
    }
    return RequestPipeline(
      table: RouteTable(routes: routes), access: access, ledger: ledger, metrics: metrics, tracer: telemetry.tracer)
  }

  private func explain(_ error: IOError) -> ServerError {
    let address = "\(configuration.host):\(configuration.port)"
    switch error.errnoCode {
    case EADDRINUSE:
      return ServerError(
        .portInUse, "Another program listens on \(address) already.",
        remedy: "Stop it, or choose another port, for example \(configuration.port + 1).", cause: error)
    case EACCES:
      return ServerError(
        .cannotListen, "The system does not let this user listen on port \(configuration.port).",
        remedy: "Choose a port above 1023.", cause: error)
    case EADDRNOTAVAIL:
      return ServerError(
        .cannotListen, "This machine has no address \(configuration.host).",
        remedy: "Use 127.0.0.1, or an address that `ip addr` lists.", cause: error)
    default:
      return ServerError(.cannotListen, "The server cannot listen on \(address).", cause: error)
    }
  }
}
