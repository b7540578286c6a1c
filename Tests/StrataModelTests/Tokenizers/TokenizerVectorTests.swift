import Foundation
import StrataModel
import Testing

private let folder = PublicData.folder + "/models/tokenizers"

@Suite("Tokenizers on published vectors")
struct TokenizerVectorTests {
  @Test(
    "every vector of a vocabulary gives the published ids",
    .enabled(if: PublicData.exists(folder), "needs STRATA_DATA"),
    arguments: ["bert-bge", "gpt-2", "llama-spm", "qwen2"])
  func vectors(name: String) throws {
    let path = "\(folder)/ggml-vocab-\(name).gguf"
    let tokenizer = try GGUFFile(path: path).makeTokenizer()
    let text = String(decoding: try PublicData.bytes(path + ".inp"), as: UTF8.self)
    let inputs = Self.split(text, "\n__ggml_vocab_test__\n")
    let lines = String(decoding: try PublicData.bytes(path + ".out"), as: UTF8.self)
      .split(separator: "\n", omittingEmptySubsequences: false)
    let expected = lines.dropLast().map { $0.split(separator: " ").compactMap { Int32($0) } }
    // A separator ends the last input too.
    let cases = Array(inputs.prefix(expected.count))
    #expect(cases.count == expected.count && cases.count >= 45)
    for (input, ids) in zip(cases, expected) {
      let actual = tokenizer.encode(input, addSpecial: false, parseSpecial: false)
      #expect(actual == ids, "\(name): \(input.debugDescription)")
      if name != "bert-bge" {
        #expect(Array(tokenizer.decode(actual).utf8) == Array(input.utf8), "\(name): \(input.debugDescription)")
      }
    }
  }

  private static func split(_ text: String, _ separator: String) -> [String] {
    let bytes = Array(text.utf8)
    let mark = Array(separator.utf8)
    var parts: [String] = []
    var start = 0
    var index = 0
    while index + mark.count <= bytes.count {
      if bytes[index] == mark[0], bytes[index..<index + mark.count].elementsEqual(mark) {
        parts.append(String(decoding: bytes[start..<index], as: UTF8.self))
        index += mark.count
        start = index
      } else {
        index += 1
      }
    }
    parts.append(String(decoding: bytes[start...], as: UTF8.self))
    return parts
  }
}
