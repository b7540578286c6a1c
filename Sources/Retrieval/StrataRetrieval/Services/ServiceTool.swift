// Owns calling one operation of a described service as a tool of an agent.
import StrataCore

/// One `GET` operation; its parameters' schemas are the tool's.
public struct ServiceTool: Tool {
  private let caller: ServiceCaller
  private let operation: OpenAPIService.Operation

  public init(_ caller: ServiceCaller, _ operation: OpenAPIService.Operation) {
    self.caller = caller
    self.operation = operation
  }

  public var isIdempotent: Bool { true }

  public var definition: ToolDefinition {
    ToolDefinition(
      name: operation.name, description: "\(caller.service.title): \(operation.summary)", parameters: operation.schema)
  }

  /// Content: `{"url": …, "answer": …}`.
  public func call(_ arguments: JSON, as principal: Principal) async throws -> ToolResult {
    let reply = try await caller.call(operation, arguments)
    return ToolResult(content: ["url": .string(reply.url), "answer": reply.body])
  }
}
