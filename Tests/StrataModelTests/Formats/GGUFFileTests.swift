import StrataCore
import StrataModel
import Testing

@Suite("GGUFFile")
struct GGUFFileTests {
  static func sample() -> [UInt8] {
    var writer = GGUFWriter()
    writer.set("general.architecture", .string("llama"))
    writer.set("llama.block_count", .uint32(2))
    writer.set("llama.rope.freq_base", .float32(10_000))
    writer.set("tokenizer.ggml.add_bos_token", .bool(true))
    writer.set("tokenizer.ggml.tokens", .strings(["a", "Ġb", "漢字", ""]))
    writer.set("tokenizer.ggml.token_type", .int32s([1, 2, 3, -4]))
    writer.set("tokenizer.ggml.scores", .float32s([0.5, -1, 2]))
    writer.add("first", shape: [4, 2], floats: [1, 2, 3, 4, 5, 6, 7, 8])
    writer.add("second", type: .q8_0, shape: [32, 3], bytes: [UInt8](repeating: 7, count: 34 * 3))
    return writer.encoded()
  }

  @Test("what the writer writes, the reader reads")
  func roundTrip() throws {
    let file = try GGUFFile(bytes: Self.sample())
    #expect(file.version == 3)
    #expect(file.string("general.architecture") == "llama")
    #expect(file.integer("llama.block_count") == 2)
    #expect(file.float("llama.rope.freq_base") == 10_000)
    #expect(file.bool("tokenizer.ggml.add_bos_token") == true)
    #expect(file.strings("tokenizer.ggml.tokens") == ["a", "Ġb", "漢字", ""])
    #expect(file.integers("tokenizer.ggml.token_type") == [1, 2, 3, -4])
    #expect(file.floats("tokenizer.ggml.scores") == [0.5, -1, 2])
    #expect(file.string("llama.block_count") == nil)
    #expect(file.tensors.map(\.name) == ["first", "second"])
    let first = try #require(file.tensor("first"))
    #expect(first.shape == [4, 2])
    #expect(file.bytes(of: first).loadUnaligned(fromByteOffset: 28, as: Float.self) == 8)
    let second = try #require(file.tensor("second"))
    #expect(second.type == .q8_0)
    #expect(second.byteCount == 102)
  }

  @Test("every shorter prefix of a file is refused")
  func truncation() throws {
    let bytes = Self.sample()
    for count in stride(from: 0, to: bytes.count - 32, by: 1) {
      #expect(throws: ModelError.self) { try GGUFFile(bytes: Array(bytes[..<count])) }
    }
  }

  @Test("an unsupported tensor type is named")
  func unsupportedType() throws {
    var bytes = Self.sample()
    let name = Array("second".utf8)
    let start = try #require(bytes.indices.first { bytes[$0...].starts(with: name) })
    bytes[start + name.count + 4 + 16] = 10
    #expect {
      try GGUFFile(bytes: bytes)
    } throws: { error in
      guard let error = error as? ModelError else { return false }
      return error.code == ModelError.unsupportedTensorType && error.message.contains("Q2_K")
    }
  }

  @Test("a missing file, a folder and another format say what they are")
  func notGGUF() throws {
    #expect { try GGUFFile(path: "/nonexistent.gguf") } throws: {
      ($0 as? ModelError)?.code == ModelError.fileUnreadable
    }
    #expect { try GGUFFile(path: "/tmp") } throws: { ($0 as? ModelError)?.code == ModelError.fileUnreadable }
    #expect { try GGUFFile(bytes: Array("PK\u{3}\u{4} some zip".utf8)) } throws: {
      ($0 as? ModelError)?.code == ModelError.ggufBadMagic
    }
  }

  @Test("10,000 mutations end in an error or a file, never in a crash or a hang")
  func fuzz() {
    var mutator = Mutator(seed: 7)
    let original = Self.sample()
    var accepted = 0
    for _ in 0..<10_000 {
      guard let file = try? GGUFFile(bytes: mutator.mutate(original)) else { continue }
      accepted += 1
      for value in file.metadata.values {
        let array = value.arrayValue
        _ = (array?.strings?.count, array?.integers?.count, array?.floats?.count)
      }
      for tensor in file.tensors {
        let bytes = file.bytes(of: tensor)
        #expect(bytes.count == tensor.byteCount)
        _ = bytes.reduce(0) { $0 &+ Int($1) }
      }
    }
    #expect(accepted < 10_000)
  }
}
