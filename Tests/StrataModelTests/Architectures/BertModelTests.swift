import Foundation
import StrataCore
import StrataModel
import Testing

@Suite("BertModel")
struct BertModelTests {
  static let folder = TestModels.path("minilm/model.safetensors") == nil ? nil : TestModels.path("minilm")

  static func model(_ precision: EncoderPrecision) throws -> BertModel {
    let folder = try #require(folder)
    let json = try JSON(parsing: Array(Data(contentsOf: URL(fileURLWithPath: folder + "/config.json"))))
    return try BertModel(
      safetensors: SafetensorsFile(path: folder + "/model.safetensors"), configuration: BertConfiguration(json: json),
      precision: precision, pool: ComputePool(threads: 2))
  }

  static func cosine(_ a: [Float], _ b: [Float]) -> Float {
    let dot = zip(a, b).reduce(0) { $0 + $1.0 * $1.1 }
    let lengths = a.reduce(0) { $0 + $1 * $1 } * b.reduce(0) { $0 + $1 * $1 }
    return a.count == b.count && lengths > 0 ? dot / lengths.squareRoot() : -1
  }

  @Test(
    "vectors equal those of sentence-transformers, whatever else is in the call",
    .enabled(if: folder != nil, "needs STRATA_TEST_MODELS with minilm"),
    arguments: [(EncoderPrecision.float32, Float(0.9999)), (.bfloat16, 0.9999), (.int8, 0.9985)])
  func golden(precision: EncoderPrecision, least: Float) throws {
    let model = try Self.model(precision)
    let cases = try TestModels.golden("minilm.json")
    #expect(cases.count == 20)
    let ids = cases.map { TestModels.ids($0["ids"]) }
    let together = try model.embed(tokenIDs: ids)
    for (index, entry) in cases.enumerated() {
      let expected = (entry["vector"]?.arrayValue ?? []).compactMap { $0.doubleValue.map { Float($0) } }
      #expect(Self.cosine(together[index], expected) > least)
      let alone = try model.embed(tokenIDs: [ids[index]])[0]
      #expect(Self.cosine(alone, together[index]) > 0.99999)
      #expect(abs(alone.reduce(0) { $0 + $1 * $1 } - 1) < 1e-4)
    }
  }

  @Test(
    "texts without tokens, too long, or with unknown tokens are refused",
    .enabled(if: folder != nil, "needs STRATA_TEST_MODELS with minilm"))
  func refusals() throws {
    let model = try Self.model(.float32)
    for ids: [Int32] in [[], [Int32](repeating: 101, count: 513), [30_522], [-1]] {
      #expect(throws: ModelError.self) { try model.embed(tokenIDs: [ids]) }
    }
    #expect(try model.embed(tokenIDs: []).isEmpty)
  }

  @Test("an encoder of another make is refused by name")
  func otherEncoder() {
    #expect {
      try BertConfiguration(json: ["model_type": "modernbert"])
    } throws: { error in
      (error as? ModelError)?.code == ModelError.unsupportedArchitecture
        && (error as? ModelError)?.message.contains("modernbert") == true
    }
  }
}
