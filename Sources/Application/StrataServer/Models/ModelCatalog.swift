// Owns which models the server answers for: finding one by the name that a client sends, bringing it in, letting it go.
import StrataCore
import Synchronization

/// A model in memory, and how to let go of it.
public struct LoadedModel: Sendable {
  public let model: any LanguageModel
  /// Ends what still runs and frees the memory.
  let unload: @Sendable () -> Void

  public init(_ model: any LanguageModel, unload: @escaping @Sendable () -> Void) {
    self.model = model
    self.unload = unload
  }
}

/// Where models come from while the server runs.
public protocol ModelSource: Sendable {
  /// Names that ``load(_:)`` takes.
  func names() async throws -> [String]
  /// Brings a model into memory; may take as long as reading its file does.
  func load(_ name: String) async throws -> LoadedModel
}

/// The right to use a model; given back on ``release()`` or when the last reference goes.
final class ModelLease: Sendable {
  let model: any LanguageModel
  /// The name that the client used, which answers repeat.
  let name: String
  /// The adapter that the name asks for.
  let adapter: String?
  private let onRelease: Mutex<(@Sendable () -> Void)?>

  init(_ model: any LanguageModel, name: String, adapter: String?, onRelease: @escaping @Sendable () -> Void) {
    self.model = model
    self.name = name
    self.adapter = adapter
    self.onRelease = Mutex(onRelease)
  }

  func release() {
    let action = onRelease.withLock { action in
      defer { action = nil }
      return action
    }
    action?()
  }

  deinit { release() }
}

final class ModelCatalog: Sendable {
  private enum Status: String { case loaded, unloading }

  private struct Entry {
    let loaded: LoadedModel
    let isPinned: Bool
    let created: Int
    var status = Status.loaded
    var inFlight = 0
    var lastUsed = ContinuousClock.now
  }

  private struct State {
    var order: [String] = []
    var entries: [String: Entry] = [:]
    var loading: [String: Task<Void, any Error>] = [:]
    /// Freed because nobody used them; the next request brings them back.
    var resting: [String] = []
  }

  let embedders: [any Embedder]
  let rerankers: [any Reranker]
  /// The name under which chats ask the documents, where there are any.
  private let documents: String?
  private let source: (any ModelSource)?
  private let created = UnixTime.now
  private let state: Mutex<State>

  /// - Parameters:
  ///   - models: stay for as long as the server runs.
  ///   - onDemand: names that `source` loads when the first request asks for them.
  ///   - documents: the name of ``DocumentChat``, for lists.
  init(
    models: [any LanguageModel], embedders: [any Embedder], rerankers: [any Reranker] = [],
    source: (any ModelSource)? = nil, onDemand: [String] = [], documents: String? = nil
  ) {
    self.documents = documents
    self.embedders = embedders
    self.rerankers = rerankers
    self.source = source
    var state = State()
    for model in models {
      state.order.append(model.info.id)
      state.entries[model.info.id] = Entry(
        loaded: LoadedModel(model, unload: {}), isPinned: true, created: UnixTime.now)
    }
    state.resting = onDemand.filter { !state.order.contains($0) }
    self.state = Mutex(state)
  }

  // MARK: Finding

  /// The model of that name, or for `base:adapter` the base model with the adapter's name.
  func model(_ name: String, for context: RequestContext) async throws -> ModelLease {
    while true {
      let (base, adapter) = resolve(name)
      guard context.key?.allows(base) ?? true else { throw unknown(name, []) }
      if let lease = try lease(base, name: name, adapter: adapter) {
        // A model without adapters would answer as if none had been asked for.
        guard adapter == nil || lease.model is any AdapterHost else { throw unknown(name, ids) }
        return lease
      }
      guard state.withLock({ $0.resting.contains(base) || $0.loading[base] != nil }) else {
        if embedders.contains(where: { $0.id == name }) {
          throw ServerError(
            .modelNotFound, "The model `\(name)` makes embeddings; it cannot generate text.", parameter: "model")
        }
        if let documents, name == documents {
          throw ServerError(
            .modelNotFound, "`\(documents)` answers chat completions only.", parameter: "model",
            remedy: "Send the question to /v1/chat/completions.")
        }
        throw unknown(name, ids.filter { context.key?.allows($0) ?? true })
      }
      try await load(base)
    }
  }

  /// Model names may hold colons themselves, so a whole name that is known comes first. An adapter that only one model
  /// has may go without the model's name, as in vLLM.
  private func resolve(_ name: String) -> (base: String, adapter: String?) {
    let known = state.withLock { Set($0.order).union($0.resting) }
    guard !known.contains(name) else { return (name, nil) }
    if let colon = name.lastIndex(of: ":") {
      let base = String(name[..<colon])
      let adapter = name[name.index(after: colon)...]
      if known.contains(base), !adapter.isEmpty { return (base, String(adapter)) }
    }
    let hosts = adapterHosts.filter { $0.adapters.contains { $0.name == name } }
    return hosts.count == 1 ? (hosts[0].info.id, name) : (name, nil)
  }

