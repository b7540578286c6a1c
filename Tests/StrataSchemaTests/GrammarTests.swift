// Owns what grammars accept, schema by schema.

import StrataCore
import StrataSchema
import Testing

@Suite("Grammar")
struct GrammarTests {
  private func grammar(_ schema: String, _ options: Grammar.Options = .init()) throws -> Grammar {
    try Grammar(schema: JSON(parsing: schema), options: options)
  }

  @Test(
    "texts are accepted or not, by schema",
    arguments: [
      (
        #"{"type":"object","properties":{"a":{"type":"integer"},"b":{"type":"string"},"c":{}},"required":["a"]}"#,
        [#"{"a":1}"#, #"{"a": 1, "b": "x"}"#, #"{"a":1,"c":[null,{}]}"#],
        ["{}", #"{"b":"x","a":1}"#, #"{"a":1,"d":2}"#, #"{"a":1.5}"#, #"{ "a":1}"#, #"{"a":1,}"#]
      ),
      (
        #"{"type":"object","properties":{"a":true},"additionalProperties":{"type":"integer"}}"#,
        [#"{}"#, #"{"x":1}"#, #"{"a":"s","x":1,"y":2}"#], [#"{"x":"s"}"#, #"{"x":1,"a":2}"#, #"{"\u0061":1}"#]
      ),
      (
        #"{"patternProperties":{"^x_":{"type":"integer"}},"additionalProperties":false,"type":"object"}"#,
        ["{}", #"{"x_1":1,"x_":2}"#], [#"{"y":1}"#, #"{"x_":"s"}"#]
      ),
      (
        #"{"type":"array","items":{"type":"boolean"},"minItems":1,"maxItems":3}"#,
        ["[true]", "[true,false]", "[true, false, true]"], ["[]", "[true,true,true,true]", "[1]"]
      ),
      (
        #"{"type":"array","prefixItems":[{"const":1},{"type":"string"}],"items":{"type":"null"}}"#,
        ["[]", "[1]", #"[1,"a"]"#, #"[1,"a",null,null]"#], ["[2]", #"["a"]"#, #"[1,"a",1]"#]
      ),
      (
        #"{"enum":["red","green",3,null,{"a":[1]}]}"#, ["\"red\"", "3", "null", #"{"a":[1]}"#], ["\"blue\"", "\"re\""]
      ),
      (
        #"{"type":"string","minLength":2,"maxLength":3}"#, ["\"ab\"", "\"äöü\"", #""\u00e4\n""#, #""\ud83d\ude00x""#],
        ["\"a\"", "\"abcd\"", #""\ud83dxx""#, #""\ude00xx""#, "\"a\nb\""]
      ),
      (
        #"{"type":"string","pattern":"^[A-Z]{2}-\\d+$"}"#, ["\"AB-1\"", "\"ZZ-123\""],
        ["\"A-1\"", "\"AB-\"", "\"AB-1x\""]
      ),
      (#"{"type":"string","pattern":"b"}"#, ["\"abc\"", "\"b\"", #""\"b""#, "\"ü b\""], ["\"ac\"", "\"\""]),
      (
        #"{"type":"integer","minimum":-5,"maximum":120}"#, ["-5", "-1", "0", "7", "99", "120"],
        ["-6", "121", "200", "1000", "00", "-0", "1.0"]
      ),
      (#"{"type":"integer","exclusiveMinimum":9}"#, ["10", "99", "100", "1234567"], ["9", "0", "-10"]),
      (
        #"{"type":"number","minimum":0,"maximum":1}"#, ["0", "1", "0.5", "0.999", "1.0", "0.0"],
        ["1.01", "-0.1", "2", "10"]
      ),
      (
        #"{"type":"number","exclusiveMinimum":-1.25,"exclusiveMaximum":2.5}"#,
        ["-1.24", "-1.2", "-0.5", "0", "2.49", "2"],
        ["-1.25", "-1.250", "-1.3", "2.5", "2.50", "2.51", "3"]
      ),
      (#"{"type":"integer","multipleOf":7,"minimum":0,"maximum":50}"#, ["0", "7", "49"], ["1", "50", "56"]),
      (#"{"type":"number","multipleOf":0.01}"#, ["1", "1.5", "1.55"], ["1.555"]),
      (
        #"{"type":"string","format":"date"}"#, ["\"2024-02-29\"", "\"2026-11-22\""],
        ["\"2023-02-29\"", "\"2023-13-01\""]
      ),
      (#"{"type":"string","format":"date-time"}"#, ["\"2024-02-29T10:00:00Z\""], ["\"2024-02-29 10:00:00Z\"", "\"\""]),
      (#"{"type":"string","format":"uuid"}"#, ["\"123e4567-e89b-12d3-a456-426614174000\""], ["\"123e4567\""]),
      (#"{"type":["string","null"]}"#, ["null", "\"x\""], ["1"]),
      (
        #"{"anyOf":[{"type":"integer"},{"type":"object","properties":{"a":{"type":"null"}},"required":["a"]}]}"#,
        ["5", #"{"a":null}"#], ["{}", "\"x\""]
      ),
      (
        #"{"allOf":[{"properties":{"a":{"type":"integer"}},"required":["a"]},{"properties":{"a":{"minimum":5},"b":{}}},{"type":"object"}]}"#,
        [#"{"a":5}"#, #"{"a":5,"b":1}"#], [#"{"a":4}"#, "{}"]
      ),
      (
        ##"{"type":"object","properties":{"v":{"type":"integer"},"next":{"anyOf":[{"$ref":"#"},{"type":"null"}]}},"required":["v","next"]}"##,
        [#"{"v":1,"next":null}"#, #"{"v":1,"next":{"v":2,"next":null}}"#], [#"{"v":1}"#, #"{"v":1,"next":{"v":2}}"#]
      ),
      (
        #"{"oneOf":[{"properties":{"k":{"const":"a"},"x":{"type":"integer"}},"required":["k","x"],"type":"object"},{"properties":{"k":{"const":"b"}},"required":["k"],"type":"object"}]}"#,
        [#"{"k":"a","x":1}"#, #"{"k":"b"}"#], [#"{"k":"a"}"#, #"{"k":"c"}"#]
      ),
      (
        #"{"type":"object","properties":{"a":{},"b":{},"c":{}},"minProperties":2,"maxProperties":2}"#,
        [#"{"a":1,"b":1}"#, #"{"b":1,"c":1}"#], ["{}", #"{"a":1}"#, #"{"a":1,"b":1,"c":1}"#]
      ),
      (
        #"{"type":"object","propertyNames":{"pattern":"^[a-z]+$"},"additionalProperties":{"type":"integer"}}"#,
        [#"{"abc":1}"#, "{}"], [#"{"A":1}"#, #"{"":1}"#]
      ),
    ])
  func accepts(schema: String, good: [String], bad: [String]) throws {
    let grammar = try grammar(schema)
    for text in good { #expect(grammar.accepts(Array(text.utf8)), "\(text)") }
    for text in bad { #expect(!grammar.accepts(Array(text.utf8)), "\(text)") }
    var generator = SeededGenerator(state: 3)
    let validator = try JSONSchema(JSON(parsing: schema), options: .init(assertsFormats: true))
    for _ in 0..<100 {
      guard let text = randomText(grammar, using: &generator) else { continue }
      #expect(validator.isValid(try JSON(parsing: text)), "\(String(decoding: text, as: UTF8.self))")
    }
  }

  @Test("random ranges of numbers are exact at their edges")
  func ranges() throws {
    var generator = SeededGenerator(state: 11)
    for _ in 0..<60 {
      let isInteger = Bool.random(using: &generator)
      func bound() -> String {
        let whole = Int.random(in: -1_200...1_200, using: &generator)
        return isInteger || Bool.random(using: &generator)
          ? "\(whole)" : "\(whole).\(Int.random(in: 0...99, using: &generator))"
      }
      let low = bound()
      let high = bound()
      let words = [["minimum", "maximum"], ["exclusiveMinimum", "exclusiveMaximum"]].randomElement(using: &generator)
      guard let words else { continue }
      let type = isInteger ? "integer" : "number"
      let text = #"{"type":"\#(type)","\#(words[0])":\#(low),"\#(words[1])":\#(high)}"#
      let schema = try JSONSchema(JSON(parsing: text))
      guard let grammar = try? Grammar(schema) else { continue }
      for _ in 0..<300 {
        let whole = Int.random(in: -1_300...1_300, using: &generator)
        var number = "\(whole)"
        if !isInteger, Bool.random(using: &generator) { number += ".\(Int.random(in: 0...999, using: &generator))" }
        if number.hasPrefix("-0") { continue }
        #expect(grammar.accepts(Array(number.utf8)) == schema.isValid(try JSON(parsing: number)), "\(text) \(number)")
      }
    }
  }

  @Test("a keyword that cannot be enforced is named, or left out when that is allowed")
  func unsupported() throws {
    let schema = #"{"type":"object","properties":{"a":{"type":"array","uniqueItems":true}}}"#
    let error = try #require(throws: SchemaError.self) { _ = try grammar(schema) }
    #expect(error.code == SchemaError.unsupportedKeyword)
    #expect(error.location == "#/properties/a/uniqueItems")
    let loose = try grammar(schema, .init(allowsApproximation: true))
    #expect(loose.approximatedKeywords == ["#/properties/a/uniqueItems"])
    #expect(loose.accepts(Array(#"{"a":[1,1]}"#.utf8)))
  }

  @Test(
    "impossible schemas are refused",
    arguments: [
      "false", #"{"type":"object","properties":{"a":false},"required":["a"]}"#,
      #"{"type":"integer","minimum":5,"maximum":4}"#,
      ##"{"type":"object","properties":{"a":{"$ref":"#"}},"required":["a"]}"##, #"{"enum":[]}"#,
      #"{"type":"string","pattern":"^a$","minLength":2}"#, #"{"allOf":[{"type":"string"},{"type":"integer"}]}"#,
    ])
  func unsatisfiable(schema: String) throws {
    let error = try #require(throws: SchemaError.self) { _ = try grammar(schema) }
    #expect(error.code == SchemaError.unsatisfiable)
  }

  @Test("layouts decide about spaces")
  func layouts() throws {
    let schema = #"{"type":"object","properties":{"a":{"type":"array","items":{"type":"integer"}}}}"#
    let compact = try grammar(schema, .init(layout: .compact))
    let spaced = try grammar(schema, .init(layout: .spaced))
    let tight = Array(#"{"a":[1,2]}"#.utf8)
    let loose = Array(#"{"a": [1, 2]}"#.utf8)
    #expect(compact.accepts(tight))
    #expect(!compact.accepts(loose))
    #expect(spaced.accepts(loose))
    #expect(!spaced.accepts(tight))
  }

  @Test("any JSON nests only so deep, and always finds its way out")
  func depth() throws {
    let deep = Array((String(repeating: "[", count: 20) + String(repeating: "]", count: 20)).utf8)
    #expect(Grammar.anyJSON.accepts(deep))
    let shallow = try grammar("true", .init(depthLimit: 3))
    #expect(!shallow.accepts(deep))
    #expect(shallow.accepts(Array("[[[1]]]".utf8)))
    #expect(!Grammar.jsonObject.accepts(Array("[]".utf8)))
    #expect(Grammar.jsonObject.accepts(Array(#"{"a":{"b":[1.5e3,"x"]}}"#.utf8)))
  }
}
