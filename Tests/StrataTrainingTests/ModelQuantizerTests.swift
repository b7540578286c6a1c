// Quantizing files: errors against llama-quantize's (Golden/errors.json), hostile weights, and what reaches the disk.
import CStrataKernels
import Foundation
import StrataCore
import StrataModel
import StrataTraining
import Testing

@Suite("Model quantizer")
struct ModelQuantizerTests {
  private static func quantize(
    _ bytes: [UInt8], _ type: QuantizationType, to path: String, importance: ImportanceMatrix? = nil
  ) throws -> ModelQuantizer.Report {
    try ModelQuantizer(
      source: GGUFFile(bytes: bytes), type: type, importance: importance, pool: ComputePool(threads: 2)
    ).write(to: path)
  }

  @Test("errors are below llama-quantize's, for every type")
  func errors() throws {
    let golden = try Golden.json("errors.json")
    let columns = try #require(golden["columns"]?.intValue)
    let rows = try #require(golden["rows"]?.intValue)
    let values = Golden.values(columns * rows)
    #expect(abs(values.reduce(0) { $0 + Double($1) } - (golden["sum"]?.doubleValue ?? 0)) < 1e-3)
    let file = try GGUFFile(bytes: TinyFile.gguf(values, columns: columns))
    let tensor = try #require(file.tensors.first)
    let pool = try ComputePool(threads: 2)
    for (name, theirs) in try #require(golden["rms"]?.objectValue) {
      let type = try #require(TensorType.allCases.first { $0.name == name })
      var target = [UInt8](repeating: 0, count: try #require(type.byteCount(elementCount: values.count)))
      let sum = try target.withUnsafeMutableBytes {
        try tensor.type.convert(
          file.bytes(of: tensor), to: type, rows: rows, columns: columns, importance: nil, pool: pool, into: $0)
      }
      let rms = (sum / Double(values.count)).squareRoot()
      var decoded = [Float](repeating: 0, count: values.count)
      strata_dequantize(strata_type(type.rawValue), target, &decoded, values.count)
      let check = zip(decoded, values).reduce(0.0) { $0 + Double(($1.0 - $1.1) * ($1.0 - $1.1)) }
      #expect(abs(check - sum) <= 1e-4 * sum)
      let limit = try #require(theirs.doubleValue)
      #expect(rms <= limit, "\(name): \(rms), llama-quantize \(limit)")
    }
  }

