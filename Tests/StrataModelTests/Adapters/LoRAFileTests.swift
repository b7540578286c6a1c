import Foundation
import StrataCore
import StrataModel
import Testing

@Suite("LoRA adapter files")
struct LoRAFileTests {
  static let configuration = try? LoRAGoldenTests.model("llama").configuration

  static func bytes(_ name: String) throws -> [UInt8] {
    try Array(Data(contentsOf: URL(fileURLWithPath: "\(LoRAGoldenTests.folder)/\(name)")))
  }

  static func settings(_ changes: JSONObject = [:]) throws -> JSON {
    var settings = try JSON(parsing: bytes("llama-r8/adapter_config.json")).objectValue ?? [:]
    for (key, value) in changes { settings[key] = value }
    return .object(settings)
  }

  static func code(_ body: () throws -> Void) -> ErrorCode? {
    do {
      try body()
      return nil
    } catch {
      return (error as? ModelError)?.code
    }
  }

  static let foreignSettings: [(String, JSON)] = [
    ("use_dora", true), ("bias", "all"), ("lora_bias", true), ("modules_to_save", ["lm_head"]), ("peft_type", "IA3"),
    ("init_lora_weights", "pissa_niter_4"), ("fan_in_fan_out", true), ("alpha_pattern", ["^model.*q_proj": 3]),
    ("alora_invocation_tokens", [1, 2]), ("target_parameters", ["x"]),
  ]

  @Test("what the engine cannot apply is refused by name", arguments: foreignSettings)
  func unsupportedSettings(key: String, value: JSON) throws {
    let configuration = try #require(Self.configuration)
    let file = try SafetensorsFile(bytes: Self.bytes("llama-r8/adapter_model.safetensors"))
    let error = #expect(throws: ModelError.self) {
      _ = try LoRAWeights(
        name: "", peft: file, settings: Self.settings([key: value]), configuration: configuration)
    }
    #expect(error?.code == ModelError.adapterUnsupported && error?.remedy != nil)
  }

  @Test(
    "tensors that are no projection's are refused by name",
    arguments: [
      ("base_model.model.lm_head.lora_A.weight", "output layer"),
      ("base_model.model.model.embed_tokens.lora_embedding_A", "embeddings"),
      ("base_model.model.model.layers.0.self_attn.q_proj.lora_magnitude_vector", "DoRA"),
      ("base_model.model.model.layers.0.self_attn.q_proj.bias", "biases"),
      ("base_model.model.model.layers.0.mlp.experts.3.up_proj.lora_A.weight", "experts"),
      ("base_model.model.vision.layers.0.self_attn.q_proj.lora_A.weight", "no LoRA matrix"),
    ])
  func unsupportedTensors(name: String, words: String) throws {
    let configuration = try #require(Self.configuration)
    var writer = SafetensorsWriter()
    writer.add(name, shape: [2, 2], floats: [0, 0, 0, 0])
    let error = #expect(throws: ModelError.self) {
      _ = try LoRAWeights(
        name: "", peft: SafetensorsFile(bytes: writer.encoded()), settings: Self.settings(),
        configuration: configuration)
    }
    #expect(error?.code == ModelError.adapterUnsupported)
    #expect(error?.message.contains(words) == true, "\(error?.message ?? "")")
  }

  @Test("an adapter for another model is refused, whichever way it differs")
  func mismatch() throws {
    let other = try TinyDecoder().model().configuration
    let qwen = try LoRAGoldenTests.model("qwen2").configuration
    let folder = LoRAGoldenTests.folder
    #expect(
      Self.code { _ = try LoRAWeights(path: folder + "/llama-r8", configuration: other) }
        == ModelError.adapterMismatch)
    #expect(
      Self.code { _ = try LoRAWeights(path: folder + "/llama-r8.gguf", configuration: qwen) }
        == ModelError.adapterMismatch)
    #expect(
      Self.code { _ = try LoRAWeights(path: folder + "/llama.gguf", configuration: qwen) } == ModelError.adapterInvalid)
    #expect(
      Self.code { _ = try LoRAWeights(path: folder, configuration: qwen) } == ModelError.fileUnreadable)
  }

  @Test("values that are not finite, and halves of pairs, are refused")
  func invalid() throws {
    let configuration = try #require(Self.configuration)
    var pair = try LoRAWeights(
      path: LoRAGoldenTests.folder + "/llama-r8.gguf", configuration: configuration
    ).pairs[0]
    #expect(
      Self.code { _ = try LoRAWeights(name: "", pairs: [pair, pair], configuration: configuration) }
        == ModelError.adapterInvalid)
    pair.b[3] = .infinity
    #expect(
      Self.code { _ = try LoRAWeights(name: "", pairs: [pair], configuration: configuration) }
        == ModelError.adapterInvalid)
    var writer = SafetensorsWriter()
    writer.add(
      "base_model.model.model.layers.0.self_attn.q_proj.lora_A.weight", shape: [2, 32],
      floats: .init(repeating: 1, count: 64))
    #expect(
      Self.code {
        _ = try LoRAWeights(
          name: "", peft: SafetensorsFile(bytes: writer.encoded()), settings: Self.settings(),
          configuration: configuration)
      } == ModelError.adapterInvalid)
  }

  @Test("damaged files throw or load, and never trap")
  func damage() throws {
    let configuration = try #require(Self.configuration)
    let gguf = try Self.bytes("llama-r8.gguf")
    let tensors = try Self.bytes("llama-pattern/adapter_model.safetensors")
    let settings = try Self.bytes("llama-pattern/adapter_config.json")
    var mutator = Mutator(seed: 77)
    for _ in 0..<400 {
      // Damage to the header matters most; behind it are only values.
      let header = mutator.mutate(Array(gguf.prefix(2500))) + gguf.dropFirst(2500)
      _ = Self.code { _ = try LoRAWeights(gguf: GGUFFile(bytes: header), configuration: configuration) }
      let other = mutator.mutate(Array(tensors.prefix(1500))) + tensors.dropFirst(1500)
      let changed = mutator.mutate(settings)
      _ = Self.code {
        _ = try LoRAWeights(
          name: "", peft: SafetensorsFile(bytes: other), settings: JSON(parsing: settings),
          configuration: configuration)
      }
      _ = Self.code {
        _ = try LoRAWeights(
          name: "", peft: SafetensorsFile(bytes: tensors), settings: JSON(parsing: changed),
          configuration: configuration)
      }
    }
  }

  @Test("folders and files are written whole and read again")
  func files() throws {
    let configuration = try #require(Self.configuration)
    let folder = FileManager.default.temporaryDirectory.appendingPathComponent("lora-\(UUID().uuidString)").path
    defer { try? FileManager.default.removeItem(atPath: folder) }
    let weights = try LoRAWeights(path: LoRAGoldenTests.folder + "/llama-r8", configuration: configuration)
    try weights.write(peftFolder: folder, configuration: configuration, baseModel: "tiny")
    try weights.write(ggufPath: folder + "/adapter.gguf", type: .f32)
    #expect(try LoRAWeights(path: folder, configuration: configuration).pairs == weights.pairs)
    #expect(
      try LoRAWeights(path: folder + "/adapter_model.safetensors", configuration: configuration).pairs
        == weights.pairs)
    #expect(try LoRAWeights(path: folder + "/adapter.gguf", configuration: configuration).pairs == weights.pairs)
    #expect(
      Self.code { try weights.write(ggufPath: folder + "/no/such/folder.gguf") } == ModelError.fileUnwritable)
  }
}
