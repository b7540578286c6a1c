// Owns `strata search`: passages without a model.
import ArgumentParser
import Foundation
import StrataCore
import StrataRetrieval

struct Search: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Find passages that somebody may read.",
    discussion: "Example: strata search \"wave tank\" --as priya --json")
  @OptionGroup var common: CommonOptions
  @OptionGroup var documents: CollectionOptions
  @Argument(help: "What to look for.") var query: String?
  @Option(name: .customLong("as"), help: "Search as this user; groups come from the access file.") var user: String?
  @Option(name: .long, help: "Most passages.") var limit = 8
  @Option(name: .long, help: "bm25, dense, graph (several with commas), hybrid or all.") var legs = "hybrid"
  @Option(name: .long, help: "Rerank: late_interaction, model, likelihood, or cross_encoder with --cross-encoder.")
  var rerank =
    "none"
  @Option(name: .long, help: "Folder of a cross-encoder, such as ms-marco-MiniLM-L6-v2.", completion: .directory)
  var crossEncoder: String?
  @Option(name: .long, help: "The model that reranks or splits the question (default: the default decoder).") var model:
    String?
  @Flag(name: .long, help: "Extend the question by the best passages of a first search.") var feedback = false
  @Flag(name: .long, help: "Find passages that answer together, over the entities that they share.")
  var multiHop = false
  @Flag(name: .long, help: "Let the model split the question and search for each part, with what was found before it.")
  var decompose = false
  @Option(name: .long, help: "Chunks that are added on each side of a passage.") var neighbours = 0
  @Option(name: .long, help: "A condition on fields, in JSON.") var filter: String?
  @Option(name: .long, help: "The collection as it was then (ISO 8601).") var asOf: String?
  @Option(name: .long, help: "A whole query in JSON, or @FILE; other options but --as do not count.") var spec: String?
  @Flag(name: .long, help: "Show how each passage came to its place.") var explain = false
  @Option(name: .long, help: "Threads for the embedder (default: all processors).") var threads: Int?

  func validate() throws {
    guard (1...1000).contains(limit) else { throw ValidationError("--limit must lie in 1...1000.") }
    guard (query == nil) != (spec == nil) else { throw ValidationError("Say what to look for, or give a --spec.") }
    guard !multiHop || !decompose else { throw ValidationError("Choose --multi-hop or --decompose.") }
    guard (0...20).contains(neighbours) else { throw ValidationError("--neighbours must lie in 0...20.") }
    guard legNames != nil else { throw ValidationError("--legs must be bm25, dense, graph, hybrid or all.") }
    guard RerankMethod(rawValue: rerank) != nil else {
      throw ValidationError("--rerank must be \(RerankMethod.allCases.map(\.rawValue).joined(separator: ", ")).")
    }
  }

  private var legNames: [JSON]? {
    let names = [
      "bm25": ["lexical"], "lexical": ["lexical"], "dense": ["dense"], "graph": ["graph"],
      "hybrid": ["lexical", "dense"], "all": ["lexical", "dense", "graph"],
    ]
    let chosen = legs.split(separator: ",").map { names[String($0)] }
    guard !chosen.isEmpty, !chosen.contains(nil) else { return nil }
    return Set(chosen.compactMap { $0 }.joined()).sorted().map(JSON.string)
  }

  /// What the options say, read like any written query.
  private func querySpec() throws -> QuerySpec {
    if let spec {
      let text = spec.hasPrefix("@") ? try String(contentsOfFile: String(spec.dropFirst()), encoding: .utf8) : spec
      var query = try QuerySpec(json: JSON(parsing: Array(text.utf8)))
      if explain { query.explains = true }
      return query
    }
    var json: JSONObject = [
      "text": .string(query ?? ""), "k": .int(limit), "legs": .array(legNames ?? []),
      "rerank": ["method": .string(rerank), "depth": ["model", "likelihood"].contains(rerank) ? 20 : 50],
      "feedback": .bool(feedback), "multi_hop": decompose ? "decomposition" : multiHop ? "graph" : "off",
      "explain": .bool(explain),
    ]
    if neighbours > 0 { json["context"] = ["neighbours": .int(neighbours)] }
    if let filter { json["filter"] = try JSON(parsing: Array(filter.utf8)) }
    if let asOf { json["as_of"] = .string(asOf) }
    return try QuerySpec(json: .object(json))
  }

  func run() async throws {
    try await common.run {
      let query = try querySpec()
      let wiring = try Wiring()
      let pool = try wiring.pool(threads: threads)
      let rerankers = try wiring.rerankers(for: query.rerank, model: model, crossEncoder: crossEncoder, pool: pool)
      let decomposer =
        query.multiHop == .decomposition ? try wiring.decomposer(wiring.model(model, pool: pool)) : nil
      let collection = try await wiring.collection(
        documents.collection, pool: pool, rerankers: rerankers, decomposer: decomposer)
      try await collection.requireDocuments()
      let passages = try await collection.retriever.search(query, as: collection.principal(user))
      if common.json { return Terminal.json(["hits": .array(passages.map(Self.json))]) }
      if passages.isEmpty { Terminal.out("Nothing found among the documents that you may read.") }
      for (index, passage) in passages.enumerated() {
        let heading = passage.headingPath.isEmpty ? "" : " · " + passage.headingPath.joined(separator: " › ")
        Terminal.out(Terminal.bold("\(index + 1)  \(passage.document)\(heading)"))
        if let explanation = passage.explanation { Self.show(explanation, score: passage.score) }
        Terminal.out(Terminal.wrapped(passage.text, indent: "   "))
        Terminal.out("")
      }
    }
  }

  /// Lines of at most 80 columns: the legs, the stages after them, the words.
  private static func show(_ explanation: PassageExplanation, score: Double) {
    func number(_ value: Double) -> String { Terminal.formatted(value, digits: 4) }
    func line(_ text: String) { Terminal.out(Terminal.dim(Terminal.wrapped(text, indent: "   "))) }
    line("score \(number(score)) · fused \(number(explanation.fusedScore))")
    for leg in explanation.legs {
      line(
        "\(leg.leg.rawValue): rank \(leg.rank), score \(number(leg.score)), gives \(number(leg.contribution))")
    }
    for stage in explanation.stages {
      line("\(stage.name): \(number(stage.score))\(stage.note.map { ", " + $0 } ?? "")")
    }
    if !explanation.entities.isEmpty {
      let entities = explanation.entities.map { "\($0.name) \(Terminal.formatted(100 * $0.share, digits: 0)) %" }
      line("by the entities: " + entities.joined(separator: ", "))
    }
    if !explanation.words.isEmpty {
      line("words: " + explanation.words.map { "\($0.term) \(number($0.score))" }.joined(separator: ", "))
    }
  }

  static func json(_ passage: Passage) -> JSON {
    var value: JSONObject = [
      "document": .string(passage.document), "version": .int(passage.version), "start": .int(passage.range.lowerBound),
      "end": .int(passage.range.upperBound), "score": .double(passage.score), "text": .string(passage.text),
      "title": .string(passage.title), "headings": .array(passage.headingPath.map(JSON.string)),
      "ranks": .object(JSONObject(passage.ranks.sorted { $0.key < $1.key }.map { ($0.key, .int($0.value)) })),
    ]
    value["page"] = passage.page.map(JSON.int)
    value["explanation"] = passage.explanation?.json
    return .object(value)
  }
}