  @Test("every family of instructions finds scales of the same quality")
  func families() throws {
    let before = strata_isa_current()
    defer { _ = strata_isa_use(before) }
    let values = Golden.values(64 * 512, seed: 5)
    for type in [TensorType.q4_0, .q4_1, .q5_0, .q5_1, .q8_0, .q4_K, .q5_K, .q6_K] {
      var sums: [Double] = []
      for isa in [STRATA_ISA_PORTABLE, STRATA_ISA_AVX2, STRATA_ISA_AVX512] where strata_isa_use(isa) {
        var target = [UInt8](repeating: 0, count: type.byteCount(elementCount: values.count) ?? 0)
        var errors = [Double](repeating: 0, count: 64)
        let result = strata_convert(
          nil, STRATA_TYPE_F32, values, strata_type(type.rawValue), &target, 64, 512, nil, &errors)
        #expect(result.status == STRATA_CONVERSION_DONE)
        sums.append(errors.reduce(0, +))
      }
      for sum in sums { #expect(abs(sum - sums[0]) < 0.01 * sums[0], "\(type.name): \(sums)") }
    }
  }

  @Test("a quantized file keeps metadata and vectors and reads back close to its source")
  func roundTrip() throws {
    let folder = try TemporaryFolder()
    let values = Golden.values(512 * 8)
    let path = folder.file("q8.gguf")
    let report = try Self.quantize(TinyFile.gguf(values, columns: 512), .q8_0, to: path)
    let file = try GGUFFile(path: path)
    #expect(file.storage.bytes.count == report.byteCount)
    #expect(file.string("general.name") == "tiny")
    #expect(file.strings("tokenizer.ggml.tokens") == ["a", "ß", "c"])
    #expect(file.floats("tokenizer.ggml.scores") == [0, -1, 2.5])
    #expect(file.integer("general.file_type") == 7)
    #expect(file.integer("general.quantization_version") == 2)
    #expect(TinyFile.floats(file, "blk.4.attn_norm.weight") == [1, 2, 3])
    #expect(folder.contents == ["q8.gguf"])
    // Back to floats, over the same name.
    try ModelQuantizer(source: file, type: .f32, pool: ComputePool(threads: 1)).write(to: path)
    let back = TinyFile.floats(try GGUFFile(path: path), "blk.4.ffn_gate.weight")
    for (a, b) in zip(values, back) { #expect(abs(a - b) < 0.004) }
    #expect(back.count == values.count)
  }

  @Test("tensors that have the type already are copied to the byte, others count as quantized twice")
  func requantize() throws {
    let folder = try TemporaryFolder()
    _ = try Self.quantize(TinyFile.gguf(Golden.values(512 * 4), columns: 512), .q6_K, to: folder.file("a"))
    let first = try GGUFFile(path: folder.file("a"))
    let pool = try ComputePool(threads: 1)
    let same = try ModelQuantizer(source: first, type: .q6_K, pool: pool)
    #expect(same.requantizedCount == 0)
    try same.write(to: folder.file("b"))
    let second = try GGUFFile(path: folder.file("b"))
    let tensors = try (#require(first.tensors.first), #require(second.tensors.first))
    #expect(first.bytes(of: tensors.0).elementsEqual(second.bytes(of: tensors.1)))
    #expect(try ModelQuantizer(source: first, type: .q4_0, pool: pool).requantizedCount == 1)
  }

  @Test("zeros, constants and tiny values come back as they were", arguments: [Float(0), 1, -0.25, 1e-30, -1e-12])
  func constants(_ value: Float) throws {
    let folder = try TemporaryFolder()
    let values = [Float](repeating: value, count: 512)
    for type in QuantizationType.allCases {
      let report = try Self.quantize(TinyFile.gguf(values, columns: 512), type, to: folder.file("out"))
      let error = try #require(report.tensors.first).error
      #expect(error <= 0.002 * Double(abs(value)) + 1e-7, "\(type.rawValue): \(error)")
    }
  }

  @Test(
    "an infinity, NaN or huge weight is refused with the tensor's name, and leaves no file",
    arguments: [Float.infinity, -.infinity, .nan, 3e38, -1e20])
  func hostile(_ value: Float) throws {
    let folder = try TemporaryFolder()
    for place in [0, 300, 1023] {
      var values = Golden.values(1024)
      values[place] = value
      let bytes = TinyFile.gguf(values, columns: 512)
      for type in [QuantizationType.q4_0, .q4_1, .q5_0, .q5_1, .q8_0, .q4_K_M, .q5_K_M, .q6_K, .f16] {
        let error = #expect(throws: TrainingError.self) {
          try Self.quantize(bytes, type, to: folder.file("out"))
        }
        #expect(error?.code == TrainingError.weightInvalid)
        #expect(error?.message.contains("blk.4.ffn_gate.weight") == true)
        if !value.isFinite { #expect(error?.message.contains("element \(place).") == true) }
      }
    }
    #expect(folder.contents.isEmpty)
  }

  @Test("a file for which the disk has no room is refused before anything is written")
  func diskFull() throws {
    let folder = try TemporaryFolder()
    let error = #expect(throws: ModelError.self) {
      try AtomicFile(path: folder.file("out"), byteCount: 1 << 60)
    }
    #expect(error?.code == ModelError.diskFull)
    #expect(folder.contents.isEmpty)
    let missing = #expect(throws: ModelError.self) { try AtomicFile(path: folder.file("none/out"), byteCount: 1) }
    #expect(missing?.code == ModelError.fileUnwritable)
  }

  @Test("a cancelled or failing conversion leaves the old file in place")
  func cancelled() throws {
    struct Stop: Error {}
    let folder = try TemporaryFolder()
    let path = folder.file("out")
    try Data("old".utf8).write(to: URL(fileURLWithPath: path))
    let quantizer = try ModelQuantizer(
      source: GGUFFile(bytes: TinyFile.gguf(Golden.values(1024), columns: 512)), type: .q4_0,
      pool: ComputePool(threads: 1))
    #expect(throws: Stop.self) { try quantizer.write(to: path) { _, _, _ in throw Stop() } }
    #expect(try String(contentsOfFile: path, encoding: .utf8) == "old")
    #expect(folder.contents == ["out"])
  }

  @Test("damaged files are refused or converted, never more")
  func fuzz() throws {
    let folder = try TemporaryFolder()
    let original = TinyFile.gguf(Golden.values(512 * 2), columns: 512)
    let pool = try ComputePool(threads: 1)
    var state: UInt64 = 9
    func random(_ bound: Int) -> Int {
      state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
      return Int(state >> 33) % bound
    }
    for round in 0..<600 {
      var bytes = original
      if round % 3 == 0 {
        bytes.removeLast(1 + random(bytes.count))
      } else {
        for _ in 0...random(4) { bytes[random(min(bytes.count, 700))] = UInt8(random(256)) }
      }
      let type = QuantizationType.allCases[random(QuantizationType.allCases.count)]
      do {
        try ModelQuantizer(source: GGUFFile(bytes: bytes), type: type, pool: pool).write(to: folder.file("out"))
      } catch is ModelError {} catch is TrainingError {}
    }
    #expect(Set(folder.contents).isSubset(of: ["out"]))
  }
}
