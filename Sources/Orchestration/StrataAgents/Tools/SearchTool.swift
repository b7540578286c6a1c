// Owns search as a tool: a retriever, asked on behalf of the principal. Ranks nothing itself.
import StrataCore

/// Searches the documents that the principal may read.
public struct SearchTool: Tool {
  public static let name = "search"

  private let retriever: any Retriever
  private let spec: QuerySpec

  /// - Parameter spec: how to search; its text is replaced by what is looked for.
  public init(_ retriever: any Retriever, spec: QuerySpec = QuerySpec("")) {
    self.retriever = retriever
    self.spec = spec
  }

  public var isIdempotent: Bool { true }

  public var definition: ToolDefinition {
    ToolDefinition(
      name: Self.name, description: "Searches the documents and returns the best passages.",
      parameters: [
        "type": "object",
        "properties": ["query": ["type": "string", "minLength": 1, "maxLength": 400]],
        "required": ["query"], "additionalProperties": false,
      ])
  }

  /// Content: `{"passages": […]}`, best first.
  public func call(_ arguments: JSON, as principal: Principal) async throws -> ToolResult {
    var query = spec
    query.text = arguments["query"]?.stringValue ?? ""
    let passages = try await retriever.search(query, as: principal)
    return ToolResult(content: ["passages": .array(passages.prefix(max(1, spec.limit)).map(\.json))])
  }
}
