// Owns turning a conversation into the text of a prompt.

import Foundation
import StrataCore

/// The chat template that comes with a model. Rendering agrees byte for byte with `apply_chat_template` of Hugging
/// Face transformers.
///
/// ```swift
/// let template = try ChatTemplate(source)
/// let prompt = try template.render(messages: [.user("Hello")], addGenerationPrompt: true, eosToken: "<|im_end|>")
/// ```
public struct ChatTemplate: Sendable {
  /// The template text as the model file has it.
  public let source: String
  private let template: JinjaTemplate

  /// - Throws: ``TemplateError`` with the line when `source` is not a template.
  public init(_ source: String) throws(TemplateError) {
    self.source = source
    template = try JinjaTemplate(source)
  }

  /// The prompt for `messages`.
  /// - Parameters:
  ///   - tools: What the model may call; none leaves `tools` undefined in the template.
  ///   - addGenerationPrompt: Whether the prompt ends with the opening of an assistant turn.
  ///   - variables: Further names that the template may ask for, such as `enable_thinking`.
  ///   - now: The date that templates which print one see.
  /// - Throws: ``TemplateError``: `template_raised` when the template refuses the conversation.
  public func render(
    messages: [Message], tools: [ToolDefinition] = [], addGenerationPrompt: Bool = true, bosToken: String = "",
    eosToken: String = "", variables: [String: JSON] = [:], now: Date = Date()
  ) throws(TemplateError) -> String {
    try render(
      messages: messages.map(Self.json), tools: tools.map(Self.json), addGenerationPrompt: addGenerationPrompt,
      bosToken: bosToken, eosToken: eosToken, variables: variables, now: now)
  }

  /// The prompt for messages and tools that are in the wire shape already, with whatever members they have.
  package func render(
    messages: [JSON], tools: [JSON] = [], addGenerationPrompt: Bool, bosToken: String, eosToken: String,
    variables: [String: JSON], now: Date
  ) throws(TemplateError) -> String {
    var context = JinjaDict()
    context.set("messages", to: JinjaValue(.array(messages)))
    if !tools.isEmpty { context.set("tools", to: JinjaValue(.array(tools))) }
    context.set("add_generation_prompt", to: .bool(addGenerationPrompt))
    context.set("bos_token", to: .string(bosToken))
    context.set("eos_token", to: .string(eosToken))
    for (name, value) in variables { context.set(name, to: JinjaValue(value)) }
    return try template.render(context, now: now)
  }

  /// Whether the template mentions `name`, such as `tools` or `enable_thinking`.
  public func mentions(_ name: String) -> Bool { source.contains(name) }

  /// A message as templates see it: arguments of calls are objects, not JSON text.
  static func json(_ message: Message) -> JSON {
    var object = JSONObject([("role", .string(message.role.rawValue)), ("content", .string(message.content))])
    if !message.toolCalls.isEmpty {
      object["tool_calls"] = .array(
        message.toolCalls.map { call in
          [
            "id": .string(call.id), "type": "function",
            "function": ["name": .string(call.name), "arguments": call.arguments],
          ]
        })
    }
    if let id = message.toolCallID { object["tool_call_id"] = .string(id) }
    if let name = message.name { object["name"] = .string(name) }
    return .object(object)
  }

  static func json(_ tool: ToolDefinition) -> JSON {
    [
      "type": "function",
      "function": [
        "name": .string(tool.name), "description": .string(tool.description), "parameters": tool.parameters,
      ],
    ]
  }
}
