// Owns comparing encoders and cross-encoders with transformers on tiny random models (make_tiny_encoders.py).
import Foundation
import StrataCore
import StrataModel
import Testing

@Suite("Encoders and cross-encoders against transformers")
struct CrossEncoderTests {
  static let folder = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
    .appendingPathComponent("Golden/encoders").path

  static func golden() throws -> JSON {
    try JSON(parsing: Array(Data(contentsOf: URL(fileURLWithPath: folder + "/encoders.json"))))
  }

  private static func floats(_ values: JSON?) -> [Float] {
    (values?.arrayValue ?? []).map { Float($0.doubleValue ?? .nan) }
  }

  @Test("scores equal BertForSequenceClassification's, whatever else is in the call, and long pairs are cut alike")
  func scores() async throws {
    let encoder = try CrossEncoder(folder: Self.folder + "/cross-encoder", id: "tiny", pool: ComputePool(threads: 2))
    #expect(encoder.id.hasPrefix("tiny@") && encoder.maxTokens == 64)
    for entry in try #require(Self.golden()["pairs"]?.arrayValue) {
      let query = entry["query"]?.stringValue ?? ""
      let documents = (entry["documents"]?.arrayValue ?? []).compactMap(\.stringValue)
      let scores = try await encoder.rerank(query: query, documents: documents)
      let expected = Self.floats(entry["scores"])
      #expect(scores.count == expected.count)
      for (score, other) in zip(scores, expected) { #expect(abs(score - other) < 1e-3) }
      let alone = try await encoder.rerank(query: query, documents: [documents[0]])
      #expect(abs(alone[0] - scores[0]) < 1e-4)
    }
    #expect(try await encoder.rerank(query: "who", documents: []).isEmpty)
    #expect(encoder.countTokens("the cat") == 2)
  }

  @Test("8-bit weights give nearly the same scores")
  func int8() async throws {
    let encoder = try CrossEncoder(
      folder: Self.folder + "/cross-encoder", id: "tiny", pool: ComputePool(threads: 2), precision: .int8)
    let entry = try #require(Self.golden()["pairs"]?[0])
    let documents = (entry["documents"]?.arrayValue ?? []).compactMap(\.stringValue)
    let scores = try await encoder.rerank(query: entry["query"]?.stringValue ?? "", documents: documents)
    for (score, other) in zip(scores, Self.floats(entry["scores"])) { #expect(abs(score - other) < 0.05) }
  }

  @Test("a safetensors encoder pools by mean, the same in GGUF by first token, as the files say")
  func pooling() throws {
    let pool = try ComputePool(threads: 2)
    let json = try JSON(
      parsing: Array(Data(contentsOf: URL(fileURLWithPath: Self.folder + "/encoder/config.json"))))
    let safetensors = try BertModel(
      safetensors: SafetensorsFile(path: Self.folder + "/encoder/model.safetensors"),
      configuration: BertConfiguration(json: json), precision: .float32, pool: pool)
    let gguf = try BertModel(
      gguf: GGUFFile(path: Self.folder + "/encoder.gguf"), precision: .float32, pool: pool)
    #expect(gguf.configuration.pooling == .firstToken)
    let texts = try #require(Self.golden()["texts"]?.arrayValue)
    let ids = texts.map { TestModels.ids($0["ids"]) }
    for (model, key) in [(safetensors, "mean"), (gguf, "first")] {
      for (vector, entry) in zip(try model.embed(tokenIDs: ids), texts) {
        #expect(DecoderModelTests.largestDifference(vector, Self.floats(entry[key])) < 1e-3, "\(key)")
      }
      #expect(throws: ModelError.self) { try model.scores(pairs: [(ids[0], 3)]) }
    }
    let tokenizer = try GGUFFile(path: Self.folder + "/encoder.gguf").makeTokenizer()
    #expect(tokenizer.encode("The cat sat on a mat.") == Array(ids[0].dropFirst().dropLast()))
  }

  @Test("an encoder without a head is no cross-encoder")
  func headless() throws {
    #expect {
      try CrossEncoder(folder: Self.folder + "/encoder", id: "x", pool: ComputePool(threads: 1))
    } throws: { error in
      (error as? ModelError)?.code == ModelError.unsupportedArchitecture
    }
  }

  @Test("500 mutations of an encoder's file load and run, or say why not")
  func fuzz() throws {
    var mutator = Mutator(seed: 4)
    let original = Array(try Data(contentsOf: URL(fileURLWithPath: Self.folder + "/encoder.gguf")))
    let pool = try ComputePool(threads: 1)
    for _ in 0..<500 {
      guard let file = try? GGUFFile(bytes: mutator.mutate(original)),
        let model = try? BertModel(gguf: file, pool: pool)
      else { continue }
      _ = try? model.embed(tokenIDs: [[2, 5, 6, 3]])
    }
  }
}
