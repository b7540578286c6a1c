// Owns the composition: the one place where concrete types of all layers are put together.
import Foundation
import StrataAgents
import StrataContracts
import StrataCore
import StrataModel
import StrataRetrieval
import StrataServing
import StrataStore

/// Makes the parts of a running Strata, each when it is first needed.
struct Wiring: Sendable {
  let home: Home
  let modelStore: ModelStore

  init(environment: [String: String] = ProcessInfo.processInfo.environment) throws {
    home = Home(environment: environment)
    let catalog = try Catalog(json: JSON(parsing: PackageResources.catalog_json))
    modelStore = ModelStore(home: home, catalog: catalog)
  }

  var catalog: Catalog { modelStore.catalog }

  func store() throws -> SQLiteStore {
    try home.prepare()
    return try SQLiteStore(path: home.database.path)
  }

  func pool(threads: Int?) throws -> ComputePool {
    if let threads, !(1...256).contains(threads) {
      throw CommandError(CommandError.usage, "--threads must lie in 1...256.")
    }
    return try ComputePool(threads: threads ?? ProcessInfo.processInfo.activeProcessorCount)
  }

  /// The embedder of collections that have none yet.
  func embedder(pool: ComputePool, precision: EncoderPrecision = .int8) throws -> MiniLMEmbedder {
    try embedder(named: catalog.defaultEncoder, pool: pool, precision: precision)
  }

  /// - Parameter name: of the catalog, or `file:FOLDER`.
  func embedder(
    named name: String, pool: ComputePool, precision: EncoderPrecision = .int8
  ) throws -> MiniLMEmbedder {
    try MiniLMEmbedder(folder: modelStore.encoderFolder(name).path, id: name, pool: pool, precision: precision)
  }

  /// The indexes of what is remembered; one for all agents of this process.
  func memoryIndex(_ store: SQLiteStore, embedder: MiniLMEmbedder) -> MemoryIndex {
    MemoryIndex(store: store, embedder: embedder, folder: home.memory.path)
  }

  /// The embedder by which a collection is searched.
  /// - Parameter identity: a name and the start of the weights' hash, as the collection remembers it.
  func embedder(identity: String, pool: ComputePool) throws -> MiniLMEmbedder {
    let name = identity.lastIndex(of: "@").map { String(identity[..<$0]) } ?? identity
    let embedder = try embedder(named: name, pool: pool)
    guard embedder.id == identity else {
      throw CommandError(
        CommandError.hashMismatch, "The collection was embedded by \(identity), but \(name) is \(embedder.id) now.",
        remedy: "Embed it again: strata collection embedder COLLECTION --model \(name)")
    }
    return embedder
  }

  /// - Parameter speculation: `off`, `lookup` or `draft:MODEL`.
  func model(_ name: String?, pool: ComputePool, speculation: String = "lookup") throws -> LocalModel {
    let (id, path) = try modelStore.decoderPath(name ?? catalog.defaultDecoder)
    guard var mode = Speculation(speculation) else {
      throw CommandError(CommandError.usage, "--speculation must be off, lookup or draft:MODEL, not `\(speculation)`.")
    }
    if case .draft(let drafter) = mode { mode = .draft(path: try modelStore.decoderPath(drafter).path) }
    return try LocalModel(id: id, path: path, pool: pool, speculation: mode)
  }

  func model(_ options: ModelOptions, pool: ComputePool) throws -> LocalModel {
    try model(options.model, pool: pool, speculation: options.speculation)
  }

  /// What a method of reranking needs.
  /// - Parameters:
  ///   - model: of the catalog, or a file; nil is the default decoder.
  ///   - crossEncoder: folder of a model that reads question and passage together.
  func rerankers(
    for method: RerankMethod, model: String?, crossEncoder: String?, pool: ComputePool
  ) throws -> [RerankMethod: any Reranker] {
    switch method {
    case .none, .lateInteraction: return [:]
    case .model:
      return [.model: ModelReranker(try self.model(model, pool: pool), contract: try contracts().contract("rerank"))]
    case .likelihood:
      return [
        .likelihood: LikelihoodReranker(
          try self.model(model, pool: pool), contract: try contracts().contract("question"))
      ]
    case .crossEncoder:
      guard let crossEncoder else { return [:] }
      let id = URL(fileURLWithPath: crossEncoder).lastPathComponent
      return [.crossEncoder: try CrossEncoder(folder: crossEncoder, id: id, pool: pool)]
    }
  }

  /// What lets a model find the entities of passages.
  /// - Parameter model: of the catalog, or a file; nil is the default decoder.
  func entityExtractor(_ model: String?, pool: ComputePool) throws -> ModelEntityExtractor {
    ModelEntityExtractor(try self.model(model, pool: pool), contract: try contracts().contract("entities"))
  }

  /// What lets a model make follow-up questions stand alone.
  func rewriter(_ model: any LanguageModel) throws -> ModelRewriter {
    ModelRewriter(model, contract: try contracts().contract("rewrite"))
  }

  /// What splits questions into parts.
  func decomposer(_ model: any LanguageModel) throws -> QuestionDecomposer {
    let contracts = try contracts()
    return QuestionDecomposer(
      model, splitting: try contracts.contract("decompose"), answering: try contracts.contract("hop"))
  }

  /// What asks a language model whether texts support a sentence.
  func judge(_ model: String, pool: ComputePool) throws -> EntailmentJudge {
    EntailmentJudge(try self.model(model, pool: pool), contract: try contracts().contract("entail"))
  }

