// Owns `strata eval chunking`: ways to cut documents, compared by what a search then finds.
import ArgumentParser
import Foundation
import StrataCore
import StrataEvaluation
import StrataIndex
import StrataModel
import StrataRetrieval

struct EvalChunking: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "chunking", abstract: "Recall, precision and IoU of marked answers, for several ways to cut.",
    discussion: """
      Chunkers are METHOD, METHOD:TOKENS or METHOD:TOKENS/OVERLAP with the methods structural, sentence-window, \
      semantic, cluster, late and fixed. A file of spans holds another program's chunks, one JSON object on each line with \
      corpus, start and end, in characters.
      Example: strata eval chunking ../shared/data/retrieval/chunking --chunker structural --chunker fixed:164
      """)
  @OptionGroup var common: CommonOptions
  @Argument(help: "Folder with questions_df.csv and corpora/*.md.", completion: .directory) var data: String
  @Option(name: .customLong("chunker"), help: "What to compare (repeatable).")
  var chunkers = [
    "structural:200", "fixed:164", "structural:140", "fixed:114", "cluster:200", "semantic:200", "late:200",
  ]
  @Option(name: .long, help: "A file of spans to compare, NAME.jsonl (repeatable).", completion: .file())
  var spans: [String] = []
  @Option(name: .long, help: "Only questions about this corpus (repeatable); all corpora are searched.")
  var corpus: [String] = []
  @Option(name: .long, help: "Also the differences to this chunker, question by question.") var against: String?
  @Option(name: .long, help: "Chunks that count.") var k = 5
  @Option(name: .long, help: "Tokens that count instead, in the last two columns.") var budget = 1000
  @Option(name: .long, help: "dense or hybrid (dense and BM25, fused).") var legs = "dense"
  @Option(name: .long, help: "Threads for the embedder (default: all processors).") var threads: Int?

  func validate() throws {
    guard (1...64).contains(k) else { throw ValidationError("--k must lie in 1...64.") }
    guard ["dense", "hybrid"].contains(legs) else { throw ValidationError("--legs must be dense or hybrid.") }
  }

  func run() async throws {
    try await common.run {
      var dataset = try ChunkingDataset(folder: data)
      if !corpus.isEmpty {
        if let unknown = corpus.first(where: { name in !dataset.corpora.contains { $0.id == name } }) {
          throw ValidationError(
            "There is no corpus \(unknown); there are \(dataset.corpora.map(\.id).joined(separator: ", ")).")
        }
        dataset.questions.removeAll { !corpus.contains($0.corpus) }
      }
      let strategies = try chunkers.map { try ChunkingStrategy($0) }
      let names = strategies.map(\.name) + spans.map(Self.name(ofSpans:))
      if let against, !names.contains(against) {
        throw ValidationError("--against names none of \(names.joined(separator: ", ")).")
      }
      let wiring = try Wiring()
      let embedder = try wiring.embedder(pool: wiring.pool(threads: threads))
      let store = try wiring.store()
      let questions = try await EvaluationVectors.embed(
        dataset.questions.map(\.text), "questions", embedder, store: store)
      let vectors = Dictionary(zip(dataset.questions.map(\.text), questions)) { $1 }
      var scores: [ChunkingScore] = []
      func add(_ name: String, _ chunks: [Piece]) async throws {
        let known = try await EvaluationVectors.embed(
          chunks.map(\.input), name, embedder, store: store, known: chunks.map(\.vector))
        scores.append(try await score(dataset, name, chunks, known, questions: vectors))
      }
      for strategy in strategies { try await add(strategy.name, try await cut(dataset, strategy, embedder)) }
      for file in spans {
        try await add(
          Self.name(ofSpans: file),
          try dataset.chunks(file: file).map { corpus, range, text in
            Piece(
              span: ChunkSpan(corpus: corpus, range: range, tokens: embedder.countTokens(text)), text: text,
              input: text)
          })
      }
      let report = ChunkingReport(
        dataset: dataset.name, questionCount: dataset.questions.count, k: k, budget: budget, scores: scores,
        baseline: against)
      if common.json { Terminal.json(report.json) } else { Terminal.out(report.text) }
    }
  }

  private static func name(ofSpans file: String) -> String {
    URL(fileURLWithPath: file).deletingPathExtension().lastPathComponent
  }

  private struct Piece {
    var span: ChunkSpan
    var text: String
    var input: String
    var vector: [Float]?
  }

  /// The corpora are concatenations of many documents: their file names are no titles.
  private func cut(
    _ dataset: ChunkingDataset, _ strategy: ChunkingStrategy, _ embedder: MiniLMEmbedder
  ) async throws -> [Piece] {
    let chunker = try strategy.chunker(embedder: embedder)
    var pieces: [Piece] = []
    for corpus in dataset.corpora {
      let path = corpus.id + ".md"
      guard let format = DocumentFormat(path: path) else { continue }
      var document = try await format.parse(Array(corpus.text.utf8), path: path)
      document.title = ""
      // Marked spans count characters, chunks count bytes.
      var characters = [0]
      for byte in document.canonicalText.utf8 {
        characters.append(characters[characters.count - 1] + (byte & 0xC0 == 0x80 ? 0 : 1))
      }
      for chunk in try await chunker.chunks(of: document) {
        let range = characters[chunk.range.lowerBound]..<characters[chunk.range.upperBound]
        pieces.append(
          Piece(
            span: ChunkSpan(corpus: corpus.id, range: range, tokens: embedder.countTokens(chunk.text)),
            text: chunk.text,
            input: chunk.embeddedText(title: "", embedder: embedder), vector: chunk.vector))
      }
    }
    return pieces
  }

  private func score(
    _ dataset: ChunkingDataset, _ name: String, _ pieces: [Piece], _ vectors: [[Float]], questions: [String: [Float]]
  ) async throws -> ChunkingScore {
    let index = HybridIndex(dimension: vectors.first?.count ?? 0)
    try index.apply(
      adding: pieces.indices.map { number in
        IndexEntry(
          id: Int64(number), document: pieces[number].span.corpus, title: "", body: pieces[number].text,
          vector: vectors[number], readers: [.everyone])
      })
    let snapshot = index.snapshot()
    let readable = snapshot.readable(by: .anonymous)
    let fusion = QueryRanker.fusion
    let isHybrid = legs == "hybrid"
    return try await ChunkingEvaluation.score(
      dataset, strategy: name, chunks: pieces.map(\.span), k: k, budget: budget
    ) { question, limit in
      let dense = try snapshot.dense(questions[question] ?? [], limit: limit, within: readable)
      guard isHybrid else { return dense.map { Int($0.id) } }
      let lexical = snapshot.lexical(question, limit: limit, within: readable)
      return fusion.fuse([LegRanking(.lexical, lexical), LegRanking(.dense, dense)], limit: limit).map { Int($0.id) }
    }
  }
}
