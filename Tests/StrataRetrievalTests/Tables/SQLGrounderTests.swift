import StrataCore
import StrataRetrieval
import StrataTesting
import Synchronization
import Testing

/// Answers one statement; everything else is wrong.
private final class OneQuery: SQLSource {
  let name = "ship"
  let dialect = "SQLite"
  let hours = Mutex(4)

  func tables() async throws -> [SQLTable] {
    [
      SQLTable(
        name: "watches", columns: [.init(name: "crew", type: "TEXT"), .init(name: "night hours", type: "REAL")]),
      SQLTable(name: "berths", columns: [.init(name: "id", type: "INTEGER")], key: ["id"]),
    ]
  }

  func query(_ statement: String, limit: Int) async throws -> SQLResult {
    guard statement == "SELECT crew, hours FROM watches" else {
      throw RetrievalError.init(ErrorCode("wrong", .invalidInput), "no such column: \(statement)")
    }
    return SQLResult(
      columns: ["crew", "hours"], rows: [["Sofia", .int(hours.withLock { $0 })], ["Tom", .null]],
      origins: [nil, "watches[id=2]"],
      isTruncated: false, read: [])
  }
}

private struct FixedContract: PromptContract {
  let name = "sql"
  let version = "1.0.0"
  let contentHash = ""
  let inputSchema: JSON = [:]
  let outputSchema: JSON? = ["type": "object"]
  let settings: JSON = [:]
  let sampling = SamplingParameters.greedy
  let maxTokens: Int? = 100
  let seen = Seen()

  final class Seen: Sendable {
    let inputs = Mutex<[JSON]>([])
  }

  func messages(for input: JSON) throws -> [Message] {
    seen.inputs.withLock { $0.append(input) }
    return [.user(input["question"]?.stringValue ?? "")]
  }
}

@Suite("Answers from tables")
struct SQLGrounderTests {
  @Test("a query that fails is written again with what was wrong, and rows can be cited")
  func repairs() async throws {
    let source = OneQuery()
    let contract = FixedContract()
    let model = ScriptedModel(["{\"sql\":\"SELECT x\"}", "{\"sql\":\"SELECT crew, hours FROM watches\"}"])
    let answer = try await SQLGrounder(source: source, model: model, contract: contract).answer("Who watches at night?")
    #expect(answer.attempts == 2)
    #expect(answer.passages.map(\.text) == ["crew: Sofia · hours: 4", "crew: Tom · hours: –"])
    #expect(answer.passages.map(\.headingPath) == [["row 1"], ["watches[id=2]"]])
    #expect(contract.seen.inputs.withLock { $0.last?["problem"]?.stringValue } == "no such column: SELECT x")
    let evidence = SQLEvidence(source: "ship", statement: answer.statement)
    let text = Array(evidence.text(of: answer.result).utf8)
    for passage in answer.passages {
      #expect(String(decoding: text[passage.range], as: UTF8.self) == passage.text)
      #expect(try await evidence.stillHolds(passage, in: source, limit: 10))
    }
    source.hours.withLock { $0 = 5 }
    #expect(try await !evidence.stillHolds(answer.passages[0], in: source, limit: 10))
  }

  @Test("after three attempts it says so")
  func givesUp() async throws {
    let model = ScriptedModel(["no JSON", "{\"sql\":\"DROP\"}", "{}"])
    let grounder = SQLGrounder(source: OneQuery(), model: model, contract: FixedContract())
    let error = await #expect(throws: RetrievalError.self) { try await grounder.answer("Who?") }
    #expect(error?.code.name == "query_not_written")
  }
}
