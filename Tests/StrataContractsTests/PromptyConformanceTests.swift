// Owns conformance with Prompty v2: its own load, render, segment and parse vectors.
import Foundation
import StrataContracts
import StrataCore
import Testing

@Suite(.enabled(if: PromptyVectors.areAvailable, "set STRATA_DATA to run the Prompty vectors"))
struct PromptyConformanceTests {
  /// What the vectors call an error, by what ours is called.
  static func matches(_ expected: String, _ error: any Error) -> Bool {
    guard let error = error as? ContractError else { return false }
    switch expected {
    case "FileNotFoundError": return error.code == ContractError.notFound
    case "invalid frontmatter": return error.code == ContractError.frontMatter
    case "StrictViolation": return error.code == ContractError.strictViolation
    default: return error.message.contains(expected)
    }
  }

  /// Whether `actual` has everything that `expected` has; an expected null may be absent.
  static func contains(_ actual: JSON?, _ expected: JSON) -> Bool {
    switch expected {
    case .null: actual == nil || actual == .null
    case .object(let object): object.allSatisfy { contains(actual?[$0.key], $0.value) }
    case .array(let values):
      actual?.arrayValue?.count == values.count
        && values.enumerated().allSatisfy { contains(actual?[$0.offset], $0.element) }
    default: actual == expected
    }
  }

  @Test("load vectors: front matter, references, shorthands, input checks")
  func load() throws {
    let vectors = try PromptyVectors.vectors("load")
    #expect(vectors.count >= 28)
    for vector in vectors {
      let name = vector["name"]?.stringValue ?? ""
      let expected = try #require(vector["expected"])
      do {
        let actual = try load(vector["input"] ?? [:])
        #expect(expected["error"] == nil, "\(name) must fail")
        #expect(Self.contains(actual, expected), "\(name): \(actual.text())")
      } catch {
        guard let message = expected["error"]?.stringValue else {
          Issue.record("\(name): \(error)")
          continue
        }
        #expect(Self.matches(message, error), "\(name): \(error)")
      }
    }
    print("prompty load vectors: \(vectors.count)")
  }

  private func load(_ input: JSON) throws -> JSON {
    var variables: [String: String] = [:]
    for (key, value) in input["env"]?.objectValue ?? [:] { variables[key] = value.stringValue }
    if let fixture = input["fixture"]?.stringValue {
      return try PromptyDocument(file: "\(PromptyVectors.folder)/fixtures/\(fixture)", variables: variables).json
    }
    let base = FileManager.default.temporaryDirectory.appendingPathComponent(UUID().uuidString)
    defer { try? FileManager.default.removeItem(at: base) }
    let folder = base.appendingPathComponent(input["agent_subdir"]?.stringValue ?? "")
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    for (path, content) in input["files"]?.objectValue ?? [:] {
      let file = folder.appendingPathComponent(path)
      try FileManager.default.createDirectory(
        at: file.deletingLastPathComponent(), withIntermediateDirectories: true)
      try content.text().write(to: file, atomically: true, encoding: .utf8)
    }
    let text = input["frontmatter_raw"]?.stringValue ?? "---\n\(input["frontmatter"]?.text(.pretty) ?? "")\n---\n"
    let file = folder.appendingPathComponent("test.prompty")
    try text.write(to: file, atomically: true, encoding: .utf8)
    let document = try PromptyDocument(file: file.path, variables: variables)
    guard let inputs = input["inputs"] else { return document.json }
    return ["validated_inputs": .object(try Contract(document).validated(inputs))]
  }

