import Foundation
import StrataCore
import StrataModel
import Testing

/// Logits that PyTorch and PEFT compute; Adapters/make_golden.py made the files.
@Suite("LoRA adapters, golden")
struct LoRAGoldenTests {
  static let folder = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
    .appendingPathComponent("Golden/adapters").path

  struct Golden {
    let tokens: [Int32]
    let logits: JSON

    init(_ architecture: String) throws {
      let data = try Data(contentsOf: URL(fileURLWithPath: "\(LoRAGoldenTests.folder)/\(architecture).json"))
      let json = try JSON(parsing: Array(data))
      tokens = TestModels.ids(json["tokens"])
      logits = json["logits"] ?? [:]
    }

    func rows(_ name: String) -> [[Float]] {
      (logits[name]?.arrayValue ?? []).map { ($0.arrayValue ?? []).compactMap { $0.doubleValue.map(Float.init) } }
    }
  }

  static func model(_ architecture: String) throws -> DecoderModel {
    try DecoderModel(path: "\(folder)/\(architecture).gguf", threads: 2)
  }

  static func logits(_ model: DecoderModel, _ tokens: [Int32], _ adapter: LoRAAdapter?) throws -> [[Float]] {
    let buffer = LogitsBuffer()
    let cache = try model.makeCache(capacity: 32)
    try model.forward(
      [BatchSlice(tokens: tokens[...], cache: cache, logits: .suffix(3), adapter: adapter)], into: buffer)
    return (0..<buffer.rowCount).map { row in buffer.withRow(row) { Array($0) } }
  }

  static func difference(_ a: [[Float]], _ b: [[Float]]) -> Float {
    guard a.count == b.count, !a.isEmpty else { return .infinity }
    return zip(a, b).map(DecoderModelTests.largestDifference).max() ?? .infinity
  }

  @Test("the base models alone give PyTorch's logits", arguments: ["llama", "qwen2"])
  func base(architecture: String) throws {
    let golden = try Golden(architecture)
    let actual = try Self.logits(Self.model(architecture), golden.tokens, nil)
    #expect(Self.difference(actual, golden.rows("")) < 0.02)
  }

  @Test(
    "PEFT folders give PyTorch's logits: ranks, rslora, patterns, permuted heads",
    arguments: ["llama", "qwen2"], ["r8", "rs16", "pattern"])
  func peft(architecture: String, name: String) throws {
    let golden = try Golden(architecture)
    let model = try Self.model(architecture)
    let adapter = try LoRAAdapter(
      path: "\(Self.folder)/\(architecture)-\(name)", for: model)
    let actual = try Self.logits(model, golden.tokens, adapter)
    #expect(Self.difference(actual, golden.rows(name)) < 0.02)
    // The adapters change logits by far more than that.
    #expect(Self.difference(golden.rows(""), golden.rows(name)) > 0.5)
  }

  @Test("GGUF adapters give the same", arguments: ["llama", "qwen2"], ["r8", "rs16"])
  func gguf(architecture: String, name: String) throws {
    let golden = try Golden(architecture)
    let model = try Self.model(architecture)
    let adapter = try LoRAAdapter(
      path: "\(Self.folder)/\(architecture)-\(name).gguf", for: model)
    let actual = try Self.logits(model, golden.tokens, adapter)
    #expect(Self.difference(actual, golden.rows(name)) < 0.02)
  }

  @Test("what is written is what was read, in both formats and from one to the other", arguments: ["llama", "qwen2"])
  func roundTrip(architecture: String) throws {
    let configuration = try Self.model(architecture).configuration
    for name in ["r8", "rs16", "pattern"] {
      let read = try LoRAWeights(path: "\(Self.folder)/\(architecture)-\(name)", configuration: configuration)
      let files = read.peftFiles(configuration: configuration)
      let again = try LoRAWeights(
        name: read.name, peft: SafetensorsFile(bytes: files.weights), settings: files.settings,
        configuration: configuration)
      let gguf = try LoRAWeights(gguf: GGUFFile(bytes: read.gguf(type: .f32)), configuration: configuration)
      #expect(again.pairs.count == read.pairs.count && gguf.pairs.count == read.pairs.count)
      for (pair, others) in zip(read.pairs, zip(again.pairs, gguf.pairs)) {
        #expect(others.0.a == pair.a && others.0.b == pair.b && abs(others.0.scale - pair.scale) < 1e-6)
        // One alpha serves a whole GGUF file: the product is what stays.
        let product = pair.b.map { $0 * pair.scale }
        #expect(others.1.a == pair.a)
        #expect(
          DecoderModelTests.largestDifference(others.1.b.map { $0 * others.1.scale }, product) < 1e-5)
      }
    }
  }

  @Test("a GGUF adapter equals the PEFT folder that it was made from", arguments: ["llama", "qwen2"])
  func bothFormats(architecture: String) throws {
    let configuration = try Self.model(architecture).configuration
    let peft = try LoRAWeights(path: "\(Self.folder)/\(architecture)-r8", configuration: configuration)
    let gguf = try LoRAWeights(path: "\(Self.folder)/\(architecture)-r8.gguf", configuration: configuration)
    #expect(peft.pairs == gguf.pairs)
    #expect(peft.pairs.count == 2 * LoRAModule.allCases.count && peft.ranks == [8])
  }
}
