// Importance matrices: their files, what they change, and measuring one on a real model.
import Foundation
import StrataCore
import StrataModel
import StrataTraining
import Testing

@Suite("Importance matrix")
struct ImportanceMatrixTests {
  private static let name = "blk.4.ffn_gate.weight"

  private static func matrix(columns: Int) -> ImportanceMatrix {
    let sums = (0..<columns).map { Float($0 % 16 == 0 ? 900 : 3) }
    return ImportanceMatrix(
      name: "m.gguf", entries: [name: .init(squareSums: sums, counts: [3])], datasets: ["text.txt"], chunkCount: 7,
      chunkSize: 128)
  }

  @Test("a written matrix reads back")
  func roundTrip() throws {
    let folder = try TemporaryFolder()
    let matrix = Self.matrix(columns: 512)
    try matrix.write(to: folder.file("m.gguf"))
    let back = try ImportanceMatrix(path: folder.file("m.gguf"))
    #expect(back.entries == matrix.entries)
    #expect(back.datasets == ["text.txt"])
    #expect(back.chunkCount == 7)
    #expect(back.chunkSize == 128)
    #expect(back.name == "m.gguf")
    let file = try GGUFFile(path: folder.file("m.gguf"))
    #expect(file.string("general.type") == "imatrix")
    #expect(file.tensor(Self.name + ".in_sum2")?.shape == [512, 1])
  }

  @Test("another GGUF file, a negative sum and a missing count are refused")
  func invalid() throws {
    let folder = try TemporaryFolder()
    let path = folder.file("m.gguf")
    func refuses(_ fill: (inout GGUFWriter) -> Void) throws {
      var writer = GGUFWriter()
      fill(&writer)
      try Data(writer.encoded()).write(to: URL(fileURLWithPath: path))
      let error = #expect(throws: TrainingError.self) { try ImportanceMatrix(path: path) }
      #expect(error?.code == TrainingError.importanceInvalid)
    }
    try refuses { $0.add("token_embd.weight", shape: [2], floats: [1, 2]) }
    try refuses { $0.add("a.in_sum2", shape: [2], floats: [1, 2]) }
    try refuses {
      $0.add("a.in_sum2", shape: [2], floats: [1, -2])
      $0.add("a.counts", shape: [1], floats: [1])
    }
    try refuses {
      $0.add("a.in_sum2", shape: [3], floats: [1, 2, 3])
      $0.add("a.counts", shape: [2], floats: [1, 1])
    }
  }

  @Test("columns that matter more lose less")
  func weighted() throws {
    let folder = try TemporaryFolder()
    let values = Golden.values(512 * 32, seed: 3)
    let source = try GGUFFile(bytes: TinyFile.gguf(values, columns: 512))
    let pool = try ComputePool(threads: 2)
    func error(_ type: QuantizationType, _ importance: ImportanceMatrix?) throws -> Double {
      let path = folder.file("q.gguf")
      try ModelQuantizer(source: source, type: type, importance: importance, pool: pool).write(to: path)
      let back = folder.file("f.gguf")
      try ModelQuantizer(source: GGUFFile(path: path), type: .f32, pool: pool).write(to: back)
      let decoded = TinyFile.floats(try GGUFFile(path: back), Self.name)
      return zip(decoded, values).enumerated().reduce(0) { sum, pair in
        let difference = Double(pair.element.0 - pair.element.1)
        return sum + difference * difference * (pair.offset % 16 == 0 ? 300 : 1)
      }
    }
    for type in [QuantizationType.q4_0, .q4_1, .q5_0, .q5_1, .q4_K_S, .q5_K_S, .q6_K] {
      let plain = try error(type, nil)
      let weighted = try error(type, Self.matrix(columns: 512))
      #expect(weighted < 0.95 * plain, "\(type.rawValue): \(weighted) against \(plain)")
    }
  }

  @Test("only ratios between columns matter, however large the sums", arguments: [Float(1e-20), 1, 1e34])
  func scaled(_ factor: Float) throws {
    let folder = try TemporaryFolder()
    let source = try GGUFFile(bytes: TinyFile.gguf(Golden.values(512 * 4), columns: 512))
    func bytes(_ scale: Float) throws -> Data {
      var matrix = Self.matrix(columns: 512)
      matrix.entries[Self.name]?.squareSums =
        Self.matrix(columns: 512).entries[Self.name]?.squareSums.map { $0 * scale } ?? []
      let path = folder.file("q.gguf")
      try ModelQuantizer(source: source, type: .q4_0, importance: matrix, pool: ComputePool(threads: 1)).write(to: path)
      return try Data(contentsOf: URL(fileURLWithPath: path))
    }
    let (plain, scaled) = try (bytes(1), bytes(factor))
    // Rounding of the sums may move a weight that lies between two codes.
    #expect(zip(plain, scaled).count { $0 != $1 } <= 4)
    #expect(plain.count == scaled.count)
  }

  @Test("a matrix of another model is refused, a tensor without an entry is not weighted")
  func mismatch() throws {
    let source = try GGUFFile(bytes: TinyFile.gguf(Golden.values(1024), columns: 512))
    let pool = try ComputePool(threads: 1)
    let error = #expect(throws: TrainingError.self) {
      try ModelQuantizer(source: source, type: .q4_0, importance: Self.matrix(columns: 256), pool: pool)
    }
    #expect(error?.code == TrainingError.importanceMismatch)
    let other = ImportanceMatrix(name: "m", entries: ["b": .init(squareSums: [1], counts: [1])], datasets: [])
    #expect(try ModelQuantizer(source: source, type: .q4_0, importance: other, pool: pool).unweightedCount == 1)
  }

  @Test(
    "measuring SmolLM2 gives every linear layer an entry that quantizing takes",
    .enabled(if: ProcessInfo.processInfo.environment["STRATA_TEST_MODELS"] != nil, "STRATA_TEST_MODELS is not set"))
  func measured() throws {
    let folder = ProcessInfo.processInfo.environment["STRATA_TEST_MODELS"] ?? ""
    let source = try GGUFFile(path: folder + "/smollm2-135m.gguf")
    let pool = try ComputePool(threads: 2)
    let tokens = try source.makeTokenizer().encode(
      String(repeating: "The quick brown fox jumps over the lazy dog. ", count: 20), addSpecial: true,
      parseSpecial: false)
    let matrix = try ImportanceMatrix.measure(
      source, tokens: tokens, dataset: "fox", contextLength: 64, pool: pool)
    #expect(matrix.entries.count == 30 * 7)
    #expect(matrix.chunkCount == tokens.count / 64)
    #expect(matrix.entries["blk.29.ffn_down.weight"]?.counts == [Float(tokens.count / 64 * 64)])
    #expect(matrix.entries["blk.0.attn_q.weight"] == matrix.entries["blk.0.attn_k.weight"])
    let quantizer = try ModelQuantizer(source: source, type: .q4_K_M, importance: matrix, pool: pool)
    #expect(quantizer.unweightedCount == 0)
  }
}
