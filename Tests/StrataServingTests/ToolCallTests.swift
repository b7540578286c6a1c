import StrataCore
import StrataServing
import Testing

@Suite("Tool calls")
struct ToolCallTests {
  private let tools = [
    ToolDefinition(name: "weather", description: "", parameters: ["type": "object"]),
    ToolDefinition(name: "time", description: "", parameters: ["type": "object"]),
  ]

  @Test(
    "several calls are found in every form that models write",
    arguments: [
      #"<tool_call>{"name":"weather","arguments":{"city":"Rome"}}</tool_call>"# + "\n"
        + #"<tool_call>{"name":"time","arguments":{"city":"Oslo"}}</tool_call>"#,
      #"[{"name":"weather","arguments":{"city":"Rome"}},{"name":"time","arguments":{"city":"Oslo"}}]"#,
      #"{"name":"weather","arguments":{"city":"Rome"}}"# + "\n" + #"{"name":"time","arguments":{"city":"Oslo"}}"#,
      "```json\n" + #"[{"name":"weather","arguments":{"city":"Rome"}}, {"name":"time","arguments":{"city":"Oslo"}}]"#
        + "\n```",
    ])
  func several(text: String) {
    let calls = ToolCallParser.calls(in: text, tools: tools)
    #expect(calls.map(\.name) == ["weather", "time"])
    #expect(calls.map(\.arguments) == [["city": "Rome"], ["city": "Oslo"]])
    #expect(Set(calls.map(\.id)).count == 2)
  }

  @Test("braces within strings and functions that nobody offered are no calls")
  func others() {
    let text = #"{"name":"weather","arguments":{"city":"a } { b"}} and {"name":"delete","arguments":{}}"#
    let calls = ToolCallParser.calls(in: text, tools: tools)
    #expect(calls.map(\.arguments) == [["city": "a } { b"]])
  }

  @Test("marks such as [1] do not hold the text back, lists of calls do")
  func holding() {
    #expect(ToolCallParser.possibleStart(in: "[1] says so") == nil)
    #expect(ToolCallParser.possibleStart(in: "[ {\"na") != nil)
    #expect(ToolCallParser.possibleStart(in: "[") != nil)
  }

  @Test("a demand for calls allows a list of them, one function or one call does not")
  func forced() {
    func schema(_ choice: ToolChoice, _ isParallel: Bool) -> JSON? {
      ForcedCall(
        GenerationRequest(.prompt("x"), tools: tools, toolChoice: choice, parallelToolCalls: isParallel))?.schema
    }
    #expect(schema(.required, true)?["type"] == "array")
    #expect(schema(.required, false)?["anyOf"]?.arrayValue?.count == 2)
    #expect(schema(.function("time"), true)?["type"] == "object")
    #expect(schema(.auto, true) == nil)
    let several = ForcedCall(GenerationRequest(.prompt("x"), tools: tools, toolChoice: .required))
    let text = #"[{"name":"time","arguments":{}},{"name":"weather","arguments":{"a":1}}]"#
    #expect(several?.calls(in: text).map(\.name) == ["time", "weather"])
  }
}
