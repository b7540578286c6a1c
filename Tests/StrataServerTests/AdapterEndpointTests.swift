import Foundation
import StrataCore
import StrataServer
import StrataTesting
import Synchronization
import Testing

/// A model that answers with the name of the adapter that it was asked to use.
private final class HostModel: AdapterHost {
  let info: ModelInfo
  private let known = Mutex<[String: String]>([:])

  init(id: String) { info = ModelInfo(id: id, contextLength: 4096) }

  var adapters: [AdapterInfo] {
    known.withLock { known in
      known.sorted { $0.key < $1.key }.map { AdapterInfo(name: $0.key, path: $0.value, byteCount: 7, ranks: [8]) }
    }
  }

  func loadAdapter(_ name: String, from path: String, replaces: Bool) async throws {
    try known.withLock { known in
      guard replaces || known[name] == nil else {
        throw ServerError(ErrorCode("adapter_exists", .conflict), "The adapter has been loaded already.")
      }
      guard FileManager.default.fileExists(atPath: path) else {
        throw ServerError(ErrorCode("gguf_truncated", .corrupted), "The file ends early.")
      }
      known[name] = path
    }
  }

  func unloadAdapter(_ name: String) throws { known.withLock { $0[name] = nil } }

  func generate(_ request: GenerationRequest) -> AsyncThrowingStream<GenerationEvent, any Error> {
    AsyncThrowingStream { continuation in
      continuation.yield(.text(request.adapter ?? "none", logprobs: []))
      continuation.yield(.finished(.stop, Usage(promptTokens: 1, completionTokens: 1), GenerationTimings()))
      continuation.finish()
    }
  }

  func countTokens(_ input: GenerationRequest.Input, tools: [ToolDefinition]) async throws -> Int { 1 }
}

@Suite("Adapter endpoints")
struct AdapterEndpointTests {
  /// Runs a server over one host with a folder that holds the file `legal.gguf`.
  private func withHosts(
    models: [any LanguageModel] = [HostModel(id: "base")], allows: Bool = true,
    _ body: @Sendable @escaping (TestServer, _ folder: String) async throws -> Void
  ) async throws {
    let folder = FileManager.default.temporaryDirectory.appendingPathComponent("adapters-\(UUID().uuidString)").path
    try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(atPath: folder) }
    #expect(FileManager.default.createFile(atPath: folder + "/legal.gguf", contents: Data([1])))
    try await withServer(models: models, configure: { $0.adapterFolder = allows ? folder : nil }) { server in
      try await body(server, folder)
    }
  }

  private func answer(_ server: TestServer, _ model: String) async throws -> WireResponse {
    try await server.post("/v1/completions", ["model": .string(model), "prompt": "x", "max_tokens": 4])
  }

  @Test("an adapter that is loaded answers under base:adapter and is listed, until it is unloaded")
  func life() async throws {
    try await withHosts { server, _ in
      let before = try await answer(server, "base:legal")
      let loaded = try await server.post("/v1/load_lora_adapter", ["lora_name": "legal", "lora_path": "legal.gguf"])
      #expect(loaded.status == 200 && loaded.body.contains("legal"), "\(loaded.body)")
      for name in ["base:legal", "legal"] {
        let text = try await answer(server, name).json["choices"]?[0]?["text"]?.stringValue
        #expect(text == "legal")
      }
      let value1 = try await answer(server, "base")
      #expect(value1.json["choices"]?[0]?["text"]?.stringValue == "none")
      let models = try await server.call("GET", "/v1/models").json["data"]?.arrayValue ?? []
      #expect(models.map { $0["id"]?.stringValue } == ["base", "base:legal"])
      #expect(models[1]["parent"]?.stringValue == "base")
      let again = try await server.post("/v1/load_lora_adapter", ["lora_name": "legal", "lora_path": "legal.gguf"])
      #expect(again.status == 409 && before.status == 200)
      let list = try await server.call("GET", "/v1/lora_adapters").json["data"]?.arrayValue
      #expect(list?.count == 1)
      let value2 = try await server.post("/v1/unload_lora_adapter", ["lora_name": "legal"])
      #expect(value2.status == 200)
      let value3 = try await server.post("/v1/unload_lora_adapter", ["lora_name": "legal"])
      #expect(value3.status == 404)
      let value4 = try await server.call("GET", "/v1/models")
      #expect(value4.json["data"]?.arrayValue?.count == 1)
    }
  }

  @Test("files outside the folder of adapters are not read, however the path is written")
  func paths() async throws {
    try await withHosts { server, folder in
      let link = folder + "/link.gguf"
      try FileManager.default.createSymbolicLink(atPath: link, withDestinationPath: "/etc/hostname")
      for path in ["/etc/hostname", "../legal.gguf", folder + "x/legal.gguf", "link.gguf", folder] {
        let response = try await server.post(
          "/v1/load_lora_adapter", ["lora_name": "x", "lora_path": .string(path)])
        #expect(response.status == 403, "\(path): \(response.body)")
      }
      let inside = try await server.post(
        "/v1/load_lora_adapter", ["lora_name": "x", "lora_path": .string(folder + "/legal.gguf")])
      #expect(inside.status == 200)
      let missing = try await server.post("/v1/load_lora_adapter", ["lora_name": "y", "lora_path": "no.gguf"])
      #expect(missing.status == 400)
    }
    try await withHosts(allows: false) { server, _ in
      let response = try await server.post(
        "/v1/load_lora_adapter", ["lora_name": "x", "lora_path": "legal.gguf"])
      #expect(response.status == 403 && response.body.contains("--adapter-folder"))
    }
  }

  @Test("with two models the request must say which one")
  func choice() async throws {
    try await withHosts(models: [HostModel(id: "one"), HostModel(id: "two")]) { server, _ in
      let body: JSONObject = ["lora_name": "legal", "lora_path": "legal.gguf"]
      let value5 = try await server.post("/v1/load_lora_adapter", .object(body))
      #expect(value5.status == 400)
      for model in ["one", "two"] {
        var named = body
        named["base_model_name"] = .string(model)
        let value6 = try await server.post("/v1/load_lora_adapter", .object(named))
        #expect(value6.status == 200)
      }
      let value7 = try await answer(server, "two:legal")
      #expect(value7.status == 200)
      // The adapter's name alone would be either one's.
      let value8 = try await answer(server, "legal")
      #expect(value8.status == 404)
    }
  }

  @Test("a model without adapters does not answer as if none had been asked for")
  func noHost() async throws {
    try await withHosts(models: [PacedModel(pieces: 1)]) { server, _ in
      let value9 = try await answer(server, "paced:legal")
      #expect(value9.status == 404)
    }
  }
}
