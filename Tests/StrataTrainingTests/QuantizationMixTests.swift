// Which type each tensor gets, against `llama-quantize --dry-run` (Golden/mixes.json).
import Foundation
import StrataCore
import StrataModel
import StrataTraining
import Testing

@Suite("Quantization mixes")
struct QuantizationMixTests {
  @Test("types are known by the names of GGUF, in any case")
  func names() {
    #expect(QuantizationType(name: "q4_k_m") == .q4_K_M)
    #expect(QuantizationType(name: "Q8_0") == .q8_0)
    #expect(QuantizationType(name: "IQ4_NL") == nil)
  }

  @Test("each tensor gets the type that llama-quantize gives it", arguments: [0, 1])
  func mixes(_ index: Int) throws {
    let golden = try #require(Golden.json("mixes.json").arrayValue?[index])
    let names = try #require(golden["names"]?.arrayValue).compactMap(\.stringValue)
    let columns = try #require(golden["columns"]?.arrayValue).compactMap(\.intValue)
    let letters = try #require(golden["letters"]?.objectValue)
    let architecture = try #require(golden["architecture"]?.stringValue)
    var writer = GGUFWriter()
    writer.set("general.architecture", .string(architecture))
    writer.set("\(architecture).block_count", .uint32(UInt32(golden["layers"]?.intValue ?? 0)))
    for (name, count) in zip(names, columns) {
      // Two rows each: rows do not matter, and the file stays small.
      writer.add(name, type: .f16, shape: [count, 2], bytes: [UInt8](repeating: 0, count: count * 4))
    }
    let file = try GGUFFile(bytes: writer.encoded())
    let pool = try ComputePool(threads: 1)
    for (kind, expected) in try #require(golden["types"]?.objectValue) {
      let type = try #require(QuantizationType(name: kind))
      let planned = try ModelQuantizer(source: file, type: type, pool: pool).plannedTypes
      for (letter, (name, got)) in zip(try #require(expected.stringValue), planned) {
        #expect(letters[got.name]?.stringValue == String(letter), "\(kind) \(name): \(got.name)")
      }
      #expect(planned.count == names.count)
    }
  }

  @Test("norms, vectors and routers keep their types; rows of odd length become F16")
  func kept() throws {
    var writer = GGUFWriter()
    writer.set("general.architecture", .string("llama"))
    writer.set("llama.block_count", .uint32(1))
    writer.add("blk.0.attn_norm.weight", shape: [64], floats: [Float](repeating: 1, count: 64))
    writer.add("blk.0.ffn_gate_inp.weight", shape: [64, 2], floats: [Float](repeating: 1, count: 128))
    writer.add("blk.0.attn_q.weight", shape: [40, 2], floats: [Float](repeating: 1, count: 80))
    writer.add("blk.0.attn_q.bias", shape: [40], floats: [Float](repeating: 1, count: 40))
    let quantizer = try ModelQuantizer(
      source: GGUFFile(bytes: writer.encoded()), type: .q4_K_M, pool: ComputePool(threads: 1))
    #expect(quantizer.plannedTypes.map(\.type) == [.f32, .f32, .f16, .f32])
  }
}
