// Owns asking a database as a tool of an agent.
import StrataCore

/// Lets an agent ask a database in words; the query is written, judged and run underneath.
public struct SQLTool: Tool {
  private let grounder: SQLGrounder
  private let source: String

  /// - Parameter source: the database's name, for the tool's own.
  public init(_ grounder: SQLGrounder, source: String) {
    self.grounder = grounder
    self.source = source
  }

  public var isIdempotent: Bool { true }

  public var definition: ToolDefinition {
    ToolDefinition(
      name: "query_" + String(source.map { $0.isASCII && ($0.isLetter || $0.isNumber) ? $0 : "_" }.prefix(40)),
      description: "Answers a question from the tables of the database \(source).",
      parameters: [
        "type": "object",
        "properties": ["question": ["type": "string", "minLength": 1, "maxLength": 400]],
        "required": ["question"], "additionalProperties": false,
      ])
  }

  /// Content: `{"sql": …, "rows": ["column: value · …"], "more": false}`.
  public func call(_ arguments: JSON, as principal: Principal) async throws -> ToolResult {
    let answer = try await grounder.answer(arguments["question"]?.stringValue ?? "", tenant: principal.tenant)
    return ToolResult(content: [
      "sql": .string(answer.statement), "rows": .array(answer.passages.map { .string($0.text) }),
      "more": .bool(answer.result.isTruncated),
    ])
  }
}
