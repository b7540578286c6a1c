// Owns masks: exactly the tokens that the grammar accepts, whatever their bytes.

import StrataCore
import StrataSchema
import Testing

@Suite("GrammarMatcher")
struct GrammarMatcherTests {
  /// All pieces of some JSON texts, some of which split characters, and the single bytes; the last token ends.
  private static let pieces: TokenVocabulary = {
    let texts = [
      #"{"name": "Zoë \"Z\" 😀","age": -12.5e+3, "tags":["a","b"],"ok":true,"none":null}"#,
      #""},{"a\u00e9\n": ["x", {}"#,
      "      \n\n\t", #"\\\"\ud83d\ude00"#, "2024-02-29T10:00:00Z",
    ]
    var seen: Set<[UInt8]> = []
    for text in texts {
      let bytes = Array(text.utf8)
      for start in bytes.indices {
        for length in 1...9 where start + length <= bytes.count { seen.insert(Array(bytes[start..<start + length])) }
      }
    }
    for byte in UInt8(0)...255 { seen.insert([byte]) }
    let sorted = seen.sorted { $0.lexicographicallyPrecedes($1) }
    // Two ids for the same bytes, an id without bytes, a special one, two that end.
    let extra: [[UInt8]] = [Array("\"a".utf8), [], Array("<|x|>".utf8), [], Array("</s>".utf8)]
    let count = Int32(sorted.count)
    return TokenVocabulary(tokens: sorted + extra, special: [count + 2], endOfGeneration: [count + 3, count + 4])
  }()

  static let schemas: [String] = [
    "true", #"{"type":"object"}"#,
    #"{"type":"object","properties":{"name":{"type":"string"},"age":{"type":"number"},"tags":{"type":"array","items":{"type":"string","maxLength":3}}},"required":["name"]}"#,
    #"{"type":"object","properties":{"name":{"type":"string","minLength":3,"maxLength":6},"ok":{"type":"boolean"}},"additionalProperties":{"type":["null","string"]}}"#,
    #"{"enum":["a","ab","b\"","Zoë",12,{"a":["x"]}]}"#,
    ##"{"type":"object","properties":{"a":{"anyOf":[{"$ref":"#"},{"type":"array","items":{"$ref":"#"}},{"type":"string"}]},"name":true}}"##,
    #"{"anyOf":[{"type":"string","pattern":"^[a-z\"\\\\é]{2,5}$"},{"type":"string","format":"date-time"},{"type":"integer","minimum":-12,"maximum":2024}]}"#,
    #"{"type":"array","prefixItems":[{"type":"string","maxLength":0},{"type":"integer"}],"items":false}"#,
  ]

  @Test("a mask holds exactly the tokens that are accepted", arguments: schemas)
  func masks(schema: String) throws {
    let vocabulary = Self.pieces
    let grammar = try Grammar(schema: JSON(parsing: schema))
    var generator = SeededGenerator(state: 17)
    var mask = TokenMask(count: vocabulary.count)
    for _ in 0..<12 {
      var matcher = GrammarMatcher(grammar, vocabulary: vocabulary)
      for _ in 0..<25 {
        matcher.fillMask(&mask)
        let expected = (0..<Int32(vocabulary.count)).filter { token in
          var copy = matcher
          return copy.accept(token: token)
        }
        #expect(mask.allowedTokens == expected)
        let forced = matcher.forcedBytes()
        var ahead = matcher
        let canJump = ahead.accept(bytes: forced)
        #expect(canJump)
        guard let token = expected.randomElement(using: &generator) else { break }
        let isAccepted = matcher.accept(token: token)
        #expect(isAccepted)
        if matcher.isFinished { break }
      }
    }
  }

  @Test("forced text runs to the next choice, and a refused token changes nothing")
  func forced() throws {
    let schema: JSON = [
      "type": "object", "properties": ["answer": ["type": "string"], "ok": ["const": true]],
      "required": ["answer", "ok"],
    ]
    let grammar = try Grammar(schema: schema, options: .init(layout: .compact))
    var matcher = GrammarMatcher(grammar, vocabulary: .bytes)
    var before = matcher
    func write(_ text: String) -> Bool { matcher.accept(bytes: Array(text.utf8)) }
    func forced() -> String { String(decoding: matcher.forcedBytes(), as: UTF8.self) }
    let opening = forced()
    #expect(opening == #"{"answer":""#)
    let steps = [write(opening), write("\"}"), write("hi\"")]
    #expect(steps == [true, false, true])
    let rest = forced()
    #expect(rest == #","ok":true}"#)
    #expect(!matcher.canTerminate)
    let isWritten = write(rest)
    #expect(isWritten)
    #expect(matcher.isComplete)
    let isEnded = matcher.accept(token: 256)
    #expect(isEnded)
    #expect(matcher.isFinished)
    let isOtherWritten = before.accept(bytes: Array(#"{"answer":"other"#.utf8))
    #expect(isOtherWritten)
  }

  @Test("hundreds of long sentences are one fast choice")
  func sentences() throws {
    var generator = SeededGenerator(state: 23)
    let letters = Array("abcdefghij klmno,")
    let values = (0..<600).map { number in
      JSON.string(
        "Sentence \(number): " + String((0..<230).map { _ in letters.randomElement(using: &generator) ?? "a" }))
    }
    let schema: JSON = ["type": "object", "properties": ["quote": ["enum": .array(values)]], "required": ["quote"]]
    let clock = ContinuousClock()
    var grammar: Grammar?
    let time = try clock.measure { grammar = try Grammar(schema: schema) }
    let made = try #require(grammar)
    let text = JSON.object(["quote": values[417]]).utf8()
    #expect(made.accepts(text))
    #expect(!made.accepts(JSON.object(["quote": "Sentence 417"]).utf8()))
    #expect(made.instructionCount < 50)
    print("600 sentences of 240 bytes: compiled in \(time)")
  }

  @Test("hostile schemas end in an error")
  func hostile() throws {
    var properties = JSONObject()
    for index in 0..<3_000 { properties["property\(index)"] = ["type": "string"] }
    let wide = try Grammar(schema: ["type": "object", "properties": .object(properties)])
    #expect(wide.accepts(Array(#"{"property7":"x","property2999":""}"#.utf8)))
    let branches = JSON.array((0..<10).map { ["properties": ["a": ["const": .int($0)]], "type": "object"] })
    let product: JSON = ["allOf": .array((0..<6).map { _ in ["anyOf": branches] })]
    #expect(throws: SchemaError.self) { _ = try Grammar(schema: product) }
    #expect(throws: SchemaError.self) {
      _ = try Grammar(schema: ["type": "string", "pattern": "^(a|b)*a(a|b){18}$"])
    }
    #expect(throws: SchemaError.self) { _ = try Grammar(schema: ["type": "array", "minItems": 100_000_000]) }
    var chain: JSONObject = ["d0": ["type": "integer"]]
    for level in 1...5_000 {
      chain["d\(level)"] = ["type": "array", "items": ["$ref": .string("#/$defs/d\(level - 1)")]]
    }
    let deep: JSON = ["$ref": "#/$defs/d5000", "$defs": .object(chain)]
    _ = try Grammar(schema: deep, options: .init(depthLimit: 64))
    for level in 1...5_000 { chain["d\(level)"] = ["$ref": .string("#/$defs/d\(level - 1)")] }
    let aliases: JSON = ["$ref": "#/$defs/d5000", "$defs": .object(chain)]
    #expect(throws: SchemaError.self) { _ = try Grammar(schema: aliases) }
  }
}
