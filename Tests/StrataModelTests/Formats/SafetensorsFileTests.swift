import StrataCore
import StrataModel
import Testing

@Suite("SafetensorsFile")
struct SafetensorsFileTests {
  static func file(header: String, data: [UInt8]) -> [UInt8] {
    var bytes = Swift.withUnsafeBytes(of: UInt64(header.utf8.count).littleEndian, Array.init)
    bytes += Array(header.utf8)
    return bytes + data
  }

  static func sample() -> [UInt8] {
    let header = """
      {"__metadata__":{"format":"pt"},"a":{"dtype":"F32","shape":[2,2],"data_offsets":[0,16]},\
      "h":{"dtype":"F16","shape":[3],"data_offsets":[16,22]},"b":{"dtype":"BF16","shape":[1],"data_offsets":[22,24]},\
      "i":{"dtype":"I64","shape":[1],"data_offsets":[24,32]}}
      """
    let floats: [Float] = [1, -2, 3.5, 0]
    var data = floats.withUnsafeBytes(Array.init)
    data += [0x00, 0x3C, 0x01, 0x00, 0x00, 0xFC]  // 1, the smallest subnormal, -infinity
    data += [0x80, 0x3F]  // 1
    data += [5, 0, 0, 0, 0, 0, 0, 0]
    return file(header: header, data: data)
  }

  @Test("tensors of every float type become 32-bit floats")
  func floats() throws {
    let file = try SafetensorsFile(bytes: Self.sample())
    #expect(file.metadata == ["format": "pt"])
    #expect(try file.floats(of: #require(file.tensor("a"))) == [1, -2, 3.5, 0])
    #expect(try file.floats(of: #require(file.tensor("h"))) == [1, 0x1p-24, -.infinity])
    #expect(try file.floats(of: #require(file.tensor("b"))) == [1])
    #expect(throws: ModelError.self) { try file.floats(of: #require(file.tensor("i"))) }
  }

  @Test(
    "a tensor that does not fit its shape or the file is refused",
    arguments: [
      #"{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,4]}}"#,
      #"{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}"#,
      #"{"a":{"dtype":"F32","shape":[4611686018427387904,4],"data_offsets":[0,0]}}"#,
      #"{"a":{"dtype":"F32","shape":[-1],"data_offsets":[4,0]}}"#,
      #"{"a":{"dtype":"F9","shape":[1],"data_offsets":[0,1]}}"#,
      #"{"a":{"dtype":"F32"}}"#, "[]", "{", "",
    ])
  func refused(header: String) {
    #expect(throws: ModelError.self) { try SafetensorsFile(bytes: Self.file(header: header, data: [0, 0, 0, 0])) }
  }

  @Test("10,000 mutations end in an error or a file, never in a crash or a hang")
  func fuzz() {
    var mutator = Mutator(seed: 11)
    let original = Self.sample()
    for _ in 0..<10_000 {
      guard let file = try? SafetensorsFile(bytes: mutator.mutate(original)) else { continue }
      for tensor in file.tensors {
        let bytes = file.bytes(of: tensor)
        #expect(bytes.count == tensor.range.count)
        _ = bytes.reduce(0) { $0 &+ Int($1) }
        _ = try? file.floats(of: tensor)
      }
    }
  }
}
