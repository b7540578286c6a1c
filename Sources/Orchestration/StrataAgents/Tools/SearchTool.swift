// Owns search as a tool: a retriever, asked on behalf of the principal. Ranks nothing itself.
import StrataCore

/// Searches the documents that the principal may read.
public struct SearchTool: Tool {
  public static let name = "search"

  private let retriever: any Retriever
  private let limit: Int
  private let legs: RetrievalLegs

  /// - Parameter limit: most passages of one search.
  public init(_ retriever: any Retriever, limit: Int = 8, legs: RetrievalLegs = .hybrid) {
    self.retriever = retriever
    self.limit = max(1, limit)
    self.legs = legs
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
    let query = RetrievalQuery(arguments["query"]?.stringValue ?? "", limit: limit, legs: legs)
    let passages = try await retriever.search(query, as: principal)
    return ToolResult(content: ["passages": .array(passages.prefix(limit).map(\.json))])
  }
}
