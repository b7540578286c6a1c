// Owns answering a question from a database: the model writes a query, the source judges and runs it, the rows become
// passages that can be cited. What a query may touch is the source's business.
import Foundation
import StrataCore

/// What a question became.
public struct SQLAnswer: Sendable, Hashable {
  public var statement: String
  public var result: SQLResult
  /// One for each row, with the row's place in the database or in the result.
  public var passages: [Passage]
  /// How often the model had to write the query.
  public var attempts: Int

  public init(statement: String, result: SQLResult, passages: [Passage], attempts: Int) {
    self.statement = statement
    self.result = result
    self.passages = passages
    self.attempts = attempts
  }
}

/// Lets a model ask a database, constrained to one reading statement.
public struct SQLGrounder: Sendable {
  /// Most tables that a prompt shows; those that share words with the question come first.
  private static let shownTables = 12
  private static let attempts = 3

  private let source: any SQLSource
  private let model: any LanguageModel
  private let contract: any PromptContract
  private let rowLimit: Int

  /// - Parameters:
  ///   - contract: takes `dialect`, `tables` (one text), `question`, `previous` and `problem`; puts out `{"sql": …}`.
  ///   - rowLimit: most rows of an answer.
  public init(source: any SQLSource, model: any LanguageModel, contract: any PromptContract, rowLimit: Int = 50) {
    self.source = source
    self.model = model
    self.contract = contract
    self.rowLimit = max(1, rowLimit)
  }

  /// - Throws: ``RetrievalError`` `query_not_written` when no query of the model's runs; errors of the model.
  public func answer(_ question: String, tenant: String = "default") async throws -> SQLAnswer {
    let tables = Self.description(of: Self.relevant(try await source.tables(), to: question))
    var previous = ""
    var problem = ""
    var last: (any Error)?
    for attempt in 1...Self.attempts {
      let input: JSON = [
        "dialect": .string(source.dialect), "tables": .string(tables), "question": .string(question),
        "previous": .string(previous), "problem": .string(problem),
      ]
      let request = GenerationRequest(
        .messages(try contract.messages(for: input)),
        output: contract.outputSchema.map { .jsonSchema($0) } ?? .jsonObject, sampling: contract.sampling,
        maxTokens: contract.maxTokens ?? 200, tenant: tenant)
      let reply = try await model.complete(request).text
      let statement = (try? JSON(parsing: reply))?["sql"]?.stringValue ?? ""
      do {
        let result = try await source.query(statement, limit: rowLimit)
        return SQLAnswer(
          statement: statement, result: result,
          passages: SQLEvidence(source: source.name, statement: statement).passages(result), attempts: attempt)
      } catch let error as any StrataError {
        last = error
        previous = statement
        problem = error.message
      }
    }
    throw RetrievalError.queryNotWritten(attempts: Self.attempts, cause: last)
  }

  /// Tables whose names or columns the question names come first; the rest fills up, in alphabetical order.
  static func relevant(_ tables: [SQLTable], to question: String) -> [SQLTable] {
    let words = Set(question.lowercased().split { !$0.isLetter && !$0.isNumber }.map(stem))
    func score(_ table: SQLTable) -> Int {
      let names = [table.name] + table.columns.map(\.name)
      return Set(names.flatMap { $0.lowercased().split { !$0.isLetter && !$0.isNumber }.map(stem) })
        .intersection(words).count
    }
    let ranked = tables.map { (table: $0, score: score($0)) }
      .sorted { $0.score != $1.score ? $0.score > $1.score : $0.table.name < $1.table.name }
    return ranked.prefix(shownTables).map(\.table)
  }

  private static func stem(_ word: Substring) -> Substring {
    word.count > 3 && word.hasSuffix("s") ? word.dropLast() : word
  }

  /// `CREATE TABLE` lines, the form that models have seen most.
  static func description(of tables: [SQLTable]) -> String {
    tables.map { table in
      var parts = table.columns.map { column in
        "\(quoted(column.name)) \(column.type)".trimmingCharacters(in: .whitespaces)
      }
      if !table.key.isEmpty { parts.append("PRIMARY KEY (\(table.key.map(quoted).joined(separator: ", ")))") }
      parts += table.references.map { reference in
        let target = reference.target.isEmpty ? "" : "(\(quoted(reference.target)))"
        return "FOREIGN KEY (\(quoted(reference.column))) REFERENCES \(quoted(reference.table))\(target)"
      }
      return "CREATE TABLE \(quoted(table.name)) (\(parts.joined(separator: ", ")));"
    }.joined(separator: "\n")
  }

  private static func quoted(_ name: String) -> String {
    let isPlain =
      name.allSatisfy { $0.isASCII && ($0.isLetter || $0.isNumber || $0 == "_") } && name.first?.isNumber == false
    return isPlain ? name : "\"" + name.replacingOccurrences(of: "\"", with: "\"\"") + "\""
  }
}
