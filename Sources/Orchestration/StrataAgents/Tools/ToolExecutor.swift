// Owns the safe call of a tool: known name, valid arguments, a deadline, bounded output. Every failure becomes a result.
import StrataCore
import StrataSchema

/// Calls tools so that nothing they do can end a run: errors are told to the model.
public struct ToolExecutor: Sendable {
  public struct Limits: Sendable, Hashable {
    public var timeout: Duration = .seconds(30)
    /// Bytes of a result's JSON.
    public var outputByteCount = 1 << 20
    public init() {}
  }

  public let definitions: [ToolDefinition]
  /// Tools that may be called again with the same arguments.
  public let repeatable: Set<String>
  private let tools: [String: (tool: any Tool, schema: JSONSchema)]
  private let limits: Limits
  private let sleep: @Sendable (Duration) async throws -> Void

  /// - Throws: ``AgentError/contract`` when two tools share a name or a parameter schema is invalid.
  public init(
    _ tools: [any Tool], limits: Limits = Limits(),
    sleep: @escaping @Sendable (Duration) async throws -> Void = { try await Task.sleep(for: $0) }
  ) throws {
    var table: [String: (tool: any Tool, schema: JSONSchema)] = [:]
    for tool in tools {
      let definition = tool.definition
      guard table[definition.name] == nil, definition.name != "answer" else {
        throw AgentError(
          AgentError.contract, "The tool name `\(definition.name)` is taken.", remedy: "Give each tool its own name.")
      }
      do {
        table[definition.name] = (tool, try JSONSchema(definition.parameters))
      } catch {
        throw AgentError(
          AgentError.contract, "The parameters of `\(definition.name)` are no JSON Schema: \(error.message)",
          cause: error)
      }
    }
    self.tools = table
    self.limits = limits
    self.sleep = sleep
    definitions = tools.map(\.definition)
    repeatable = Set(tools.filter(\.isIdempotent).map(\.definition.name))
  }

  /// - Throws: `CancellationError` only.
  public func call(_ call: ToolCall, as principal: Principal) async throws -> ToolResult {
    guard let (tool, schema) = tools[call.name] else {
      return Self.failure(
        "There is no tool `\(call.name)`.", "Use one of: \(tools.keys.sorted().joined(separator: ", ")).")
    }
    let issues = schema.validate(call.arguments)
    guard issues.isEmpty else {
      return Self.failure(
        "The arguments of `\(call.name)` are invalid.", issues.prefix(5).map(\.description).joined(separator: "; "))
    }
    do {
      let result = try await withTimeout(of: call.name) { try await tool.call(call.arguments, as: principal) }
      let byteCount = result.content.utf8().count
      guard byteCount <= limits.outputByteCount else {
        return Self.failure(
          "`\(call.name)` returned \(byteCount) bytes; at most \(limits.outputByteCount) are read.", "Ask for less.")
      }
      return result
    } catch let error as any StrataError {
      try Task.checkCancellation()
      return Self.failure(error.message, error.remedy)
    } catch {
      try Task.checkCancellation()
      return Self.failure("`\(call.name)` failed: \(error)", nil)
    }
  }

  static func failure(_ message: String, _ remedy: String?) -> ToolResult {
    ToolResult(content: ["error": .string(message), "remedy": remedy.map(JSON.string) ?? .null], isError: true)
  }

  private func withTimeout(
    of name: String, _ body: @escaping @Sendable () async throws -> ToolResult
  ) async throws -> ToolResult {
    try await withThrowingTaskGroup(of: ToolResult?.self) { group in
      group.addTask { try await body() }
      group.addTask {
        try await sleep(limits.timeout)
        return nil
      }
      defer { group.cancelAll() }
      guard let first = try await group.next(), let result = first else {
        return Self.failure("`\(name)` did not end within \(limits.timeout).", "Try again, or go on without it.")
      }
      return result
    }
  }
}
