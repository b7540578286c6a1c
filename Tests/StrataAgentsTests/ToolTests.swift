import Foundation
import StrataAgents
import StrataCore
import StrataTesting
import Synchronization
import Testing

@Suite struct ToolTests {
  /// Sends something that cannot be unsent.
  final class Sender: Tool {
    let calls = Mutex(0)
    let isIdempotent = false
    let definition = ToolDefinition(
      name: "send", description: "Sends a message.",
      parameters: [
        "type": "object", "properties": ["to": ["type": "string", "minLength": 1]], "required": ["to"],
        "additionalProperties": false,
      ])
    let body: @Sendable () async throws -> ToolResult

    init(_ body: @escaping @Sendable () async throws -> ToolResult = { ToolResult(content: ["sent": true]) }) {
      self.body = body
    }

    func call(_ arguments: JSON, as principal: Principal) async throws -> ToolResult {
      calls.withLock { $0 += 1 }
      return try await body()
    }
  }

  private func call(
    _ tool: Sender, _ arguments: JSON, name: String = "send", limits: ToolExecutor.Limits = .init()
  ) async throws -> ToolResult {
    try await ToolExecutor([tool], limits: limits)
      .call(ToolCall(id: "1", name: name, arguments: arguments), as: .anonymous)
  }

  @Test("invalid arguments and unknown tools are told to the model, and nothing is called")
  func validation() async throws {
    let sender = Sender()
    #expect(try await call(sender, ["to": ""]).isError)
    #expect(try await call(sender, [:]).isError)
    #expect(try await call(sender, ["to": "a"], name: "fly").isError)
    #expect(sender.calls.withLock { $0 } == 0)
    #expect(try await call(sender, ["to": "a"]) == ToolResult(content: ["sent": true]))
  }

  @Test("a tool that throws, hangs or floods gives an error result")
  func failures() async throws {
    #expect(try await call(Sender { throw Crash() }, ["to": "a"]).isError)
    var limits = ToolExecutor.Limits()
    limits.timeout = .milliseconds(10)
    let slow = Sender {
      try await Task.sleep(for: .seconds(30))
      return ToolResult(content: nil)
    }
    #expect(try await call(slow, ["to": "a"], limits: limits).isError)
    limits = ToolExecutor.Limits()
    limits.outputByteCount = 10
    let flood = Sender { ToolResult(content: .string(String(repeating: "x", count: 100))) }
    #expect(try await call(flood, ["to": "a"], limits: limits).isError)
  }

  @Test("a tool that may not be repeated is not called again after a crash in the middle of it")
  func interrupted() async throws {
    var bench = Bench()
    let sender = Sender()
    bench.tools = [sender]
    bench.configuration = AgentConfiguration(policy: .model)
    let inner = InMemoryJournal()
    // started, plan.started, plan.completed, tool.started survive; the result does not.
    bench.journal = CrashingJournal(inner, survives: 4, lastIsDurable: false)
    let plan = #"{"action":"send","to":"b"}"#
    _ = await bench.events(try bench.runner(bench.model(plans: [plan])).run(AgentRequest("hotel", as: bench.ada)))
    #expect(sender.calls.withLock { $0 } == 1)
    bench.journal = inner
    let search = #"{"action":"search","query":"hotel limit"}"#
    _ = await bench.events(try bench.runner(bench.model(plans: [search])).resume("run-1", as: bench.ada))
    #expect(sender.calls.withLock { $0 } == 1)
    let completed = await inner.events(of: "run-1").first { $0.kind == "tool.completed" }
    #expect(completed?.payload["is_error"] == true)
  }

  @Test("a search takes what it offers: multi-hop, conditions and a day; nothing else")
  func search() async throws {
    let retriever = CountingRetriever([Corpus.travel])
    let offers = SearchTool.Offers(multiHop: [.graph, .decomposition], fields: ["team", "year"], asOf: true)
    let tool = SearchTool(retriever, spec: QuerySpec("", limit: 3, filter: .exists("team")), offers: offers)
    let executor = try ToolExecutor([tool])
    func result(_ arguments: JSON) async throws -> ToolResult {
      try await executor.call(ToolCall(id: "1", name: "search", arguments: arguments), as: .anonymous)
    }
    let filters: JSON = [
      ["field": "team", "equals": "labs"], ["field": "year", "from": 2024, "through": "2026-01-31"],
    ]
    let full: JSON = ["query": "tank", "multi_hop": "decomposition", "as_of": "2026-03-01", "filters": filters]
    #expect(try await !result(full).isError)
    let spec = try #require(retriever.specs.last)
    let day = try Date.ISO8601FormatStyle().year().month().day().parse("2026-01-31")
    #expect(spec.text == "tank" && spec.limit == 3 && spec.multiHop == .decomposition && spec.asOf != nil)
    #expect(
      spec.filter
        == .and([
          .exists("team"), .equals("team", .string("labs")),
          .range("year", FieldRange(from: .number(2024), through: .date(day))),
        ]))
    let wrong: [JSON] = [
      ["query": "tank", "multi_hop": "magic"], ["query": "tank", "as_of": "yesterday"],
      ["query": "tank", "as_of": "2026-99-99"], ["query": "tank", "filters": [["field": "salary", "equals": 1]]],
      ["query": "tank", "filters": [["field": "team"]]], ["query": "tank", "k": 9],
    ]
    for arguments in wrong { #expect(try await result(arguments).isError) }
    let plain = try ToolExecutor([SearchTool(retriever)])
    let call = ToolCall(id: "1", name: "search", arguments: full)
    #expect(try await plain.call(call, as: .anonymous).isError)
    #expect(retriever.specs.count == 1)
  }
}
