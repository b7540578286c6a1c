// Owns the plan step: what the model should do next, as constrained JSON, validated, repaired once, or decided by rule.
import StrataCore
import StrataSchema

/// Asks the model to choose between the tools and the answer.
struct Planner: Sendable {
  struct Plan: Sendable {
    var action: PlannedAction
    var source: PlanSource
    var usage: Usage
  }

  private let model: any LanguageModel
  private let contract: any PromptContract
  private let tools: [ToolDefinition]
  private let schema: JSON
  private let validator: JSONSchema
  private static let shownPassages = 5
  private static let shownCharacters = 160
  private static let shownObservationBytes = 600

  /// - Throws: ``AgentError/contract`` when a tool's parameters make no schema.
  init(model: any LanguageModel, contract: any PromptContract, tools: [ToolDefinition]) throws {
    self.model = model
    self.contract = contract
    self.tools = tools
    schema = Self.schema(for: tools)
    do { validator = try JSONSchema(schema) } catch {
      throw AgentError(AgentError.contract, "The tools make no action schema: \(error.message)", cause: error)
    }
  }

  /// One branch for each tool and one for the answer. A tool that needs text only, such as search, has its parameters
  /// beside `action`; small models write flat objects more reliably.
  static func schema(for tools: [ToolDefinition]) -> JSON {
    let branches = tools.map { tool -> JSON in
      var properties: JSONObject = ["action": ["const": .string(tool.name)]]
      var required: [JSON] = ["action"]
      if isFlat(tool) {
        for (name, member) in tool.parameters["properties"]?.objectValue ?? [:] { properties[name] = member }
        required += tool.parameters["required"]?.arrayValue ?? []
      } else {
        properties["arguments"] = tool.parameters
        required.append("arguments")
      }
      return [
        "type": "object", "properties": .object(properties), "required": .array(required),
        "additionalProperties": false,
      ]
    }
    let answer: JSON = [
      "type": "object", "properties": ["action": ["const": "answer"]], "required": ["action"],
      "additionalProperties": false,
    ]
    return ["anyOf": .array(branches + [answer])]
  }

  private static func isFlat(_ tool: ToolDefinition) -> Bool {
    let members = tool.parameters["properties"]?.objectValue ?? [:]
    let required = (tool.parameters["required"]?.arrayValue ?? []).compactMap(\.stringValue)
    let decisive = required.isEmpty ? Array(members.keys) : required
    return members["action"] == nil && decisive.allSatisfy { members[$0]?["type"] == "string" }
  }

  /// Never fails for what the model writes; a useless plan becomes the fallback: search for the question, or answer
  /// when something was found.
  func plan(
    question: String, observations: [Observation], passages: [Passage], tenant: String
  ) async throws -> Plan {
    var usage = Usage()
    var issues = ""
    var previous = ""
    for attempt in 0..<2 {
      let input = input(question, observations, passages, previous: previous, issues: issues)
      let request = GenerationRequest(
        .messages(try contract.messages(for: input)), output: .jsonSchema(schema), sampling: contract.sampling,
        maxTokens: contract.maxTokens ?? 96, tenant: tenant)
      let result = try await model.complete(request)
      try Task.checkCancellation()
      usage = usage + result.usage
      do {
        let json = try JSON(parsing: result.text)
        let found = validator.validate(json)
        if found.isEmpty, let action = action(json) {
          return Plan(action: action, source: attempt == 0 ? .model : .repaired, usage: usage)
        }
        issues = found.prefix(3).map(\.description).joined(separator: "; ")
      } catch {
        issues = error.description
      }
      previous = String(result.text.prefix(Self.shownObservationBytes))
    }
    let action: PlannedAction = passages.isEmpty && observations.isEmpty ? .search(question) : .answer
    return Plan(action: action, source: .fallback, usage: usage)
  }

  private func action(_ json: JSON) -> PlannedAction? {
    guard let name = json["action"]?.stringValue else { return nil }
    guard name != "answer" else { return .answer }
    guard let tool = tools.first(where: { $0.name == name }) else { return nil }
    guard Self.isFlat(tool) else { return .call(tool: name, arguments: json["arguments"] ?? [:]) }
    var arguments = json.objectValue ?? JSONObject()
    arguments["action"] = nil
    return .call(tool: name, arguments: .object(arguments))
  }

  private func input(
    _ question: String, _ observations: [Observation], _ passages: [Passage], previous: String, issues: String
  ) -> JSON {
    let found = passages.prefix(Self.shownPassages).enumerated().map { index, passage -> JSON in
      let text = passage.text.prefix(Self.shownCharacters).split(whereSeparator: \.isNewline).joined(separator: " ")
      let title = passage.title.isEmpty ? passage.document : passage.title
      return ["number": .int(index + 1), "title": .string(title), "text": .string(text)]
    }
    let searches = observations.compactMap { $0.call.arguments["query"]?.stringValue }
    let results = observations.filter { $0.call.name != SearchTool.name || $0.isError }.map { observation -> JSON in
      [
        "tool": .string(observation.call.name),
        "result": .string(String(observation.content.text().prefix(Self.shownObservationBytes))),
      ]
    }
    let otherTools = tools.filter { $0.name != SearchTool.name }.map { tool -> JSON in
      ["name": .string(tool.name), "description": .string(tool.description)]
    }
    return [
      "question": .string(question), "found": .array(found), "searches": .array(searches.map(JSON.string)),
      "results": .array(results), "tools": .array(otherTools), "previous": .string(previous), "issues": .string(issues),
    ]
  }
}