  /// The prompts that the binary carries.
  func contracts() throws -> ContractRegistry {
    try ContractRegistry(texts: [
      ("Prompts/answer.prompty", String(decoding: PackageResources.answer_prompty, as: UTF8.self)),
      ("Prompts/plan.prompty", String(decoding: PackageResources.plan_prompty, as: UTF8.self)),
      ("Prompts/memory.prompty", String(decoding: PackageResources.memory_prompty, as: UTF8.self)),
      ("Prompts/sql.prompty", String(decoding: PackageResources.sql_prompty, as: UTF8.self)),
      ("Prompts/entities.prompty", String(decoding: PackageResources.entities_prompty, as: UTF8.self)),
      ("Prompts/rerank.prompty", String(decoding: PackageResources.rerank_prompty, as: UTF8.self)),
      ("Prompts/decompose.prompty", String(decoding: PackageResources.decompose_prompty, as: UTF8.self)),
      ("Prompts/hop.prompty", String(decoding: PackageResources.hop_prompty, as: UTF8.self)),
      ("Prompts/question.prompty", String(decoding: PackageResources.question_prompty, as: UTF8.self)),
      ("Prompts/rewrite.prompty", String(decoding: PackageResources.rewrite_prompty, as: UTF8.self)),
      ("Prompts/entail.prompty", String(decoding: PackageResources.entail_prompty, as: UTF8.self)),
    ])
  }

  /// The agent that answers questions about a collection.
  /// - Parameter rewriter: makes follow-up questions stand alone; nil does so by rules.
  func runner(
    for collection: Collection, model: any LanguageModel, rewriter: (any QuestionRewriter)? = nil
  ) throws -> AgentRunner {
    let contracts = try contracts()
    let store = collection.store
    let name = collection.name
    let gate = collection.gate
    let environment = AgentEnvironment(stillReadable: { passages, principal in
      let access = try await gate.decision(for: principal)
      var readable: [Passage] = []
      for passage in passages {
        guard let record = try await store.document(passage.document, version: nil, in: name),
          record.version == passage.version, access.mayRead(record)
        else { continue }
        readable.append(passage)
      }
      return readable
    })
    return try AgentRunner(
      model: model, tools: [SearchTool(collection.retriever, offers: collection.offers)],
      answerContract: contracts.contract("answer"), planContract: contracts.contract("plan"), journal: collection.store,
      rewriter: rewriter ?? ConversationRewriter(), checker: FaithfulnessScorer(embedder: collection.embedder),
      environment: environment)
  }

  /// A collection that is ready to be searched.
  ///
  /// - Parameters:
  ///   - creates: whether a collection that does not exist begins now.
  ///   - rerankers: beside late interaction, which the embedder brings.
  func collection(
    _ name: String, pool: ComputePool, creates: Bool = false, rerankers: [RerankMethod: any Reranker] = [:],
    decomposer: QuestionDecomposer? = nil
  ) async throws -> Collection {
    let store = try store()
    let known = try await store.embedders(of: name).current
    let embedder = try known.map { try self.embedder(identity: $0, pool: pool) } ?? embedder(pool: pool)
    let gate = AccessGate(store: store, collection: name)
    let make: @Sendable (MiniLMEmbedder) async throws -> SwitchingRetriever.Generation = { embedder in
      let index = try await CollectionIndex.open(
        store: store, dimension: embedder.dimension, embedder: embedder.id, collection: name,
        folder: home.index.path, createsCollection: creates)
      if let repair = index.repair { Terminal.err("note: the index is made again from the store: \(repair.message)") }
      return SwitchingRetriever.Generation(
        embedder: embedder,
        retriever: HybridRetriever(
          store: store, index: index, embedder: embedder, collection: name, rerankers: rerankers,
          decomposer: decomposer,
          gate: gate))
    }
    let retriever = SwitchingRetriever(try await make(embedder), store: store, collection: name) { identity in
      try await make(try self.embedder(identity: identity, pool: pool))
    }
    let declared = try await store.setting(MetadataSchema.setting, in: name).map { try JSON(parsing: $0) }
    let fields = declared?["properties"]?.objectValue?.keys ?? []
    return Collection(
      name: name, store: store, embedder: embedder, retriever: retriever, gate: gate,
      offers: SearchTool.Offers(multiHop: [.graph], fields: fields, asOf: true))
  }
}

/// A set of documents with everything that works on it.
struct Collection: Sendable {
  let name: String
  let store: SQLiteStore
  let embedder: MiniLMEmbedder
  let retriever: SwitchingRetriever
  /// Decides who may read what in it.
  let gate: AccessGate
  /// What plans may ask of a search in it: conditions on the fields that its schema declares, for example.
  let offers: SearchTool.Offers

  func ingestor(_ options: Ingestor.Options = Ingestor.Options()) -> Ingestor {
    let current = retriever.current
    return Ingestor(
      store: store, index: current.retriever.index, embedder: current.embedder, collection: name, options: options)
  }

  /// The principal with the groups that the collection's access file gives them.
  func principal(_ user: String?) async throws -> Principal {
    guard let user else { return .anonymous }
    let groups = try await store.groups(in: name).filter { $0.value.contains(user) }.keys
    return Principal(user: user, groups: Set(groups))
  }

  func requireDocuments() async throws {
    guard try await store.documents(in: name).isEmpty else { return }
    throw CommandError(
      CommandError.nothingIngested, "The collection \(name) holds no documents.",
      remedy: "Take some in first: strata ingest FOLDER")
  }
}