  /// Loaded models that take adapters.
  var adapterHosts: [any AdapterHost] {
    state.withLock { state in state.order.compactMap { state.entries[$0]?.loaded.model as? any AdapterHost } }
  }

  private func lease(_ id: String, name: String, adapter: String?) throws -> ModelLease? {
    let model: (any LanguageModel)? = try state.withLock { state in
      guard let entry = state.entries[id] else { return nil }
      guard entry.status == .loaded else {
        throw ServerError(.modelUnloading, "The model `\(id)` is being unloaded.", parameter: "model")
      }
      state.entries[id]?.inFlight += 1
      state.entries[id]?.lastUsed = .now
      return entry.loaded.model
    }
    return model.map { model in
      ModelLease(model, name: name, adapter: adapter) { [weak self] in self?.giveBack(id) }
    }
  }

  private func giveBack(_ id: String) {
    state.withLock { state in
      state.entries[id]?.inFlight -= 1
      state.entries[id]?.lastUsed = .now
    }
  }

  func embedder(_ id: String, for context: RequestContext) throws -> any Embedder {
    let allowed = embedders.filter { allows($0.id, context) }
    if let embedder = ModelCatalog.find(id, allowed, by: \.id) { return embedder }
    guard context.key?.allows(id) ?? true else { throw unknown(id, []) }
    if ids.contains(id) {
      throw ServerError(
        .modelNotFound, "The model `\(id)` generates text; it cannot make embeddings.", parameter: "model")
    }
    throw unknown(id, allowed.map(\.id))
  }

  /// The reranker of that name, or an embedder's cosines; without a name the first of these.
  func reranker(_ id: String?, for context: RequestContext) throws -> any Reranker {
    let known = rerankers.filter { allows($0.id, context) }
    let standIns = embedders.filter { allows($0.id, context) }.map(EmbeddingReranker.init)
    guard let id else {
      if let first = known.first ?? standIns.first { return first }
      throw ServerError(.modelNotFound, "No model is loaded that can rerank.", parameter: "model")
    }
    if let found = ModelCatalog.find(id, known, by: \.id) { return found }
    if let found = ModelCatalog.find(id, standIns, by: \.embedder.id) ?? standIns.first(where: { $0.id == id }) {
      return found
    }
    throw unknown(id, known.map(\.id) + standIns.map(\.embedder.id))
  }

  /// Encoders are called `name@hash of the weights`; the name alone will do.
  private static func plain(_ id: String) -> String { id.lastIndex(of: "@").map { String(id[..<$0]) } ?? id }

  private static func find<Model>(_ name: String, _ models: [Model], by id: (Model) -> String) -> Model? {
    models.first { id($0) == name } ?? models.first { plain(id($0)) == name }
  }

  /// Whether the caller's key lets it use an encoder, by its whole name or the plain one.
  private func allows(_ id: String, _ context: RequestContext) -> Bool {
    guard let key = context.key else { return true }
    return key.allows(id) || key.allows(ModelCatalog.plain(id))
  }

  private func unknown(_ id: String, _ known: [String]) -> ServerError {
    ServerError(
      .modelNotFound, "The model `\(id.prefix(200))` does not exist, or you may not use it.", parameter: "model",
      remedy: known.isEmpty ? "No such model is loaded." : "Available: \(known.joined(separator: ", ")).")
  }

  private var ids: [String] { state.withLock { $0.order + $0.resting } + (documents.map { [$0] } ?? []) }

  // MARK: Loading and unloading

  /// Brings a model in; when it is coming in already, waits for that.
  func load(_ name: String) async throws {
    guard let source else {
      throw ServerError(.modelNotFound, "This server has no models to load.", parameter: "model")
    }
    let known = try await source.names()
    let task: Task<Void, any Error>? = try state.withLock { state in
      if let entry = state.entries[name] {
        guard entry.status == .loaded else {
          throw ServerError(.modelUnloading, "The model `\(name)` is being unloaded.", parameter: "model")
        }
        return nil
      }
      guard known.contains(name) else { throw unknown(name, known) }
      if let running = state.loading[name] { return running }
      // Not a child of the first caller, because others wait for it too and the first may go.
      let task = Task { try await self.bring(name, from: source) }
      state.loading[name] = task
      return task
    }
    try await task?.value
  }

