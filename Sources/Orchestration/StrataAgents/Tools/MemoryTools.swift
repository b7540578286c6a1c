// Owns remembering and recalling as tools of an agent. What a memory is and who may recall what is the memory's business.
import StrataCore

/// Looks up what the user said earlier.
public struct RecallTool: Tool {
  public static let name = "recall"

  private let memory: any Memory
  private let limit: Int

  public init(_ memory: any Memory, limit: Int = 8) {
    self.memory = memory
    self.limit = max(1, limit)
  }

  public var isIdempotent: Bool { true }

  public var definition: ToolDefinition {
    ToolDefinition(
      name: Self.name, description: "Looks up what this user said about themselves earlier.",
      parameters: [
        "type": "object",
        "properties": ["query": ["type": "string", "minLength": 1, "maxLength": 400]],
        "required": ["query"], "additionalProperties": false,
      ])
  }

  /// Content: `{"facts": ["The user lives in Bergen.", …]}`, best first.
  public func call(_ arguments: JSON, as principal: Principal) async throws -> ToolResult {
    let query = MemoryQuery(arguments["query"]?.stringValue ?? "", limit: limit)
    let facts = try await memory.recall(query, as: principal)
    return ToolResult(content: ["facts": .array(facts.map { .string($0.fact.text) })])
  }
}

/// Keeps what the user said.
public struct RememberTool: Tool {
  public static let name = "remember"

  private let memory: any Memory

  public init(_ memory: any Memory) { self.memory = memory }

  /// Said twice it is confirmed, not doubled.
  public var isIdempotent: Bool { true }

  public var definition: ToolDefinition {
    ToolDefinition(
      name: Self.name, description: "Remembers a sentence that the user said about themselves.",
      parameters: [
        "type": "object",
        "properties": ["text": ["type": "string", "minLength": 1, "maxLength": 1000]],
        "required": ["text"], "additionalProperties": false,
      ])
  }

  /// Content: `{"remembered": ["The user lives in Bergen."]}`; empty when the text states no fact that is new.
  public func call(_ arguments: JSON, as principal: Principal) async throws -> ToolResult {
    let facts = try await memory.remember(arguments["text"]?.stringValue ?? "", run: nil, as: principal)
    return ToolResult(content: ["remembered": .array(facts.map { .string($0.text) })])
  }
}
