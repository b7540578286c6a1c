// Owns comparing every decoder architecture with PyTorch on tiny random models (make_tiny_models.py wrote them).
import Foundation
import StrataCore
import StrataModel
import Testing

@Suite("Decoder architectures against PyTorch")
struct ArchitectureGoldenTests {
  struct Case: CustomTestStringConvertible {
    let name: String
    let tokens: [Int32]
    let logits: [[Float]]
    let shortLogits: [[Float]]

    var testDescription: String { name }
    var path: String { Self.folder.appendingPathComponent("tiny-\(name).gguf").path }

    static let folder = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
      .appendingPathComponent("Golden/architectures")

    static let all: [Case] = {
      guard let data = try? Data(contentsOf: folder.appendingPathComponent("tiny-models.json")),
        let json = try? JSON(parsing: Array(data))
      else { return [] }
      return (json["cases"]?.arrayValue ?? []).map { entry in
        Case(
          name: entry["name"]?.stringValue ?? "", tokens: TestModels.ids(entry["tokens"]),
          logits: floats(entry["logits"]), shortLogits: floats(entry["short_logits"]))
      }
    }()

    private static func floats(_ rows: JSON?) -> [[Float]] {
      (rows?.arrayValue ?? []).map { row in (row.arrayValue ?? []).map { Float($0.doubleValue ?? .nan) } }
    }

    func model(contextLength: Int? = nil) throws -> DecoderModel {
      try DecoderModel(gguf: GGUFFile(path: path), pool: ComputePool(threads: 2), contextLength: contextLength)
    }
  }

  /// Keys and values are halves, products with half-precision weights may round activations to halves or bfloats.
  private func expectClose(_ actual: [[Float]], _ expected: [[Float]], _ what: String) {
    #expect(actual.count == expected.count && !expected.isEmpty)
    let errors = zip(actual, expected).map { DecoderModelTests.largestDifference($0, $1) }
    let largest = errors.max() ?? .infinity
    #expect(largest < 0.05, "\(what): row \(errors.firstIndex(of: largest) ?? -1) differs by \(largest)")
  }

  @Test("every supported architecture has a golden model")
  func coverage() throws {
    let architectures = Set(
      try Case.all.map { try GGUFFile(path: $0.path).string("general.architecture") ?? "" })
    #expect(architectures == Set(DecoderConfiguration.supportedArchitectures))
  }

  @Test("logits of all positions equal PyTorch's", arguments: Case.all)
  func logits(golden: Case) throws {
    let model = try golden.model()
    expectClose(try DecoderModelTests.logits(model, golden.tokens), golden.logits, golden.name)
  }

  @Test("chunks, and tokens one by one, equal PyTorch's", arguments: Case.all, [1, 7])
  func chunks(golden: Case, length: Int) throws {
    let model = try golden.model()
    let cache = try model.makeCache(capacity: 64)
    var rows: [[Float]] = []
    for start in stride(from: 0, to: golden.tokens.count, by: length) {
      let chunk = Array(golden.tokens[start..<min(start + length, golden.tokens.count)])
      rows += try DecoderModelTests.logits(model, chunk, cache: cache)
    }
    expectClose(rows, golden.logits, golden.name)
  }

  @Test("LongRoPE takes the short factors when the context is short")
  func shortContext() throws {
    let golden = try #require(Case.all.first { !$0.shortLogits.isEmpty })
    let model = try golden.model(contextLength: 32)
    #expect(model.configuration.contextLength == 32)
    let tokens = Array(golden.tokens.prefix(golden.shortLogits.count))
    let buffer = LogitsBuffer()
    let cache = try model.makeCache(capacity: 32)
    try model.forward([BatchSlice(tokens: tokens[...], cache: cache, logits: .all)], into: buffer)
    expectClose((0..<buffer.rowCount).map { row in buffer.withRow(row) { Array($0) } }, golden.shortLogits, "short")
  }

  @Test("300 mutations of each file load and run, or say why not", arguments: Case.all)
  func fuzz(golden: Case) throws {
    var mutator = Mutator(seed: 11)
    let original = Array(try Data(contentsOf: URL(fileURLWithPath: golden.path)))
    let pool = try ComputePool(threads: 1)
    for _ in 0..<300 {
      guard let file = try? GGUFFile(bytes: mutator.mutate(original)),
        let model = try? DecoderModel(gguf: file, pool: pool, contextLength: 64)
      else { continue }
      _ = try? DecoderModelTests.logits(model, [10, 11, 12])
    }
  }
}
