// Owns the protocol of what an agent can do.

public struct ToolResult: Sendable, Hashable {
  /// What the model sees.
  public var content: JSON
  public var isError: Bool

  public init(content: JSON, isError: Bool = false) {
    self.content = content
    self.isError = isError
  }
}

/// Something that an agent may call, on behalf of a principal.
public protocol Tool: Sendable {
  var definition: ToolDefinition { get }
  /// Whether calling twice with the same arguments does no harm, so that a crash in between may be answered by calling
  /// again.
  var isIdempotent: Bool { get }
  func call(_ arguments: JSON, as principal: Principal) async throws -> ToolResult
}
