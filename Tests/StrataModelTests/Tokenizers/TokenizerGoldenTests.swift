import Foundation
import StrataCore
import StrataModel
import Testing

@Suite("Tokenizers against Hugging Face and llama.cpp")
struct TokenizerGoldenTests {
  @Test(
    "odd texts and lines of data sets give the ids that the oracle gives",
    arguments: [
      "smollm2-135m.gguf", "qwen2.5-coder-0.5b.gguf", "minilm", "ggml-vocab-gpt-2.gguf", "ggml-vocab-llama-spm.gguf",
      "llama-bpe",
    ])
  func agreement(name: String) throws {
    guard let tokenizer = try Self.tokenizer(name) else {
      print("skipped \(name): set STRATA_TEST_MODELS and STRATA_DATA")
      return
    }
    let golden = try PublicData.json(PublicData.golden + "/tokenizers.json")
    let expected = try #require(golden["expected"]?[name])
    let isEncoder = name == "minilm"
    // llama.cpp makes a control token of this vocabulary's ordinary "</s>".
    let parseSpecial = name != "llama-bpe"
    let texts = try #require(golden["texts"]?.arrayValue).compactMap(\.stringValue)
    for (text, ids) in zip(texts, try #require(expected["texts"]?.arrayValue)) {
      let actual = tokenizer.encode(text, addSpecial: isEncoder, parseSpecial: parseSpecial)
      #expect(Self.line(actual) == ids.stringValue, "\(name): \(text.debugDescription)")
    }
    for source in ["wikitext", "scifact"] where PublicData.exists(PublicData.folder) {
      let lines = try Self.lines(of: source)
      let numbers = try #require(golden["lines"]?[source]?.arrayValue).compactMap { Int($0.stringValue ?? "") }
      for (number, hash) in zip(numbers, try #require(expected[source]?.arrayValue)) {
        let actual = tokenizer.encode(lines[number], addSpecial: isEncoder, parseSpecial: parseSpecial)
        #expect(Fingerprint.fnv1a(Self.line(actual)) == hash.stringValue, "\(name), \(source) line \(number)")
      }
    }
  }

