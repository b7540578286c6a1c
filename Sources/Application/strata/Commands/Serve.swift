// Owns `strata up` and `strata serve`: from nothing to a page that answers.
import ArgumentParser
import Foundation
import Logging
import StrataCore
import StrataModel
import StrataProviders
import StrataServer
import StrataTelemetry

/// How the server listens, for both commands.
struct ServeOptions: ParsableArguments {
  @Option(name: .long, help: "Port of the page and the API.") var port = 8080
  @Option(name: .long, help: "Address; anything but loopback needs an API key.") var host = "127.0.0.1"
  @Option(
    name: .long,
    help: "KEY=USER: requests with this bearer key act as USER (repeatable; also STRATA_API_KEYS, one per line).")
  var apiKey: [String] = []

  @Option(
    name: .long,
    help: "File of keys made by `strata key create` (default: the one of STRATA_HOME, if there is one).",
    completion: .file())
  var keys: String?

  @Option(
    name: .long, help: "Another model (as --model) that is loaded when the first request asks for it (repeatable).")
  var onDemand: [String] = []

  @Option(
    name: .long, help: "NAME=PATH: a LoRA adapter (GGUF file or PEFT folder); ask for it as MODEL:NAME (repeatable).")
  var adapter: [String] = []
  @Option(
    name: .long, help: "Folder that administrators may load adapters from while serving.", completion: .directory)
  var adapterFolder: String?

  @Option(name: .long, help: "Seconds without a request after which models that were loaded later are freed.")
  var modelIdle: Int?

  private func givenKeys() throws -> [(key: String, user: String)] {
    let listed = (ProcessInfo.processInfo.environment["STRATA_API_KEYS"] ?? "").split(whereSeparator: \.isNewline)
    return try (apiKey + listed.map(String.init)).map { entry in
      guard let equals = entry.lastIndex(of: "="), equals != entry.startIndex else {
        throw CommandError(CommandError.usage, "An API key must be written KEY=USER.")
      }
      return (String(entry[..<equals]), String(entry[entry.index(after: equals)...]))
    }
  }

  private func keyFile(_ home: Home) throws -> String? {
    if let keys {
      guard FileManager.default.fileExists(atPath: keys) else {
        throw CommandError(
          CommandError.fileUnreadable, "There is no file of keys at \(keys).", remedy: "Make one: strata key create.")
      }
      return keys
    }
    return FileManager.default.fileExists(atPath: home.keys.path) ? home.keys.path : nil
  }

  func serve(
    _ wiring: Wiring, _ collection: Collection, model: LocalAssistant, pool: ComputePool, outside: OutsideOptions
  ) async throws {
    let connections = RemoteConnections()
    let exporter = try outside.exporter(connections)
    let local = model.model
    let telemetry = Telemetry(tracer: exporter.map { StrataTracer(sink: $0) }) { page in
      local.status.write(model: local.info.id, to: &page)
    }
    var quiet = Logger(label: "strata") { StreamLogHandler.standardError(label: $0) }
    quiet.logLevel =
      ProcessInfo.processInfo.environment["STRATA_LOG"].flatMap(Logger.Level.init(rawValue:)) ?? .warning
    let logger = quiet
    var models: [any LanguageModel] = [local]
    if let remote = try outside.remoteModel(connections, beside: local.info.id) {
      let policy = RoutingPolicy(queueLimit: outside.remoteQueue)
      models = [
        HybridModel(
          local: local, remote: remote, policy: policy, localQueue: { local.status.waiting },
          onRoute: { route, reason in
            logger.info("routed", metadata: ["to": "\(route.rawValue)", "because": "\(reason)"])
          }), remote,
      ]
    }
    var keys: [APIKey] = []
    for (key, user) in try givenKeys() {
      keys.append(APIKey(key: key, principal: try await collection.principal(user)))
    }
    var configuration = ServerConfiguration(
      host: host, port: port, apiKeys: keys, keyFile: try keyFile(wiring.home))
    configuration.adapterFolder = adapterFolder
    if let modelIdle {
      guard modelIdle > 0 else { throw CommandError(CommandError.usage, "--model-idle must be at least 1.") }
      configuration.limits.modelIdleTime = .seconds(modelIdle)
    }
    for entry in adapter {
      let (name, path) = try AdapterFolder.parse(entry)
      try await model.model.loadAdapter(name, from: path, replaces: false)
    }
    let source = try LocalModelSource(wiring: wiring, pool: pool, more: onDemand)
    let server = HTTPServer(
      configuration: configuration, models: models, embedders: [collection.embedder], source: source,
      onDemand: source.more, app: model, telemetry: telemetry, logger: logger)
    try await server.run { address in
      Terminal.out("\nStrata is ready: \(Terminal.bold("\(address)"))")
      Terminal.out(Terminal.dim("OpenAI API at \(address)/v1 · Ctrl-C stops"))
    }
    await exporter?.shutdown()
    try await connections.shutdown()
    try await collection.retriever.current.retriever.index.index.close()
  }
}

struct Up: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Fetch the models, ingest a folder, serve the page.",
    discussion: "Example: strata up Examples/handbook --port 8080")
  @OptionGroup var common: CommonOptions
  @OptionGroup var options: ModelOptions
  @OptionGroup var documents: CollectionOptions
  @OptionGroup var serving: ServeOptions
  @OptionGroup var outside: OutsideOptions
  @Argument(help: "A folder of documents.", completion: .directory) var folder: String

  func run() async throws {
    try await common.run {
      let wiring = try Wiring()
      let decoder = options.model ?? wiring.catalog.defaultDecoder
      for name in [wiring.catalog.defaultEncoder, decoder] {
        guard let model = try? wiring.catalog.model(named: name) else { continue }
        if !wiring.modelStore.isPresent(model) {
          Terminal.out("Fetching \(model.name) (\(Terminal.formatted(bytes: model.byteCount)), once)")
          try wiring.modelStore.pull(model)
        }
      }
      let pool = try wiring.pool(threads: options.threads)
      let collection = try await wiring.collection(documents.collection, pool: pool, creates: true)
      IngestView.show(try await IngestView.run(folder, into: collection))
      let assistant = try await LocalAssistant(wiring, collection, model: wiring.model(options, pool: pool))
      try await serving.serve(wiring, collection, model: assistant, pool: pool, outside: outside)
    }
  }
}

struct Serve: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Serve what is ingested already.", discussion: "Example: strata serve --port 9000")
  @OptionGroup var common: CommonOptions
  @OptionGroup var options: ModelOptions
  @OptionGroup var documents: CollectionOptions
  @OptionGroup var serving: ServeOptions
  @OptionGroup var outside: OutsideOptions

  func run() async throws {
    try await common.run {
      let wiring = try Wiring()
      let pool = try wiring.pool(threads: options.threads)
      let collection = try await wiring.collection(documents.collection, pool: pool, creates: true)
      let assistant = try await LocalAssistant(wiring, collection, model: wiring.model(options, pool: pool))
      try await serving.serve(wiring, collection, model: assistant, pool: pool, outside: outside)
    }
  }
}
