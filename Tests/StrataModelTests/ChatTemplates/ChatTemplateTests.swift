import Foundation
import StrataCore
import StrataModel
import Testing

private let templateFolder = PublicData.folder + "/models/chat-templates"

@Suite("Chat templates")
struct ChatTemplateTests {
  @Test(
    "real templates render every conversation byte for byte as jinja2 does, or fail as it does",
    .enabled(if: PublicData.exists(templateFolder), "needs STRATA_DATA"))
  func realTemplates() throws {
    let golden = try PublicData.json(PublicData.golden + "/chat-templates.json")
    let cases = try #require(golden["cases"]?.objectValue)
    let results = try #require(golden["results"]?.objectValue)
    let now = try #require(golden["now"]?.stringValue.flatMap(Self.date))
    var compared = 0
    for (name, expectations) in results {
      let source = String(decoding: try PublicData.bytes("\(templateFolder)/\(name)"), as: UTF8.self)
      let template = try ChatTemplate(source)
      for (caseName, request) in cases {
        let expected = try #require(expectations[caseName])
        let outcome = Self.outcome(of: template, request, now: now)
        #expect(outcome.matches(expected), "\(name), \(caseName): \(outcome.description), expected \(expected)")
        outcome.dump("\(name).\(caseName)")
        compared += 1
      }
    }
    #expect(compared == results.count * cases.count)
  }

