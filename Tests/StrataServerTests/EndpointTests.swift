import Foundation
import StrataCore
import StrataServer
import StrataTesting
import Testing

@Suite("Completions, embeddings, models")
struct EndpointTests {
  @Test("a completion continues each prompt, echoed if asked")
  func completion() async throws {
    let model = ScriptedModel { request, _ in
      guard case .prompt(let text) = request.input else { return "?" }
      return text.uppercased()
    }
    try await withServer(models: [model]) { server in
      let body = try await server.post(
        "/v1/completions", ["model": "scripted", "prompt": ["one", "two"], "n": 2, "echo": true]
      ).json
      let texts = (0..<4).compactMap { body["choices"]?[$0]?["text"]?.stringValue }
      #expect(texts == ["oneONE", "oneONE", "twoTWO", "twoTWO"])
      #expect(body["object"] == "text_completion")
      let events = try await server.post(
        "/v1/completions", ["model": "scripted", "prompt": "abc", "stream": true]
      ).events.map(\.data)
      #expect(events.last == "[DONE]")
      let text = try events.dropLast().compactMap { try JSON(parsing: $0)["choices"]?[0]?["text"]?.stringValue }
      #expect(text.joined() == "ABC")
    }
    #expect(model.requests.first?.maxTokens == 16)
  }

  @Test("log-probabilities of a completion carry offsets")
  func completionLogprobs() async throws {
    func token(_ text: String) -> TokenLogprob {
      TokenLogprob(
        token: text, bytes: Array(text.utf8), logprob: -1,
        alternatives: [TokenLogprob(token: "x", bytes: [120], logprob: -2)])
    }
    let model = FixedModel([
      .text("ab", logprobs: [token("ab")]), .text("c", logprobs: [token("c")]),
      .finished(.length, Usage(promptTokens: 1, completionTokens: 2), GenerationTimings()),
    ])
    try await withServer(models: [model]) { server in
      let choice = try await server.post(
        "/v1/completions", ["model": "fixed", "prompt": "p", "logprobs": 1]
      ).json["choices"]?[0]
      #expect(choice?["finish_reason"] == "length")
      #expect(
        choice?["logprobs"] == [
          "tokens": ["ab", "c"], "token_logprobs": [-1, -1], "top_logprobs": [["x": -2], ["x": -2]],
          "text_offset": [0, 2],
        ])
    }
  }

  @Test("what a completion cannot do is said")
  func completionRefusals() async throws {
    try await withServer { server in
      let cases: [(JSONObject, String)] = [
        (["prompt": .null], "prompt"), (["prompt": [1, 2]], "prompt[0]"), (["prompt": []], "prompt"),
        (["prompt": "x", "suffix": "y"], "suffix"), (["prompt": "x", "best_of": 3], "best_of"),
        (["prompt": "x", "echo": true, "logprobs": 1], "echo"), (["prompt": "x", "n": 9], "n"),
        (["prompt": ["x", "y", "z"], "n": 3], "n"),
      ]
      for (change, parameter) in cases {
        var body = change
        body["model"] = "scripted"
        let response = try await server.post("/v1/completions", .object(body))
        #expect(response.status == 400)
        #expect(response.json["error"]?["param"] == .string(parameter))
      }
    }
  }

  @Test("embeddings as numbers and as base64 are the same vectors")
  func embeddings() async throws {
    let embedder = HashEmbedder(dimension: 8)
    let expected = try await embedder.embed(["red apple", "blue sky"])
    try await withServer(embedders: [embedder]) { server in
      let numbers = try await server.post("/v1/embeddings", ["model": "hash", "input": ["red apple", "blue sky"]])
      let floats = numbers.json["data"]?.arrayValue?.map { item in
        item["embedding"]?.arrayValue?.compactMap { $0.doubleValue.map { Float($0) } } ?? []
      }
      #expect(floats == expected)
      #expect(numbers.json["usage"]?["prompt_tokens"] == 4)
      let coded = try await server.post(
        "/v1/embeddings", ["model": "hash", "input": "blue sky", "encoding_format": "base64"])
      let text = coded.json["data"]?[0]?["embedding"]?.stringValue ?? ""
      let bytes = Array(Data(base64Encoded: text) ?? Data())
      let decoded = stride(from: 0, to: bytes.count - 3, by: 4).map { at in
        Float(bitPattern: (0..<4).reduce(UInt32(0)) { $0 | UInt32(bytes[at + $1]) << UInt32(8 * $1) })
      }
      #expect(decoded == expected[1])
    }
  }

  @Test("bad embedding requests are refused by parameter")
  func embeddingRefusals() async throws {
    try await withServer(embedders: [HashEmbedder(dimension: 8)]) { server in
      let long = Array(repeating: "w", count: 255).joined(separator: " ")
      let cases: [(JSONObject, Int, String)] = [
        (["input": "a", "dimensions": 4], 400, "dimensions"), (["input": []], 400, "input"),
        (["input": ""], 400, "input"), (["input": ["a", 3]], 400, "input[1]"),
        (["input": "a", "encoding_format": "hex"], 400, "encoding_format"),
        (["input": "a", "model": "scripted"], 404, "model"), (["input": .string(long)], 400, "input"),
        ([:], 400, "input"),
      ]
      for (change, status, parameter) in cases {
        var body: JSONObject = ["model": "hash"]
        for (key, value) in change { body[key] = value }
        let response = try await server.post("/v1/embeddings", .object(body))
        #expect(response.status == status)
        #expect(response.json["error"]?["param"] == .string(parameter))
      }
      let same = try await server.post("/v1/embeddings", ["model": "hash", "input": "a", "dimensions": 8])
      #expect(same.status == 200)
    }
  }

  @Test("models are listed and found, names with slashes too")
  func models() async throws {
    let model = ScriptedModel(id: "org/some-model") { _, _ in "x" }
    try await withServer(models: [model], embedders: [HashEmbedder()]) { server in
      let list = try await server.call("GET", "/v1/models").json
      #expect(list["data"]?.arrayValue?.compactMap { $0["id"]?.stringValue } == ["org/some-model", "hash"])
      let plain = try await server.call("GET", "/v1/models/org/some-model")
      #expect(plain.json["object"] == "model")
      let escaped = try await server.call("GET", "/v1/models/org%2Fsome-model")
      #expect(escaped.json["object"] == "model")
      let missing = try await server.call("GET", "/v1/models/none")
      #expect(missing.status == 404)
      #expect(missing.errorCode == "model_not_found")
    }
  }

  @Test("metrics count requests, tokens and first tokens")
  func metrics() async throws {
    try await withServer { server in
      _ = try await server.post(
        "/v1/chat/completions", ["model": "scripted", "messages": [["role": "user", "content": "x"]]])
      _ = try await server.call("GET", "/nowhere")
      let text = try await server.call("GET", "/metrics").body
      #expect(
        text.contains(
          "strata_http_requests_total{route=\"/v1/chat/completions\",method=\"POST\",status=\"200\"} 1"))
      #expect(text.contains("strata_http_requests_total{route=\"unknown\",method=\"GET\",status=\"404\"} 1"))
      #expect(text.contains("strata_tokens_total{model=\"scripted\",tenant=\"default\",type=\"prompt\"} 10"))
      #expect(text.contains("gen_ai_server_time_to_first_token_seconds_count{gen_ai_request_model=\"scripted\"} 1"))
      #expect(text.contains("strata_http_requests_in_flight 1"))
    }
  }
}