  @Test(
    "decoding gives the text back",
    arguments: ["smollm2-135m.gguf", "qwen2.5-coder-0.5b.gguf", "ggml-vocab-gpt-2.gguf", "ggml-vocab-llama-spm.gguf"])
  func roundTrip(name: String) throws {
    guard let tokenizer = try Self.tokenizer(name) else { return }
    let golden = try PublicData.json(PublicData.golden + "/tokenizers.json")
    for text in try #require(golden["texts"]?.arrayValue).compactMap(\.stringValue) {
      var expected = text
      // Qwen's tokenizer composes characters, SentencePiece cannot tell its own space mark from a space.
      if name.hasPrefix("qwen") { expected = text.precomposedStringWithCanonicalMapping }
      if name.contains("spm") { expected = text.replacing("▁", with: " ") }
      let ids = tokenizer.encode(text, addSpecial: false, parseSpecial: false)
      // SmolLM2's vocabulary lacks some bytes; what it cannot say is lost in Hugging Face's too.
      if name.hasPrefix("smollm"), !Self.canSay(text, tokenizer) { continue }
      #expect(Array(tokenizer.decode(ids).utf8) == Array(expected.utf8), "\(name): \(text.debugDescription)")
    }
  }

  @Test("control tokens are parsed only on request")
  func special() throws {
    guard let tokenizer = try Self.tokenizer("smollm2-135m.gguf") else { return }
    let text = "<|im_start|>user\nHi<|im_end|>"
    let parsed = tokenizer.encode(text, addSpecial: false, parseSpecial: true)
    #expect(parsed.first == 1 && parsed.last == 2)
    let plain = tokenizer.encode(text, addSpecial: false, parseSpecial: false)
    #expect(!plain.contains { tokenizer.isSpecial($0) })
    #expect(tokenizer.decode(plain) == text)
    #expect(tokenizer.decode(parsed) == text)
    #expect(tokenizer.decode(parsed, skipSpecial: true) == "user\nHi")
    #expect(tokenizer.endOfGenerationIDs.contains(2))
    #expect(tokenizer.bytes(of: -1).isEmpty && tokenizer.bytes(of: .max).isEmpty && tokenizer.isSpecial(-1))
  }

  @Test(
    "a megabyte without any space takes no more than a few seconds",
    arguments: ["smollm2-135m.gguf", "ggml-vocab-llama-spm.gguf", "minilm"])
  func adversarial(name: String) throws {
    guard let tokenizer = try Self.tokenizer(name) else { return }
    for pattern in ["a", "ab", "aaaab", "日", "<", "<|im_start|", " ", "\n"] {
      let text = String(repeating: pattern, count: 1_000_000 / pattern.utf8.count)
      let clock = ContinuousClock()
      let time = clock.measure { _ = tokenizer.encode(text, addSpecial: false, parseSpecial: true) }
      #expect(time < .seconds(10), "\(name) took \(time) for \(pattern.debugDescription)")
    }
  }

  @Test("metadata that contradicts itself is refused")
  func badMetadata() throws {
    func load(_ change: (inout GGUFWriter) -> Void) throws -> any Tokenizer {
      var writer = GGUFWriter()
      change(&writer)
      return try GGUFFile(bytes: writer.encoded()).makeTokenizer()
    }
    #expect(throws: ModelError.self) { try load { _ in } }
    #expect(throws: ModelError.self) { try load { $0.set("tokenizer.ggml.model", .string("t5")) } }
    for (key, value) in [
      ("tokenizer.ggml.scores", GGUFWriter.Value.float32s([1])), ("tokenizer.ggml.token_type", .int32s([1])),
      ("tokenizer.ggml.bos_token_id", .uint32(9)), ("tokenizer.ggml.tokens", .strings([])),
    ] {
      let error = #expect(throws: ModelError.self) {
        try load { writer in
          writer.set("tokenizer.ggml.model", .string("llama"))
          if key != "tokenizer.ggml.tokens" { writer.set("tokenizer.ggml.tokens", .strings(["a", "b"])) }
          if key != "tokenizer.ggml.scores" { writer.set("tokenizer.ggml.scores", .float32s([0, 0])) }
          writer.set(key, value)
        }
      }
      #expect(error?.location == key)
    }
  }

  @Test(
    "throughput",
    .enabled(if: ProcessInfo.processInfo.environment["STRATA_BENCH"] != nil, "set STRATA_BENCH to measure"),
    arguments: ["smollm2-135m.gguf", "qwen2.5-coder-0.5b.gguf", "minilm", "ggml-vocab-llama-spm.gguf"])
  func throughput(name: String) throws {
    let clock = ContinuousClock()
    var loaded: (any Tokenizer)?
    let loading = try clock.measure { loaded = try Self.tokenizer(name) }
    let tokenizer = try #require(loaded)
    let text = String(decoding: try PublicData.bytes(PublicData.folder + "/models/wikitext-2/valid.txt"), as: UTF8.self)
    let lines = text.split(separator: "\n", omittingEmptySubsequences: false).map(String.init)
    func best(_ body: () -> Void) -> Double {
      let times = (0..<5).map { _ in clock.measure(body) }
      return Double(text.utf8.count) / ((times.min() ?? .seconds(1)) / .seconds(1)) / 1e6
    }
    let cold = clock.measure { _ = tokenizer.encode(text, addSpecial: false, parseSpecial: true) } / .seconds(1)
    let whole = best { _ = tokenizer.encode(text, addSpecial: false, parseSpecial: true) }
    let byLine = best { for line in lines { _ = tokenizer.encode(line, addSpecial: false, parseSpecial: true) } }
    let first = Double(text.utf8.count) / cold / 1e6
    print("\(name): load \(loading), first pass \(first) MB/s, whole file \(whole) MB/s, by line \(byLine) MB/s")
  }

  // MARK: Material

  private static let vocabularies = PublicData.folder + "/models/tokenizers"
  private static let models = ProcessInfo.processInfo.environment["STRATA_TEST_MODELS"]

  private static func tokenizer(_ name: String) throws -> (any Tokenizer)? {
    switch name {
    case "llama-bpe":
      let path = vocabularies + "/ggml-vocab-qwen2.gguf"
      return PublicData.exists(path) ? try llamaTokenizer(GGUFFile(path: path)) : nil
    case "minilm":
      guard let models, PublicData.exists(models + "/minilm/vocab.txt") else { return nil }
      return try Tokenizers.wordPiece(vocabularyPath: models + "/minilm/vocab.txt")
    default:
      let path = name.hasPrefix("ggml") ? "\(vocabularies)/\(name)" : "\(models ?? "")/\(name)"
      return PublicData.exists(path) ? try GGUFFile(path: path).makeTokenizer() : nil
    }
  }

  /// The vocabulary of `file` behind Llama 3's pre-tokenizer.
  private static func llamaTokenizer(_ file: GGUFFile) throws -> any Tokenizer {
    var writer = GGUFWriter()
    writer.set("tokenizer.ggml.model", .string("gpt2"))
    writer.set("tokenizer.ggml.pre", .string("llama-bpe"))
    for key in ["tokens", "merges"] {
      writer.set("tokenizer.ggml." + key, .strings(try #require(file.strings("tokenizer.ggml." + key))))
    }
    let types = try #require(file.integers("tokenizer.ggml.token_type"))
    writer.set("tokenizer.ggml.token_type", .int32s(types.map { Int32(clamping: $0) }))
    return try GGUFFile(bytes: writer.encoded()).makeTokenizer()
  }

  private static func lines(of source: String) throws -> [String] {
    if source == "wikitext" {
      let text = String(
        decoding: try PublicData.bytes(PublicData.folder + "/models/wikitext-2/valid.txt"), as: UTF8.self)
      return text.split(separator: "\n", omittingEmptySubsequences: false).map(String.init)
    }
    let bytes = try PublicData.bytes(PublicData.folder + "/retrieval/scifact/corpus.jsonl")
    return try bytes.split(separator: 0x0A).map { line in
      let text = try JSON(parsing: Array(line))["text"]
      return text?.stringValue ?? text?.arrayValue?.compactMap(\.stringValue).joined(separator: " ") ?? ""
    }
  }

  private static func canSay(_ text: String, _ tokenizer: any Tokenizer) -> Bool {
    text.utf8.allSatisfy { byte in
      byte >= 0x80
        ? true : !tokenizer.encode(String(Unicode.Scalar(byte)), addSpecial: false, parseSpecial: false).isEmpty
    }
  }

  private static func line(_ ids: [Int32]) -> String { ids.map(String.init).joined(separator: " ") }
}