  @Test("snippets of the language give what jinja2 gives")
  func snippets() throws {
    let golden = try PublicData.json(PublicData.golden + "/jinja-snippets.json")
    var context = JinjaDict()
    for (name, value) in try #require(golden["context"]?.objectValue) { context.set(name, to: JinjaValue(value)) }
    let now = try #require(Self.date("2026-07-26T12:34:56"))
    for snippet in try #require(golden["snippets"]?.arrayValue) {
      let source = try #require(snippet["source"]?.stringValue)
      do throws(TemplateError) {
        let output = try JinjaTemplate(source).render(context, now: now)
        let expected = snippet["output"]?.stringValue
        #expect(
          expected.map { Array($0.utf8) } == Array(output.utf8),
          "\(source) gave \(output), not \(expected ?? "an error")")
      } catch {
        let code = snippet["error"]?["code"]?.stringValue
        #expect(code == error.code.name || error.code == TemplateError.limit, "\(source): \(error)")
        if code != "template_syntax", error.code != TemplateError.limit {
          // jinja2 words it so only where the filter is looked up late, inside a conditional.
          let message = error.message.replacing(" found.", with: ".")
          #expect(snippet["error"]?["message"]?.stringValue == message, "\(source)")
        }
      }
    }
  }

  @Test("messages, calls and tools reach the template in the wire shape")
  func typedMessages() throws {
    let template = try ChatTemplate("{{ messages | tojson }} {{ tools | tojson }} {{ add_generation_prompt }}{{ x }}")
    let call = ToolCall(id: "1", name: "f", arguments: ["b": 1, "a": 2.5])
    let text = try template.render(
      messages: [
        .user("hi"), Message(role: .assistant, content: "", toolCalls: [call]),
        Message(role: .tool, content: "r", toolCallID: "1", name: "f"),
      ],
      tools: [ToolDefinition(name: "f", description: "d", parameters: ["type": "object"])], addGenerationPrompt: false,
      variables: ["x": "y"])
    let expected =
      #"[{"role": "user", "content": "hi"}, "#
      + #"{"role": "assistant", "content": "", "tool_calls": [{"id": "1", "type": "function", "#
      + #""function": {"name": "f", "arguments": {"b": 1, "a": 2.5}}}]}, "#
      + #"{"role": "tool", "content": "r", "tool_call_id": "1", "name": "f"}] "#
      + #"[{"type": "function", "function": {"name": "f", "description": "d", "parameters": {"type": "object"}}}] Falsey"#
    #expect(text == expected)
  }

  @Test("an error names its line")
  func lines() {
    let syntax = #expect(throws: TemplateError.self) { try ChatTemplate("a\n\n{% if %}") }
    #expect(syntax?.location == "template line 3")
    let raised = #expect(throws: TemplateError.self) {
      try ChatTemplate("\n{% for m in messages %}\n{{ raise_exception('no') }}{% endfor %}").render(messages: [
        .user("")
      ])
    }
    #expect(raised?.code == TemplateError.raised)
    #expect(raised?.message == "no")
    #expect(raised?.location == "template line 3")
  }

  @Test(
    "hostile templates end with an error, not with a crash or a hang",
    arguments: [
      "{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}",
      "{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}",
      "{% set ns = namespace(x='aaaaaaaa') %}{% for i in range(99) %}{% set ns.x = ns.x ~ ns.x %}{% endfor %}",
      "{% set ns = namespace(x=[1]) %}{% for i in range(99) %}{% set ns.x = ns.x + ns.x %}{% endfor %}",
      "{% set ns = namespace(x=[]) %}{% for i in range(99999) %}{% set ns.x = [ns.x] %}{% endfor %}{{ ns.x }}",
      "{{ 'a' * 999999999999 }}", "{{ [1] * 999999999999 }}", "{{ range(999999999) | list }}",
      "{{ 'a'.ljust(9999999999) }}", "{{ '%999999999d' % 1 }}", "{{ ('a' * 9999999).replace('', 'b' * 9999999) }}",
      "{{ 2 ** 9999999999 }}", "{{ 9223372036854775807 + 1 }}", "{{ -9223372036854775807 - 2 }}",
      "{{ (-9223372036854775807 - 1) // -1 }}", "{{ 'a' | center(99999999999) }}",
      "{% for i in [1] recursive %}{{ loop([1]) }}{% endfor %}",
      "{{ " + String(repeating: "(", count: 50_000) + " }}", "{{ " + String(repeating: "[", count: 50_000) + " }}",
      "{{ " + String(repeating: "-", count: 50_000) + "1 }}", "{{ " + String(repeating: "not ", count: 50_000) + "1 }}",
      "{{ x" + String(repeating: "|upper", count: 50_000) + " }}",
      "{{ x" + String(repeating: ".a", count: 50_000) + " }}",
      String(repeating: "{% if true %}", count: 20_000), String(repeating: "{% macro a() %}", count: 20_000),
      String(repeating: "{% for a in [1] %}", count: 20_000), String(repeating: "{{", count: 20_000),
    ])
  func hostile(source: String) async {
    // A small stack, as a thread of somebody else's pool might have.
    let code = await withCheckedContinuation { continuation in
      let thread = Thread {
        do throws(TemplateError) {
          _ = try JinjaTemplate(source).render(JinjaDict(), now: Date())
          continuation.resume(returning: "")
        } catch {
          continuation.resume(returning: error.code.name)
        }
      }
      thread.stackSize = 1 << 19
      thread.start()
    }
    #expect(code != "", "\(source.prefix(60))")
  }

  @Test("objects that refer to each other are released without recursion")
  func chains() throws {
    let source = """
      {% set ns = namespace(last=none) %}{% for i in range(90000) %}{% set n = namespace(previous=ns.last) %}\
      {% set ns.last = n %}{% endfor %}{% set ns.own = ns %}{{ ns.last is defined }}
      """
    #expect(try JinjaTemplate(source).render(JinjaDict(), now: Date()) == "True")
    let macros = """
      {% set ns = namespace(m=none) %}{% for i in range(30000) %}{% set p = ns.m %}{% macro f() %}{{ p }}{% endmacro %}\
      {% set ns.m = f %}{% endfor %}ok
      """
    #expect(try JinjaTemplate(macros).render(JinjaDict(), now: Date()) == "ok")
  }

  private static func date(_ text: String) -> Date? {
    let parts = text.split(whereSeparator: { "-T:".contains($0) }).compactMap { Int($0) }
    guard parts.count == 6 else { return nil }
    return Calendar(identifier: .gregorian).date(
      from: DateComponents(
        timeZone: .current, year: parts[0], month: parts[1], day: parts[2], hour: parts[3], minute: parts[4],
        second: parts[5]))
  }

  private static func outcome(of template: ChatTemplate, _ request: JSON, now: Date) -> RenderOutcome {
    var variables: [String: JSON] = [:]
    let own: Set<String> = ["messages", "tools", "add_generation_prompt"]
    for (name, value) in request.objectValue ?? JSONObject() where !own.contains(name) { variables[name] = value }
    do throws(TemplateError) {
      return .text(
        try template.render(
          messages: request["messages"]?.arrayValue ?? [], tools: request["tools"]?.arrayValue ?? [],
          addGenerationPrompt: request["add_generation_prompt"]?.boolValue ?? false, bosToken: "<BOS>",
          eosToken: "<EOS>", variables: variables, now: now))
    } catch {
      return .error(error)
    }
  }
}

private enum RenderOutcome: CustomStringConvertible {
  case text(String)
  case error(TemplateError)

  var description: String {
    switch self {
    case .text(let text): "\(text.utf8.count) bytes, \(Fingerprint.fnv1a(text))"
    case .error(let error): "\(error.code) \(error)"
    }
  }

  func matches(_ expected: JSON) -> Bool {
    switch self {
    case .text(let text):
      expected["bytes"]?.intValue == text.utf8.count && expected["fnv1a"]?.stringValue == Fingerprint.fnv1a(text)
    case .error(let error):
      expected["error"]?["code"]?.stringValue == error.code.name
        && expected["error"]?["message"]?.stringValue == error.message
    }
  }

  /// Keeps the output for a look when `STRATA_DUMP` names a folder.
  func dump(_ name: String) {
    guard let folder = ProcessInfo.processInfo.environment["STRATA_DUMP"] else { return }
    let text = if case .text(let text) = self { text } else { "ERROR \(self)" }
    _ = FileManager.default.createFile(atPath: "\(folder)/\(name).actual", contents: Data(text.utf8))
  }
}
