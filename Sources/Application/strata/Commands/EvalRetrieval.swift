// Owns `strata eval retrieval`: every leg and pipeline of the search on judged queries.
import ArgumentParser
import Foundation
import StrataCore
import StrataEvaluation
import StrataIndex
import StrataModel
import StrataRetrieval
import StrataServing

struct EvalRetrieval: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "retrieval", abstract: "nDCG, recall and MRR of every leg and pipeline on a test collection.",
    discussion: """
      DATASET is a folder in BEIR's layout, the Cranfield collection, or HotpotQA with its corpus.
      With --cross-validate, settings of fusion, pipeline and multi-hop are chosen on all parts of the queries but one and \
      reported on that one, and chosen on one collection and reported on another.
      Example: strata eval retrieval ../shared/data/retrieval/scifact --json
      Example: strata eval retrieval ../shared/data/retrieval/scifact --cross-validate 5 --transfer ../shared/data/retrieval/cranfield
      """)
  @OptionGroup var common: CommonOptions
  @Argument(help: "Folder of the collection.", completion: .directory) var dataset: String?
  @Option(name: .long, help: .hidden) var beir: String?
  @Option(name: .customLong("method"), help: "Only this method (repeatable); default: all.") var names: [String] = []
  @Option(name: .long, help: "Also measure what takes a language model, with this one.") var model: String?
  @Option(name: .long, help: "Only so many queries, spread over all.") var queries: Int?
  @Option(name: .long, help: "Choose settings on all but one of so many parts of the queries, and report on that one.")
  var crossValidate: Int?
  @Option(
    name: .long, help: "With --cross-validate, also another collection's folder (repeatable).", completion: .directory)
  var transfer: [String] = []
  @Option(name: .long, help: "Threads (default: all processors).") var threads: Int?
  @Option(name: .long, help: "Weight of relations between entities in the walk.") var relationWeight: Double?
  @Option(name: .long, help: "Link entities whose names are at least so similar (cosine).") var synonyms: Float?

  /// What a search is asked for, by the name that the table has.
  static let pipelines: [(name: String, spec: QuerySpec)] = [
    ("bm25", QuerySpec("", legs: .lexical)),
    ("dense", QuerySpec("", legs: .dense)),
    ("rrf", QuerySpec("", fusion: .reciprocalRank(k: 60))),
    ("fused", QuerySpec("")),
    ("rerank", QuerySpec("", rerank: .lateInteraction)),
    ("feedback", QuerySpec("", feedback: true)),
    ("best", QuerySpec("", rerank: .lateInteraction, feedback: true)),
    ("graph", QuerySpec("", legs: .all)),
    ("multi-hop", QuerySpec("", multiHop: .graph)),
  ]

  /// What takes a language model; measured only with one.
  static let modelPipelines: [(name: String, spec: QuerySpec)] = [
    ("decomposition", QuerySpec("", multiHop: .decomposition)),
    ("likelihood", QuerySpec("", rerank: .likelihood, rerankDepth: 20)),
    ("yes or no", QuerySpec("", rerank: .model, rerankDepth: 20)),
  ]

  func validate() throws {
    guard (dataset == nil) != (beir == nil) else { throw ValidationError("Give the folder of one collection.") }
    if let crossValidate, !(2...20).contains(crossValidate) {
      throw ValidationError("--cross-validate must lie in 2...20.")
    }
    guard transfer.isEmpty || crossValidate != nil else { throw ValidationError("--transfer needs --cross-validate.") }
    guard crossValidate == nil || names.isEmpty && model == nil && synonyms == nil && relationWeight == nil else {
      throw ValidationError("--cross-validate chooses among settings of its own.")
    }
    let known = (Self.pipelines + (model == nil ? [] : Self.modelPipelines)).map(\.name)
    if let name = names.first(where: { !known.contains($0) }) {
      throw ValidationError("There is no method \(name); there are \(known.joined(separator: ", ")).")
    }
  }

  func run() async throws {
    try await common.run {
      if let crossValidate { return try await self.crossValidate(folds: crossValidate) }
      let dataset = try loaded(dataset ?? beir ?? "")
      let wiring = try Wiring()
      let pool = try wiring.pool(threads: threads)
      let embedder = try wiring.embedder(pool: pool)
      let decoder = try model.map { try wiring.model($0, pool: pool) }
      let space = try await linked(
        try await Self.space(dataset, embedder, store: wiring.store()), embedder, store: wiring.store())
      let ranker = try ranker(embedder, decoder, wiring)
      let methods = (Self.pipelines + (model == nil ? [] : Self.modelPipelines)).filter {
        names.isEmpty || names.contains($0.name)
      }
      let documents = dataset.documents.map(\.id)
      let bar = ProgressBar("evaluate") { "\(Int($0)) queries/s" }
      let report = try await RetrievalEvaluation.run(
        dataset,
        methods: methods.map { name, spec in
          let search: RetrievalEvaluation.Search = { query, limit in
            var spec = spec
            spec.text = query
            spec.limit = limit
            return try await ranker.rank(spec, in: space).prefix(limit).map { documents[Int($0.id)] }
          }
          return (name: name, search: search)
        }
      ) { done, total in bar.update(done, of: total) }
      bar.finish()
      if common.json { Terminal.json(report.json) } else { Terminal.out(report.text) }
    }
  }

  private func loaded(_ folder: String) throws -> RetrievalDataset {
    var dataset = try RetrievalDataset(folder: folder)
    if let queries, queries < dataset.queries.count {
      let all = dataset.queries
      dataset.queries = (0..<queries).map { all[$0 * all.count / queries] }
    }
    return dataset
  }

  /// Every setting of the grid on every query, once; then all choices are sums of what is known.
  private func crossValidate(folds: Int) async throws {
    let wiring = try Wiring()
    let embedder = RememberingEmbedder(try wiring.embedder(pool: wiring.pool(threads: threads)))
    var runs: [SettingRuns] = []
    for folder in [dataset ?? beir ?? ""] + transfer {
      let dataset = try loaded(folder)
      let space = try await Self.space(dataset, embedder, store: wiring.store())
      let bar = ProgressBar(dataset.name) { "\(Terminal.formatted($0, digits: 1)) settings/s" }
      runs.append(try await RetrievalGrid.runs(dataset, embedder, in: space) { bar.update($0, of: $1) })
      bar.finish()
    }
    let selection = SettingSelection(runs, folds: folds)
    if common.json { Terminal.json(selection.json) } else { Terminal.out(selection.text) }
  }

  private func ranker(
    _ embedder: MiniLMEmbedder, _ decoder: LocalModel?, _ wiring: Wiring
  ) throws -> QueryRanker {
    var rerankers: [RerankMethod: any Reranker] = [
      .lateInteraction: LateInteraction(embedder, cacheByteLimit: 1 << 30)
    ]
    if let decoder {
      let contracts = try wiring.contracts()
      rerankers[.model] = ModelReranker(decoder, contract: try contracts.contract("rerank"))
      rerankers[.likelihood] = LikelihoodReranker(decoder, contract: try contracts.contract("question"))
    }
    var ranker = QueryRanker(
      embedder: embedder, rerankers: rerankers, decomposer: try decoder.map(wiring.decomposer))
    if let relationWeight { ranker.walk.relationWeight = relationWeight }
    return ranker
  }

  /// With edges between entities of like names, where those are asked for.
  private func linked(
    _ space: SearchSpace, _ embedder: MiniLMEmbedder, store: any DocumentStore
  ) async throws -> SearchSpace {
    guard let synonyms else { return space }
    var space = space
    let names = space.snapshot.entityNames(within: space.readable)
    space.synonyms = try EntitySynonyms(
      names: names, vectors: try await EvaluationVectors.embed(names, "embed names", embedder, store: store),
      threshold: synonyms)
    return space
  }

  /// The collection as a search sees it, readable by everybody, with the settings of collections.
  private static func space(
    _ dataset: RetrievalDataset, _ embedder: any Embedder, store: any DocumentStore
  ) async throws -> SearchSpace {
    let texts = dataset.documents.map { $0.title.isEmpty ? $0.text : "\($0.title) \($0.text)" }
    let vectors = try await EvaluationVectors.embed(texts, "embed", embedder, store: store)
    let index = HybridIndex(dimension: embedder.dimension, bm25: CollectionIndex.bm25)
    let extractor = EntityExtractor()
    try index.apply(
      adding: dataset.documents.enumerated().map { number, document in
        IndexEntry(
          id: Int64(number), document: document.id, title: document.title, body: document.text,
          vector: vectors[number], readers: [.everyone],
          entities: extractor.entities(in: document.text, title: document.title))
      })
    let snapshot = index.snapshot()
    let titles = dataset.documents.map(\.title)
    return SearchSpace(
      snapshot: snapshot, readable: snapshot.readable(by: .anonymous),
      content: { ids in
        Dictionary(
          ids.map { id in
            let number = Int(id)
            return (id, ChunkContent(text: texts[number], title: titles[number], vector: vectors[number]))
          }
        ) { $1 }
      })
  }
}
