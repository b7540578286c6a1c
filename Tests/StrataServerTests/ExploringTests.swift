import Foundation
import StrataCore
import StrataServer
import Testing

@Suite("Looking into a collection over the app API")
struct ExploringTests {
  private func json(_ server: TestServer, _ path: String) async throws -> JSON {
    try JSON(parsing: try await server.call("GET", path).body)
  }

  @Test("hits carry their place and the reasons for it, and only what the asker may read")
  func search() async throws {
    try await withServer(app: FakeApp()) { server in
      let found = try await json(server, "/api/search?q=code&as=ada&legs=lexical,graph")
      let hit = found["hits"]?[0]
      #expect(hit?["document"] == "secret.md")
      #expect(hit?["end"] == 23)
      #expect(Set((hit?["explanation"]?["legs"]?.objectValue ?? [:]).map(\.key)) == ["lexical", "graph"])
      let hidden = try await json(server, "/api/search?q=code")
      #expect(hidden["hits"] == [])
    }
  }

  @Test(
    "wrong queries are explained",
    arguments: ["/api/search", "/api/search?q=%20", "/api/search?q=x&limit=0", "/api/search?q=x&legs=magic"])
  func invalid(path: String) async throws {
    try await withServer(app: FakeApp()) { server in
      let response = try await server.call("GET", path)
      #expect(response.status == 400)
    }
  }

  @Test("details are told to readers only, as if the document did not exist for others")
  func details() async throws {
    try await withServer(app: FakeApp()) { server in
      let details = try await json(server, "/api/documents/details?path=secret.md&as=ada")
      #expect(details["lineage"]?["kind"] == "document")
      #expect(details["users"] == ["ada"])
      let hidden = try await server.call("GET", "/api/documents/details?path=secret.md")
      let absent = try await server.call("GET", "/api/documents/details?path=absent.md")
      #expect(hidden.status == 404)
      #expect(hidden.body == absent.body)
    }
  }

  @Test("who may read what is told on the machine itself, for documents that the asker may read")
  func access() async throws {
    try await withServer(app: FakeApp()) { server in
      let table = try await json(server, "/api/access")
      #expect(table["documents"]?.arrayValue?.map { $0["path"] } == ["open.md"])
      #expect(table["documents"]?[0]?["may_read"] == [true])
      let collections = try await json(server, "/api/collections")
      #expect(collections["collections"]?[0]?["documents"] == 1)
    }
    let key = APIKey(key: "sk-0123456789abcdef0123456789abcdef", principal: Principal(user: "ada"))
    try await withServer(app: FakeApp(), configure: { $0.apiKeys = [key] }) { server in
      let headers = ["authorization": "Bearer sk-0123456789abcdef0123456789abcdef"]
      let refused = try await server.call("GET", "/api/access", headers: headers)
      #expect(refused.status == 403)
      let details = try JSON(
        parsing: try await server.call("GET", "/api/documents/details?path=secret.md", headers: headers).body)
      #expect(details["path"] == "secret.md")
      #expect(details["users"] == nil)
    }
  }
}
