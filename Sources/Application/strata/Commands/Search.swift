// Owns `strata search`: passages without a model.
import ArgumentParser
import Foundation
import StrataCore

struct Search: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Find passages that somebody may read.",
    discussion: "Example: strata search \"wave tank\" --as priya --json")
  @OptionGroup var common: CommonOptions
  @OptionGroup var documents: CollectionOptions
  @Argument(help: "What to look for.") var query: String
  @Option(name: .customLong("as"), help: "Search as this user; groups come from the access file.") var user: String?
  @Option(name: .long, help: "Most passages.") var limit = 8
  @Option(name: .long, help: "bm25, dense or hybrid.") var legs = "hybrid"
  @Option(name: .long, help: "Threads for the embedder (default: all processors).") var threads: Int?

  func validate() throws {
    guard (1...1000).contains(limit) else { throw ValidationError("--limit must lie in 1...1000.") }
    guard ["bm25", "dense", "hybrid"].contains(legs) else {
      throw ValidationError("--legs must be bm25, dense or hybrid.")
    }
  }

  func run() async throws {
    try await common.run {
      let wiring = try Wiring()
      let collection = try await wiring.collection(documents.collection, pool: wiring.pool(threads: threads))
      try await collection.requireDocuments()
      let legs: RetrievalLegs = legs == "bm25" ? .lexical : legs == "dense" ? .dense : .hybrid
      let passages = try await collection.retriever.search(
        RetrievalQuery(query, limit: limit, legs: legs), as: collection.principal(user))
      if common.json { return Terminal.json(["hits": .array(passages.map(Self.json))]) }
      if passages.isEmpty { Terminal.out("Nothing found among the documents that you may read.") }
      for (index, passage) in passages.enumerated() {
        let heading = passage.headingPath.isEmpty ? "" : " · " + passage.headingPath.joined(separator: " › ")
        Terminal.out(Terminal.bold("\(index + 1)  \(passage.document)\(heading)"))
        Terminal.out(Terminal.wrapped(passage.text, indent: "   "))
        Terminal.out("")
      }
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
    return .object(value)
  }
}
