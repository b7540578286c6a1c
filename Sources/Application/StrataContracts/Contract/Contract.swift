// Owns one prompt contract: typed input, template, typed output, model options. Knows nothing about models or runs.
import StrataCore
import StrataSchema

/// A versioned prompt from a `.prompty` file.
///
/// Beside Prompty's own members a contract has `version` (or `metadata.version`) and, in `metadata.settings`, whatever
/// its user wants to tune without touching code.
public struct Contract: PromptContract {
  public let name: String
  public let number: SemanticVersion
  public var version: String { number.description }
  public let description: String
  public let inputs: [PromptyProperty]
  public let inputSchema: JSON
  public let outputSchema: JSON?
  public let tools: [ToolDefinition]
  public let settings: JSON
  public let sampling: SamplingParameters
  public let maxTokens: Int?
  public let stop: [String]
  /// The model that the contract names, if it does.
  public let model: String?
  public let template: String
  /// `jinja2` or `mustache`.
  public let templateKind: String
  public let contentHash: String
  public let document: PromptyDocument

  private let renderer: any TemplateRenderer
  private let validator: InputValidator

  /// Template languages by the name that `template.format.kind` uses.
  public static let defaultRenderers: [String: any TemplateRenderer] = [
    "jinja2": JinjaSubsetRenderer(), "mustache": MustacheRenderer(),
  ]

  /// - Throws: ``ContractError`` with file and line.
  public init(
    _ document: PromptyDocument, renderers: [String: any TemplateRenderer] = Contract.defaultRenderers
  ) throws {
    func invalid(_ message: String, _ remedy: String, _ pointer: String) -> ContractError {
      ContractError(ContractError.invalid, message, remedy: remedy, location: document.location(pointer))
    }
    let json = document.json
    guard let name = json["name"]?.stringValue, !name.isEmpty, !name.contains("@") else {
      throw invalid("The contract has no name.", "Write `name: …` without `@`.", "/name")
    }
    let written = json["version"] ?? json["metadata"]?["version"] ?? "1.0.0"
    guard let number = SemanticVersion(written.promptText) else {
      throw invalid(
        "The version `\(written.promptText)` is not MAJOR.MINOR.PATCH.", "Write `version: 1.0.0`.", "/version")
    }
    let kind = json["template"]?["format"]?["kind"]?.stringValue ?? json["template"]?["format"]?.stringValue ?? "jinja2"
    guard let renderer = renderers[kind] else {
      let known = renderers.keys.sorted().joined(separator: ", ")
      throw invalid("The template language `\(kind)` is not known.", "Use one of: \(known).", "/template/format")
    }
    let inputs = (json["inputs"]?.arrayValue ?? []).map(PromptyProperty.init)
    let outputs = json["outputs"]?.arrayValue ?? []
    let options = try ModelOptions(json["model"]?["options"] ?? [:], invalid: invalid)

    self.document = document
    self.name = name
    self.number = number
    self.inputs = inputs
    self.renderer = renderer
    description = json["description"]?.stringValue ?? ""
    template = json["instructions"]?.stringValue ?? ""
    templateKind = kind
    inputSchema = .object(PromptyProperty.objectSchema(json["inputs"]?.arrayValue ?? [], isClosed: false))
    outputSchema = outputs.isEmpty ? nil : .object(PromptyProperty.objectSchema(outputs, isClosed: true))
    tools = (json["tools"]?.arrayValue ?? []).compactMap(Self.tool)
    settings = json["metadata"]?["settings"] ?? [:]
    sampling = options.sampling
    maxTokens = options.maxTokens
    stop = options.stop
    model = json["model"]?["id"]?.stringValue
    contentHash = SHA256.hash(
      JSON.object([
        "name": .string(name), "version": .string(number.description), "input": inputSchema,
        "output": outputSchema ?? .null, "template": .string(template), "format": .string(kind),
        "options": json["model"]?["options"] ?? [:], "settings": settings, "tools": json["tools"] ?? [],
        "defaults": .object(JSONObject(inputs.compactMap { input in input.defaultValue.map { (input.name, $0) } })),
      ]).utf8(.canonical))
    do {
      validator = try InputValidator(inputs: inputs, schema: inputSchema)
    } catch {
      throw ContractError(
        ContractError.invalid, "The inputs of \(name) make no schema: \(error.message)", remedy: error.remedy,
        location: document.location("/inputs"), cause: error)
    }
  }

  private static func tool(_ json: JSON) -> ToolDefinition? {
    guard json["kind"]?.stringValue == "function", let name = json["name"]?.stringValue else { return nil }
    let bound = Set(json["bindings"]?.objectValue?.keys ?? [])
    let parameters = (json["parameters"]?.arrayValue ?? []).filter { !bound.contains($0["name"]?.stringValue ?? "") }
    let isStrict = json["strict"]?.boolValue ?? false
    var schema = PromptyProperty.objectSchema(parameters, isClosed: false)
    if !isStrict { schema["additionalProperties"] = nil }
    return ToolDefinition(
      name: name, description: json["description"]?.stringValue ?? "", parameters: .object(schema))
  }

  /// Defaults filled in, checked against the input schema.
  /// - Throws: ``ContractError`` that names the member.
  public func validated(_ input: JSON) throws(ContractError) -> JSONObject {
    do { return try validator.validated(input) } catch {
      throw ContractError(
        error.code, "\(name): \(error.message)", remedy: error.remedy, location: error.location, cause: error.cause)
    }
  }

  /// The rendered template, still knowing what the author wrote and what came from the input.
  public func segments(for input: JSON) throws -> [PromptSegment] {
    var values = try validated(input)
    try StrictInputs.check(values, names: inputs.filter(\.isStrict).map(\.name))
    var nonces: [String: String] = [:]
    for property in inputs where property.kind == "thread" {
      let nonce = "__PROMPTY_THREAD_\(SHA256.hash(contentHash + property.name).prefix(8))_\(property.name)__"
      nonces[property.name] = nonce
      values[property.name] = .string(nonce)
    }
    do {
      return try renderer.render(template, inputs: values).map { segment in
        guard case .interpolated(let source?) = segment.kind, nonces[source] == segment.text else { return segment }
        return PromptSegment(.thread(input: source), segment.text)
      }
    } catch let error as ContractError {
      throw templateError(error)
    }
  }

  /// The rendered template as one text, with marks where threads stand.
  public func text(for input: JSON) throws -> String { try segments(for: input).map(\.text).joined() }

  public func messages(for input: JSON) throws -> [Message] {
    var threads: [String: [PromptMessage]] = [:]
    for property in inputs where property.kind == "thread" {
      threads[property.name] = ThreadInput.messages(input[property.name] ?? [])
    }
    return RoleParser.messages(try segments(for: input), threads: threads).map(\.message)
  }

  private func templateError(_ error: ContractError) -> ContractError {
    let prefix = "template line "
    guard let place = error.location, place.hasPrefix(prefix), let line = Int(place.dropFirst(prefix.count)) else {
      return error.at(document.path)
    }
    return ContractError(
      error.code, error.message, remedy: error.remedy, location: "\(document.path):\(document.bodyLine + line - 1)",
      cause: error.cause)
  }
}
