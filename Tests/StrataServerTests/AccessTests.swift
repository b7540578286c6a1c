import StrataCore
import StrataServer
import StrataTesting
import Testing

private let key = "sk-test-0123456789abcdef"
private let hello: JSON = ["model": "scripted", "messages": [["role": "user", "content": "Hi"]]]

@Suite("Who may call")
struct AccessTests {
  @Test("with keys configured, only bearers of a key get in, and health is open")
  func keys() async throws {
    let model = ScriptedModel(["yes"])
    let alice = Principal(tenant: "acme", user: "alice")
    try await withServer(models: [model], configure: { $0.apiKeys = [APIKey(key: key, principal: alice)] }) { server in
      let path = "/v1/chat/completions"
      for header in ["", "Bearer", "Bearer ", "Bearer wrong-key", "Basic \(key)", "Bearer \(key)x", key] {
        let headers = header.isEmpty ? [:] : ["Authorization": header]
        let response = try await server.post(path, hello, headers: headers)
        #expect(response.status == 401)
        #expect(response.errorCode == "invalid_api_key")
        #expect(response.headers["www-authenticate"] == "Bearer")
        #expect(!response.body.contains(key))
      }
      let right = try await server.post(path, hello, headers: ["Authorization": "Bearer \(key)"])
      #expect(right.status == 200)
      let models = try await server.call("GET", "/v1/models")
      #expect(models.status == 401)
      let metrics = try await server.call("GET", "/metrics")
      #expect(metrics.status == 401)
      let health = try await server.call("GET", "/healthz")
      #expect(health.status == 200)
    }
    #expect(model.requests.map(\.tenant) == ["acme"])
  }

  @Test("names that are not ours are refused on loopback, against DNS rebinding")
  func hosts() async throws {
    try await withServer(configure: { $0.allowedHosts = ["strata.example"] }) { server in
      for host in ["evil.example", "127.0.0.1.evil.example", "localhost.evil.example", "10.0.0.1", "[::2]:80"] {
        let response = try await server.call("GET", "/v1/models", headers: ["Host": host])
        #expect(response.status == 403)
        #expect(response.errorCode == "forbidden_host")
      }
      for host in ["localhost:1", "127.0.0.1", "[::1]:8080", "strata.example", "app.localhost"] {
        let response = try await server.call("GET", "/v1/models", headers: ["Host": host])
        #expect(response.status == 200)
      }
    }
  }

  @Test("pages of other sites cannot make the server do anything")
  func origins() async throws {
    try await withServer { server in
      let path = "/v1/chat/completions"
      for origin in ["http://evil.example", "null", "http://127.0.0.1:1"] {
        let foreign = try await server.post(path, hello, headers: ["Origin": origin])
        #expect(foreign.errorCode == "forbidden_origin")
      }
      let crossSite = try await server.post(path, hello, headers: ["Sec-Fetch-Site": "cross-site"])
      #expect(crossSite.status == 403)
      let own = "http://127.0.0.1:\(server.port)"
      let same = try await server.post(path, hello, headers: ["Origin": own])
      #expect(same.status == 200)
    }
  }

  @Test("every response carries security headers and an id")
  func headers() async throws {
    try await withServer { server in
      for path in ["/healthz", "/nowhere"] {
        let headers = try await server.call("GET", path).headers
        #expect(headers["x-content-type-options"] == "nosniff")
        #expect(headers["x-frame-options"] == "DENY")
        #expect(headers["content-security-policy"]?.contains("default-src 'none'") == true)
        #expect(headers["x-request-id"]?.hasPrefix("req_") == true)
      }
    }
  }

  @Test(
    "configurations that are unsafe or impossible are refused",
    arguments: [
      ServerConfiguration(host: "0.0.0.0"), ServerConfiguration(host: "192.168.1.5"),
      ServerConfiguration(host: "::"), ServerConfiguration(port: 70_000), ServerConfiguration(host: "127.0.0.1.evil"),
      ServerConfiguration(apiKeys: [APIKey(key: "short", principal: .anonymous)]),
    ])
  func configurations(configuration: ServerConfiguration) async {
    await #expect(throws: ServerError.self) { try await HTTPServer(configuration: configuration, models: []).run() }
  }

  @Test("a key never shows in text")
  func description() {
    #expect(!"\(APIKey(key: key, principal: .anonymous))".contains(key))
  }
}
