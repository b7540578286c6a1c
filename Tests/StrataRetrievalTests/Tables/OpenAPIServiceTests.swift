import StrataCore
import StrataRetrieval
import Synchronization
import Testing

/// Answers from a table and remembers what it was asked for.
private final class Pages: HTTPFetcher {
  let asked = Mutex<[String]>([])

  func get(_ url: String, headers: [(String, String)], byteLimit: Int) async throws -> HTTPReply {
    asked.withLock { $0.append(url) }
    if url.hasSuffix("/missing") { return HTTPReply(status: 404) }
    return HTTPReply(status: 200, body: Array("{\"tide\":1.4}".utf8))
  }
}

private let description = """
  openapi: 3.1.0
  info: {title: Tides, version: "1"}
  servers: [{url: "https://tides.example/v1/"}]
  components:
    parameters:
      port: {name: port, in: path, required: true, schema: {$ref: "#/components/schemas/Port"}, description: Which port}
    schemas:
      Port: {type: string, minLength: 1}
  paths:
    /ports/{port}/tides:
      parameters: [{$ref: "#/components/parameters/port"}]
      get:
        operationId: tides
        summary: Heights of the tide
        parameters:
          - {name: day, in: query, schema: {type: string, format: date}}
          - {name: X-Trace, in: header, schema: {type: string}}
      post: {operationId: setTides}
    /missing:
      get: {summary: Nothing}
  """

@Suite("Services described by OpenAPI")
struct OpenAPIServiceTests {
  @Test("only reading operations are offered, with their parameters' schemas")
  func operations() throws {
    let service = try OpenAPIService(text: description, location: "tides.yaml")
    #expect(service.title == "Tides")
    #expect(service.operations.map(\.name) == ["get_missing", "tides"])
    let expected: JSON = [
      "type": "object",
      "properties": [
        "day": ["type": "string", "format": "date"],
        "port": ["type": "string", "minLength": 1, "description": "Which port"],
      ],
      "required": ["port"], "additionalProperties": false,
    ]
    #expect(service.operations.last?.schema == expected)
  }

  @Test("arguments stay in their places, whatever they contain")
  func addresses() async throws {
    let service = try OpenAPIService(text: description, location: "tides.yaml")
    let pages = Pages()
    let tool = ServiceTool(ServiceCaller(service, fetcher: pages), service.operations[1])
    #expect(tool.definition.name == "tides")
    let arguments: JSON = ["port": "../admin?x=1#", "day": "2026-11-22&all=1"]
    let result = try await tool.call(arguments, as: .anonymous)
    #expect(result.content["answer"]?["tide"] == 1.4)
    #expect(
      pages.asked.withLock { $0 } == [
        "https://tides.example/v1/ports/..%2Fadmin%3Fx%3D1%23/tides?day=2026-11-22%26all%3D1"
      ])
    for port in ["..", ".", ""] {
      await #expect(throws: RetrievalError.self) { try await tool.call(["port": .string(port)], as: .anonymous) }
    }
    await #expect(throws: RetrievalError.self) { try await tool.call([:], as: .anonymous) }
    let missing = ServiceTool(ServiceCaller(service, fetcher: pages), service.operations[0])
    await #expect(throws: RetrievalError.self) { try await missing.call([:], as: .anonymous) }
  }

  @Test(
    "what is no description is refused",
    arguments: [
      "", "[]", "openapi: 2.0", "openapi: 3.0.0", "openapi: 3.0.0\nservers: [{url: \"file:///etc\"}]",
      "openapi: 3.0.0\nservers: [{url: \"http://x\"}]\npaths: {/a: {get: {parameters: [{$ref: \"http://evil/x\"}]}}}",
      "openapi: 3.0.0\nservers: [{url: \"http://x\"}]\npaths: {/a: {get: {parameters: [{$ref: \"#/a/b\"}]}}}",
      "a: &x [1]\nb: *x",
    ])
  func refused(text: String) {
    #expect(throws: RetrievalError.self) { try OpenAPIService(text: text, location: "x.yaml") }
  }
}
