// Owns `strata eval`: retrieval against judged queries, answers against known facts.
import ArgumentParser
import Foundation
import StrataAgents
import StrataCore
import StrataEvaluation
import StrataIndex
import StrataRetrieval

struct Eval: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "eval", abstract: "Measure retrieval and answers against known truth.",
    subcommands: [EvalRetrieval.self, EvalQuestions.self])
}

struct EvalRetrieval: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "retrieval", abstract: "nDCG, recall and MRR on a collection in BEIR's layout.",
    discussion: "Example: strata eval retrieval --beir ../shared/data/retrieval/scifact --json")
  @OptionGroup var common: CommonOptions
  @Option(name: .long, help: "Folder with corpus.jsonl, queries.jsonl and qrels.", completion: .directory)
  var beir: String
  @Option(name: .long, help: "Threads for the embedder (default: all processors).") var threads: Int?

  func run() async throws {
    try await common.run {
      let dataset = try BEIRDataset(folder: beir)
      let wiring = try Wiring()
      let embedder = try wiring.embedder(pool: wiring.pool(threads: threads))
      let vectors = try await embed(dataset, embedder, store: wiring.store())
      let index = HybridIndex(dimension: embedder.dimension)
      try index.apply(
        adding: dataset.documents.enumerated().map { number, document in
          IndexEntry(
            id: Int64(number), document: document.id, title: document.title, body: document.text,
            vector: vectors[number], readers: [.everyone])
        })
      let snapshot = index.snapshot()
      let readable = snapshot.readable(by: .anonymous)
      let names = dataset.documents.map(\.id)
      @Sendable func vector(_ query: String) async throws -> [Float] { try await embedder.embed([query])[0] }
      let fusion = HybridRetriever.Options().fusion
      let bar = ProgressBar("evaluate") { "\(Int($0)) queries/s" }
      let report = try await RetrievalEvaluation.run(
        dataset,
        methods: [
          (
            "bm25",
            { query, limit in snapshot.lexical(query, limit: limit, within: readable).map { names[Int($0.id)] } }
          ),
          (
            "dense",
            { query, limit in
              try snapshot.dense(try await vector(query), limit: limit, within: readable).map { names[Int($0.id)] }
            }
          ),
          (
            "fused",
            { query, limit in
              let lexical = snapshot.lexical(query, limit: limit, within: readable)
              let dense = try snapshot.dense(try await vector(query), limit: limit, within: readable)
              return fusion.fuse(lexical: lexical, dense: dense, limit: limit).map { names[Int($0.id)] }
            }
          ),
        ]
      ) { done, total in bar.update(done, of: total) }
      bar.finish()
      if common.json { Terminal.json(report.json) } else { Terminal.out(report.text) }
    }
  }

  /// Vectors of all documents, kept in the store's cache so that the next evaluation is quick.
  private func embed(_ dataset: BEIRDataset, _ embedder: any Embedder, store: any DocumentStore) async throws
    -> [[Float]]
  {
    let texts = dataset.documents.map { $0.title.isEmpty ? $0.text : "\($0.title) \($0.text)" }
    let hashes = texts.map { SHA256.hash($0) }
    var known = try await store.cachedEmbeddings(hashes, embedder: embedder.id)
    let missing = texts.indices.filter { known[hashes[$0]] == nil }.sorted {
      texts[$0].utf8.count < texts[$1].utf8.count
    }
    let bar = ProgressBar("embed") { "\(Terminal.formatted($0, digits: 0)) documents/s" }
    for start in stride(from: 0, to: missing.count, by: 64) {
      let slice = missing[start..<min(start + 64, missing.count)]
      let fresh = try await embedder.embed(slice.map { texts[$0] })
      let entries = Dictionary(zip(slice.map { hashes[$0] }, fresh)) { $1 }
      try await store.cacheEmbeddings(entries, embedder: embedder.id)
      known.merge(entries) { $1 }
      bar.update(start + slice.count, of: missing.count)
    }
    bar.finish()
    return hashes.map { known[$0] ?? [] }
  }
}

struct EvalQuestions: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "questions", abstract: "Ask known questions: answered, cited and refused correctly, nothing leaked.",
    discussion: "Example: strata eval questions Examples/handbook/questions.yaml")
  @OptionGroup var common: CommonOptions
  @OptionGroup var options: ModelOptions
  @OptionGroup var documents: CollectionOptions
  @Argument(help: "A questions file.", completion: .file()) var file: String
  @Option(name: .customLong("as"), help: "Ask everything as this user instead (repeatable).") var users: [String] = []
  @Flag(name: .long, help: "Show each question with what came back.") var verbose = false
  @Option(name: .long, help: "Also write a JUnit report.", completion: .file()) var junit: String?

  func run() async throws {
    try await common.run {
      let set = try QuestionSet(file: file)
      let wiring = try Wiring()
      let pool = try wiring.pool(threads: options.threads)
      let collection = try await wiring.collection(documents.collection, pool: pool)
      try await collection.requireDocuments()
      let model = try wiring.model(options, pool: pool)
      let runner = try wiring.runner(for: collection, model: model)
      let groups = try await collection.store.groups(in: collection.name)
      let bar = ProgressBar("questions") { "\(Terminal.formatted($0, digits: 2)) questions/s" }
      let report = try await QuestionEvaluation.run(
        set, model: model.info.id, groups: groups, users: users.isEmpty ? nil : users,
        ask: { question, principal in try await Self.ask(question, principal, runner) }
      ) { result, done, total in
        bar.update(done, of: total)
        if verbose { Self.show(result) }
      }
      bar.finish()
      if let junit { try report.junit.write(toFile: junit, atomically: true, encoding: .utf8) }
      if common.json { Terminal.json(report.json) } else { Terminal.out(report.text) }
    }
  }

  /// Asks, and keeps everything that the asker could have seen: each event as the page and the terminal get it.
  private static func ask(_ question: String, _ principal: Principal, _ runner: AgentRunner) async throws
    -> QuestionReply
  {
    var exposed: [String] = []
    var final: GroundedAnswer?
    var translation = EventTranslation(model: "")
    for await event in runner.run(AgentRequest(question, as: principal)) {
      exposed.append(event.json.text())
      exposed += translation.translate(event).map { $0.json.text() }
      switch event {
      case .finished(let answer): final = answer
      case .failed(let error): throw error
      default: break
      }
    }
    guard let final else { throw CancellationError() }
    return QuestionReply(
      answer: final.answer, answerable: final.answerable,
      citations: final.citations.map { ($0.document, $0.quote) }, droppedCitations: final.droppedCitations,
      exposed: exposed, usage: final.usage)
  }

  private static func show(_ result: QuestionResult) {
    let mark = result.isCorrect ? "right" : "WRONG"
    Terminal.err("\(mark)  \(result.question.id) (\(result.user)): \(result.question.question)")
    Terminal.err(Terminal.dim("       \(result.reply?.answer ?? result.error ?? "")"))
    for citation in result.reply?.citations ?? [] {
      Terminal.err(Terminal.dim("       [\(citation.document)] \(citation.quote)"))
    }
  }
}
