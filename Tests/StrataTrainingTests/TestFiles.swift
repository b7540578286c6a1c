// Owns what these tests share: golden files, folders that vanish, and small models.
import Foundation
import StrataCore
import StrataModel

enum Golden {
  static func json(_ name: String) throws -> JSON {
    let url = URL(fileURLWithPath: #filePath).deletingLastPathComponent().appendingPathComponent("Golden/\(name)")
    return try JSON(parsing: Array(Data(contentsOf: url)))
  }

  /// The values of make_golden.py: SplitMix64, four uniform parts per value, every 37th eight times as large.
  static func values(_ count: Int, seed: UInt64 = 1) -> [Float] {
    var state = seed
    return (0..<count).map { index in
      state &+= 0x9E37_79B9_7F4A_7C15
      var z = state
      z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
      z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
      z ^= z >> 31
      var total: Float = 0
      for part in 0..<4 { total += Float((z >> (16 * UInt64(part))) & 0xFFFF) / 65536 - 0.5 }
      return total * 0.05 * (index % 37 == 0 ? 8 : 1)
    }
  }
}

/// A folder that is removed with its contents when this object goes.
final class TemporaryFolder: Sendable {
  let path: String

  init() throws {
    path = NSTemporaryDirectory() + "strata-training-\(UUID().uuidString)"
    try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
  }

  deinit { try? FileManager.default.removeItem(atPath: path) }

  func file(_ name: String) -> String { path + "/" + name }
  var contents: [String] { (try? FileManager.default.contentsOfDirectory(atPath: path)) ?? [] }
}

enum TinyFile {
  /// A file with one matrix [columns, rows] that quantizers take for one of a model, and one norm.
  static func gguf(_ values: [Float], columns: Int, name: String = "blk.4.ffn_gate.weight") -> [UInt8] {
    var writer = GGUFWriter()
    writer.set("general.architecture", .string("llama"))
    writer.set("llama.block_count", .uint32(8))
    writer.set("general.name", .string("tiny"))
    writer.set("tokenizer.ggml.tokens", .strings(["a", "ß", "c"]))
    writer.set("tokenizer.ggml.scores", .float32s([0, -1, 2.5]))
    writer.add(name, shape: [columns, values.count / columns], floats: values)
    writer.add("blk.4.attn_norm.weight", shape: [3], floats: [1, 2, 3])
    return writer.encoded()
  }

  static func floats(_ file: GGUFFile, _ name: String) -> [Float] {
    guard let tensor = file.tensor(name), tensor.type == .f32 else { return [] }
    let bytes = file.bytes(of: tensor)
    return (0..<tensor.elementCount).map { bytes.loadUnaligned(fromByteOffset: $0 * 4, as: Float.self) }
  }
}
