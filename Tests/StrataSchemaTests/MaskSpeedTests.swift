// Owns the timings of masks over a real vocabulary, named by STRATA_TEST_TOKENS: a file with, for each token in order,
// a little-endian 32-bit length and that many bytes (a length of 0 is a special token). With the `gguf` Python package
// and GPT-2's byte table such a file is a few lines; /work/notes/schema.md has them.

import Foundation
import StrataCore
import StrataSchema
import Testing

@Suite("Mask speed")
struct MaskSpeedTests {
  static let tokens: [[UInt8]]? = {
    guard let path = ProcessInfo.processInfo.environment["STRATA_TEST_TOKENS"],
      let data = FileManager.default.contents(atPath: path)
    else { return nil }
    let bytes = [UInt8](data)
    var tokens: [[UInt8]] = []
    var index = 0
    while index + 4 <= bytes.count {
      let length = (0..<4).reduce(0) { $0 | Int(bytes[index + $1]) << (8 * $1) }
      guard length <= bytes.count - index - 4 else { break }
      tokens.append(Array(bytes[index + 4..<index + 4 + length]))
      index += 4 + length
    }
    return tokens
  }()

  /// Greedy longest tokens, which is near enough to what a tokenizer does.
  private func tokenize(_ text: [UInt8], _ ids: [[UInt8]: Int32]) -> [Int32] {
    var result: [Int32] = []
    var index = 0
    while index < text.count {
      var length = min(16, text.count - index)
      while length > 1, ids[Array(text[index..<index + length])] == nil { length -= 1 }
      if let id = ids[Array(text[index..<index + length])] { result.append(id) }
      index += length
    }
    return result
  }

  @Test("masks over a large vocabulary are fast")
  func speed() throws {
    guard let tokens = Self.tokens else {
      print("skipped: no token file (STRATA_TEST_TOKENS)")
      return
    }
    let clock = ContinuousClock()
    var made: TokenVocabulary?
    let end = Int32(tokens.count - 1)
    let building = clock.measure { made = TokenVocabulary(tokens: tokens, endOfGeneration: [end]) }
    let vocabulary = try #require(made)
    print("vocabulary of \(tokens.count) tokens: \(building)")
    var ids: [[UInt8]: Int32] = [:]
    for (id, token) in tokens.enumerated() where !token.isEmpty && ids[token] == nil { ids[token] = Int32(id) }

    let sentences = (0..<400).map { index in
      JSON.string("Sentence \(index) says that " + String(repeating: "something \(index) happens, ", count: 8))
    }
    let text = "The quick brown fox — it said \\\"hello\\\" — jumps over the lazy dog. "
    let cases: [(name: String, schema: String, text: String)] = [
      (
        "answer",
        #"{"type":"object","properties":{"answer":{"type":"string"},"citations":{"type":"array","items":{"type":"object","properties":{"passage":{"type":"integer","minimum":1,"maximum":12},"quote":{"type":"string","maxLength":400}},"required":["passage","quote"]}},"answerable":{"type":"boolean"}},"required":["answer","citations","answerable"]}"#,
        #"{"answer": ""# + String(repeating: text, count: 4) + #"", "citations": [{"passage": 3, "quote": ""# + text
          + #""}, {"passage": 12, "quote": ""# + text + text + #""}], "answerable": true}"#
      ),
      (
        "short strings", #"{"type":"array","items":{"type":"string","maxLength":60}}"#,
        #"["The quick brown fox jumps over the lazy dog, twice a day.", "One", "Two"]"#
      ),
      ("any JSON", "true", #"{"a": [1, 2.5, {"b": "text with \u00e9"}], "c": null, "d": "quick brown"}"#),
      (
        "pattern",
        #"{"type":"object","properties":{"id":{"type":"string","pattern":"^[A-Z]{2,4}-[0-9]{3,6}( [a-z]+)*$"}}}"#,
        #"{"id":"ABC-12345 some words here"}"#
      ),
      (
        "400 sentences",
        #"{"type":"object","properties":{"quote":{"enum":"# + JSON.array(sentences).text()
          + #"}},"required":["quote"]}"#,
        #"{"quote": "# + sentences[217].text() + "}"
      ),
    ]
    for (name, schema, text) in cases {
      var grammar: Grammar?
      let parsed = try JSON(parsing: schema)
      let compile = try clock.measure { grammar = try Grammar(schema: parsed) }
      let compiled = try #require(grammar)
      let sequence = tokenize(Array(text.utf8), ids)
      var mask = TokenMask(count: vocabulary.count)
      for round in 1...3 {
        var matcher = GrammarMatcher(compiled, vocabulary: vocabulary)
        var masks: [Duration] = []
        var accepts: [Duration] = []
        for token in sequence {
          masks.append(clock.measure { matcher.fillMask(&mask) })
          #expect(mask.contains(token), "\(name): \(String(decoding: tokens[Int(token)], as: UTF8.self))")
          accepts.append(clock.measure { _ = matcher.accept(token: token) })
        }
        matcher.fillMask(&mask)
        #expect(mask.contains(end))
        func microseconds(_ duration: Duration?) -> Double { (duration ?? .zero) / .microseconds(1) }
        let sorted = masks.sorted()
        let line = [
          ("median", microseconds(sorted[sorted.count / 2])), ("p95", microseconds(sorted[sorted.count * 95 / 100])),
          ("worst", microseconds(sorted.last)), ("accept", microseconds(accepts.sorted()[accepts.count / 2])),
        ]
        let figures = line.map { "\($0.0) \(($0.1 * 10).rounded() / 10)" }.joined(separator: ", ")
        print("\(name), round \(round): \(sequence.count) tokens, µs per mask: \(figures); compile \(compile)")
      }
    }
  }
}
