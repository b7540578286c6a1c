// Owns the vocabulary of a conversation with a model.

/// One turn of a conversation, in the shape of the OpenAI chat API.
public struct Message: Sendable, Hashable {
  public enum Role: String, Sendable, Hashable, CaseIterable {
    case system, developer, user, assistant, tool
  }

  public var role: Role
  public var content: String
  /// What the assistant asked to be called; empty for other roles.
  public var toolCalls: [ToolCall]
  /// The call that a `tool` message answers.
  public var toolCallID: String?
  public var name: String?

  public init(
    role: Role, content: String, toolCalls: [ToolCall] = [], toolCallID: String? = nil, name: String? = nil
  ) {
    self.role = role
    self.content = content
    self.toolCalls = toolCalls
    self.toolCallID = toolCallID
    self.name = name
  }

  public static func system(_ content: String) -> Message { Message(role: .system, content: content) }
  public static func user(_ content: String) -> Message { Message(role: .user, content: content) }
  public static func assistant(_ content: String) -> Message { Message(role: .assistant, content: content) }
}

/// A function call that a model asked for.
public struct ToolCall: Sendable, Hashable {
  public var id: String
  public var name: String
  /// Normally an object; whatever the model wrote, parsed.
  public var arguments: JSON

  public init(id: String, name: String, arguments: JSON) {
    self.id = id
    self.name = name
    self.arguments = arguments
  }
}

/// What a model is told about a function that it may call.
public struct ToolDefinition: Sendable, Hashable {
  public var name: String
  public var description: String
  /// JSON Schema of the arguments object.
  public var parameters: JSON

  public init(name: String, description: String, parameters: JSON) {
    self.name = name
    self.description = description
    self.parameters = parameters
  }
}