  private func bring(_ name: String, from source: any ModelSource) async throws {
    do {
      let loaded = try await source.load(name)
      state.withLock { state in
        state.loading[name] = nil
        state.resting.removeAll { $0 == name }
        state.order.append(name)
        state.entries[name] = Entry(loaded: loaded, isPinned: false, created: UnixTime.now)
      }
    } catch {
      state.withLock { $0.loading[name] = nil }
      throw error
    }
  }

  /// Takes a model out of service, gives what runs on it `grace` to end, and frees it. What runs longer ends with the
  /// error of a model that has stopped.
  func unload(_ name: String, grace: Duration) async throws {
    try state.withLock { state in
      if let place = state.resting.firstIndex(of: name) {
        state.resting.remove(at: place)
        return
      }
      guard let entry = state.entries[name] else { throw unknown(name, state.order) }
      guard !entry.isPinned else {
        throw ServerError(
          .modelPinned, "The model `\(name)` was chosen when the server started and stays.", parameter: "model",
          remedy: "Unload only models that were loaded later.")
      }
      guard entry.status == .loaded else {
        throw ServerError(.modelUnloading, "The model `\(name)` is being unloaded already.", parameter: "model")
      }
      state.entries[name]?.status = .unloading
    }
    let deadline = ContinuousClock.now + grace
    while state.withLock({ $0.entries[name]?.inFlight ?? 0 }) > 0, .now < deadline {
      try? await Task.sleep(for: .milliseconds(20))
    }
    remove(name)?.unload()
  }

  private func remove(_ name: String) -> LoadedModel? {
    state.withLock { state in
      state.order.removeAll { $0 == name }
      return state.entries.removeValue(forKey: name)?.loaded
    }
  }

  /// Frees models that nobody has used for `idle`; a request for one brings it back.
  func rest(idle: Duration, now: ContinuousClock.Instant = .now) -> [String] {
    let freed: [(String, LoadedModel)] = state.withLock { state in
      let names = state.order.filter { name in
        guard let entry = state.entries[name], !entry.isPinned, entry.status == .loaded else { return false }
        return entry.inFlight == 0 && now - entry.lastUsed >= idle
      }
      state.order.removeAll { names.contains($0) }
      state.resting += names
      return names.compactMap { name in state.entries.removeValue(forKey: name).map { (name, $0.loaded) } }
    }
    for (_, model) in freed { model.unload() }
    return freed.map(\.0)
  }

  // MARK: Listing

  /// What clients can use, in the shape of OpenAI's and Anthropic's lists at once.
  func listing(for context: RequestContext) -> [JSON] {
    let allowed: (String) -> Bool = { context.key?.allows($0) ?? true }
    let state = state.withLock { $0 }
    var listed: [JSON] = []
    for id in state.order where allowed(id) {
      if let loaded = state.entries[id] { listed += entries(of: loaded, id) }
    }
    listed += state.resting.filter(allowed).map { entry($0, created, "sleeping", [:]) }
    if let documents, allowed(documents) { listed.append(entry(documents, created, "loaded", [:])) }
    for embedder in embedders where allows(embedder.id, context) {
      let sizes: JSONObject = [
        "context_length": .int(embedder.maxTokens), "dimension": .int(embedder.dimension),
      ]
      listed.append(entry(embedder.id, created, "loaded", sizes))
    }
    return listed + rerankers.filter { allows($0.id, context) }.map { entry($0.id, created, "loaded", [:]) }
  }

  /// Everything that could be loaded too, as llama-server's router lists it.
  func everything(for context: RequestContext) async throws -> [JSON] {
    let listed = listing(for: context)
    let known = Set(listed.compactMap { $0["id"]?.stringValue })
    let names = try await source?.names() ?? []
    let loading = state.withLock { Set($0.loading.keys) }
    return listed
      + names.filter { !known.contains($0) }.map {
        entry($0, created, loading.contains($0) ? "loading" : "unloaded", [:])
      }
  }

  /// A model and its adapters.
  private func entries(of entry: Entry, _ id: String) -> [JSON] {
    let length = JSON.int(entry.loaded.model.info.contextLength)
    var listed = [self.entry(id, entry.created, entry.status.rawValue, ["context_length": length])]
    for adapter in (entry.loaded.model as? any AdapterHost)?.adapters ?? [] {
      let status = adapter.isInMemory ? "loaded" : "sleeping"
      listed.append(
        self.entry(
          "\(id):\(adapter.name)", entry.created, status, ["context_length": length, "parent": .string(id)]))
    }
    return listed
  }

  private func entry(_ id: String, _ created: Int, _ status: String, _ more: JSONObject) -> JSON {
    var object: JSONObject = [
      "id": .string(id), "object": "model", "created": .int(created), "owned_by": "strata",
      "type": "model", "display_name": .string(id), "created_at": .string(UnixTime.text(created)),
      "status": ["value": .string(status)],
    ]
    for (key, value) in more { object[key] = value }
    return .object(object)
  }
}