  @Test("render vectors, jinja2 and mustache, with their segments", arguments: ["render", "renderSegments"])
  func render(operation: String) throws {
    let vectors = try PromptyVectors.vectors(operation)
    #expect(vectors.count >= 5)
    for vector in vectors {
      let name = vector["name"]?.stringValue ?? ""
      let input = try #require(vector["input"])
      let expected = try #require(vector["expected"])
      do {
        let segments = try render(input)
        let text = segments.map(\.text).joined()
        #expect(expected["error"] == nil, "\(name) must fail")
        if let rendered = expected["rendered"]?.stringValue { #expect(text == rendered, "\(name)") }
        if let pattern = expected["nonce_pattern"]?.stringValue {
          #expect(text.range(of: pattern, options: .regularExpression) != nil, "\(name): \(text)")
        }
        if let wanted = expected["segments"]?.arrayValue {
          let strict = (input["strict_props"]?.arrayValue ?? []).compactMap(\.stringValue)
          #expect(segments.map { json($0, strict) } == wanted, "\(name)")
        }
      } catch {
        let message = expected["error"]?.stringValue ?? "none"
        #expect(Self.matches(message, error), "\(name): \(error)")
      }
    }
    print("prompty \(operation) vectors: \(vectors.count)")
  }

  private func json(_ segment: PromptSegment, _ strict: [String]) -> JSON {
    guard case .interpolated(let source) = segment.kind else {
      return ["kind": "literal", "text": .string(segment.text), "source": nil, "strict": false]
    }
    return [
      "kind": "interp", "text": .string(segment.text), "source": source.map(JSON.string) ?? .null,
      "strict": .bool(strict.contains(source ?? "")),
    ]
  }

  private func render(_ input: JSON) throws -> [PromptSegment] {
    let strict = Set((input["strict_props"]?.arrayValue ?? []).compactMap(\.stringValue))
    let inputs: [JSON] = (input["inputs"]?.objectValue ?? [:]).map { key, value in
      let kind = value["_kind"]?.stringValue ?? value.typeName
      return ["name": .string(key), "kind": .string(kind), "strict": .bool(strict.contains(key))]
    }
    let frontMatter: JSON = [
      "name": "vector", "inputs": .array(inputs), "template": ["format": ["kind": input["engine"] ?? "jinja2"]],
    ]
    let text = "---\n\(frontMatter.text(.pretty))\n---\n\(input["template"]?.stringValue ?? "")"
    let contract = try Contract(PromptyDocument(text, path: "vector.prompty"))
    // The loader trims a body; a vector's template is rendered as it is.
    guard contract.template == input["template"]?.stringValue else {
      let renderer = Contract.defaultRenderers[input["engine"]?.stringValue ?? "jinja2"]
      return try renderer?.render(input["template"]?.stringValue ?? "", inputs: input["inputs"]?.objectValue ?? [:])
        ?? []
    }
    return try contract.segments(for: input["inputs"] ?? [:])
  }

  @Test("the rendering corpus of the Jinja subset")
  func corpus() throws {
    let cases = try #require(try PromptyVectors.json("render_golden.json").arrayValue)
    #expect(cases.count >= 45)
    for entry in cases {
      let name = entry["name"]?.stringValue ?? ""
      let inputs = entry["inputs"]?.objectValue ?? [:]
      do {
        try StrictInputs.check(inputs, names: (entry["strict_props"]?.arrayValue ?? []).compactMap(\.stringValue))
        let segments = try JinjaSubsetRenderer().render(entry["template"]?.stringValue ?? "", inputs: inputs)
        #expect(segments.map(\.text).joined() == entry["rendered"]?.stringValue, "\(name)")
      } catch {
        #expect(Self.matches(entry["throws"]?.stringValue ?? "none", error), "\(name): \(error)")
      }
    }
    print("prompty golden renderings: \(cases.count)")
  }

  @Test("parse vectors: role markers, attributes, threads")
  func parse() throws {
    let vectors = try PromptyVectors.vectors("parse")
    #expect(vectors.count >= 19)
    for vector in vectors {
      let input = try #require(vector["input"])
      let threads = input["thread_inputs"]?.objectValue ?? [:]
      var segments = [PromptSegment(.literal, input["rendered"]?.stringValue ?? "")]
      var messages: [String: [PromptMessage]] = [:]
      for (name, thread) in threads {
        messages[name] = (thread.arrayValue ?? []).map { entry in
          let role = Message.Role(rawValue: entry["role"]?.stringValue ?? "") ?? .user
          return PromptMessage(role: role, text: entry["content"]?[0]?["value"]?.stringValue ?? "")
        }
        segments = segments.flatMap { split($0, at: name) }
      }
      let actual: [JSON] = RoleParser.messages(segments, threads: messages).map { message in
        var json: JSONObject = [
          "role": .string(message.role.rawValue), "content": [["kind": "text", "value": .string(message.text)]],
        ]
        if !message.attributes.isEmpty { json["metadata"] = .object(message.attributes) }
        return .object(json)
      }
      #expect(.array(actual) == vector["expected"]?["messages"] ?? .null, "\(vector["name"]?.stringValue ?? "")")
    }
    print("prompty parse vectors: \(vectors.count)")
  }

  /// The vectors give rendered text, so the mark of a thread is found by its form.
  private func split(_ segment: PromptSegment, at thread: String) -> [PromptSegment] {
    let pattern = "__PROMPTY_THREAD_[a-f0-9]{8}_\(thread)__"
    guard let range = segment.text.range(of: pattern, options: .regularExpression) else { return [segment] }
    return [
      PromptSegment(.literal, String(segment.text[..<range.lowerBound])),
      PromptSegment(.thread(input: thread), String(segment.text[range])),
      PromptSegment(.literal, String(segment.text[range.upperBound...])),
    ]
  }
}
