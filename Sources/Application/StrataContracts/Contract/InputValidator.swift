// Owns the checks that stand between a caller's input and a template.
import StrataCore
import StrataSchema

/// Fills in defaults and checks the result against the input schema.
struct InputValidator: Sendable {
  private let inputs: [PromptyProperty]
  private let schema: JSONSchema

  init(inputs: [PromptyProperty], schema: JSON) throws(SchemaError) {
    self.inputs = inputs
    self.schema = try JSONSchema(schema)
  }

  func validated(_ input: JSON) throws(ContractError) -> JSONObject {
    guard var values = input.isNull ? JSONObject() : input.objectValue else {
      throw ContractError(
        ContractError.input, "The input is \(input.typeName), not an object.", remedy: "Pass an object.", location: "/")
    }
    for property in inputs where values[property.name] == nil {
      if let value = property.defaultValue {
        values[property.name] = value
      } else if property.isRequired {
        throw ContractError(
          ContractError.input, "Missing required input `\(property.name)`.", remedy: "Pass \(property.name).",
          location: "/\(property.name)")
      }
    }
    let known = Set(inputs.map(\.name))
    if let name = values.keys.first(where: { !known.contains($0) }) {
      throw ContractError(
        ContractError.input, "There is no input `\(name)`.",
        remedy: "The inputs are: \(inputs.map(\.name).joined(separator: ", ")).", location: "/\(name)")
    }
    if let issue = schema.validate(.object(values)).first {
      throw ContractError(
        ContractError.input, "The input does not fit: \(issue.message)", remedy: "Correct \(issue.instancePointer).",
        location: issue.instancePointer)
    }
    return values
  }
}

/// Inputs that promise not to look like a conversation.
public enum StrictInputs {
  /// - Throws: ``ContractError/strictViolation`` when a line in a strict input starts like a role marker.
  public static func check(_ values: JSONObject, names: [String]) throws(ContractError) {
    for name in names {
      guard let value = values[name], forges(value) else { continue }
      throw ContractError(
        ContractError.strictViolation, "The input `\(name)` contains a line that starts another message.",
        remedy: "Remove the role and colon at the start of the line.", location: "/\(name)")
    }
  }

  private static func forges(_ value: JSON) -> Bool {
    switch value {
    case .string(let text): RoleParser.forgesMarker(text)
    case .array(let values): values.contains(where: forges)
    case .object(let object): object.values.contains(where: forges)
    default: false
    }
  }
}

/// Conversations passed as input.
enum ThreadInput {
  /// A list of messages, or `{messages: […]}`; content is text or a list of text parts.
  static func messages(_ value: JSON) -> [PromptMessage] {
    (value.arrayValue ?? value["messages"]?.arrayValue ?? []).compactMap { message in
      guard let role = message["role"]?.stringValue.flatMap({ RoleParser.roles[$0] }) else { return nil }
      let text =
        message["content"]?.stringValue
        ?? (message["content"]?.arrayValue ?? []).compactMap { ($0["value"] ?? $0["text"])?.stringValue }.joined()
      return PromptMessage(role: role, text: text, attributes: message["metadata"]?.objectValue ?? JSONObject())
    }
  }
}
