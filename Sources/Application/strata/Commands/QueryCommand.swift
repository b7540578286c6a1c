// Owns `strata query`: a question, or a query, answered from a database file.
import ArgumentParser
import Foundation
import StrataCore
import StrataRetrieval
import StrataStore

struct QueryCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "query", abstract: "Answer a question from a SQLite file, citing rows.",
    discussion: """
      The model writes one SELECT; SQLite's authorizer refuses whatever is not reading what is open.
      Example: strata query "Which crew member has most night watches?" --database ship.sqlite --table crew
      """)
  @OptionGroup var common: CommonOptions
  @OptionGroup var options: ModelOptions
  @Argument(help: "The question; with --sql, the statement itself.") var question: String
  @Option(name: .long, help: "A SQLite file. It is only read.", completion: .file()) var database: String
  @Option(name: .long, help: "A table that may be read, or TABLE:COLUMN,COLUMN (default: all tables).")
  var table: [String] = []
  @Flag(name: .long, help: "The question is a SQL statement already; no model is needed.") var sql = false
  @Option(name: .long, help: "Most rows.") var limit = 50

  func validate() throws {
    guard (1...10_000).contains(limit) else { throw ValidationError("--limit must lie in 1...10000.") }
  }

  func run() async throws {
    try await common.run {
      let source = try SQLiteSource(path: database, tables: table.isEmpty ? nil : tables)
      let answer: SQLAnswer
      if sql {
        let result = try await source.query(question, limit: limit)
        let evidence = SQLEvidence(source: source.name, statement: question)
        answer = SQLAnswer(statement: question, result: result, passages: evidence.passages(result), attempts: 0)
      } else {
        let wiring = try Wiring()
        let model = try wiring.model(options, pool: wiring.pool(threads: options.threads))
        let grounder = SQLGrounder(
          source: source, model: model, contract: try wiring.contracts().contract("sql"), rowLimit: limit)
        answer = try await grounder.answer(question)
      }
      if common.json { return Terminal.json(Self.json(answer)) }
      if !sql { Terminal.out(Terminal.dim(Terminal.wrapped(answer.statement)) + "\n") }
      if answer.passages.isEmpty { Terminal.out("No rows.") }
      for (index, passage) in answer.passages.enumerated() {
        Terminal.out(Terminal.bold("[\(index + 1)] \(passage.headingPath.joined())"))
        Terminal.out(Terminal.wrapped(passage.text, indent: "    "))
      }
      if answer.result.isTruncated { Terminal.out("\nThere are more rows; raise --limit.") }
    }
  }

  private var tables: [String: Set<String>?] {
    var allowed: [String: Set<String>?] = [:]
    for entry in table {
      let parts = entry.split(separator: ":", maxSplits: 1)
      let columns: Set<String>? = parts.count > 1 ? Set(parts[1].split(separator: ",").map(String.init)) : nil
      allowed.updateValue(columns, forKey: parts.first.map(String.init) ?? "")
    }
    return allowed
  }

  private static func json(_ answer: SQLAnswer) -> JSON {
    [
      "sql": .string(answer.statement), "columns": .array(answer.result.columns.map(JSON.string)),
      "rows": .array(answer.result.rows.map(JSON.array)),
      "origins": .array(answer.result.origins.map { $0.map(JSON.string) ?? .null }),
      "read": .array(answer.result.read.map(JSON.string)), "truncated": .bool(answer.result.isTruncated),
      "attempts": .int(answer.attempts),
      "passages": .array(answer.passages.map(Search.json)),
    ]
  }
}
