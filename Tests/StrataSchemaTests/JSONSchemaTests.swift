// Owns what the official suite does not ask: messages, exactness, hostile schemas.

import StrataCore
import StrataSchema
import Testing

@Suite("JSONSchema")
struct JSONSchemaTests {
  @Test("an issue says where, which keyword and what to do")
  func issues() throws {
    let schema = try JSONSchema([
      "type": "object", "required": ["name", "age"],
      "properties": ["age": ["type": "integer", "minimum": 0], "tags": ["items": ["type": "string"]]],
    ])
    let issues = schema.validate(["age": -1, "tags": ["a", 5]])
    #expect(issues.map(\.instancePointer) == ["", "/age", "/tags/1"])
    #expect(issues.map(\.keyword) == ["required", "minimum", "type"])
    #expect(issues.map(\.schemaPointer) == ["#/required", "#/properties/age/minimum", "#/properties/tags/items/type"])
    #expect(issues[0].message == "lacks the required member \"name\"")
    #expect(issues[1].message == "must be at least 0, found -1")
    #expect(!schema.isValid(["age": -1]))
    #expect(schema.isValid(["name": "x", "age": 1]))
  }

  @Test("numbers are compared as decimals, of any size")
  func exactNumbers() throws {
    let cents = try JSONSchema(["multipleOf": JSON(parsing: "0.01")])
    #expect(cents.isValid(try JSON(parsing: "19.99")))
    #expect(!cents.isValid(try JSON(parsing: "19.999")))
    #expect(cents.isValid(try JSON(parsing: "1e300")))
    let big = try JSONSchema(["maximum": JSON(parsing: "9007199254740993")])
    #expect(big.isValid(try JSON(parsing: "9007199254740993")))
    #expect(!big.isValid(try JSON(parsing: "9007199254740994")))
    let wide = try JSONSchema(["multipleOf": JSON(parsing: "123456789012345678901234567890")])
    #expect(wide.isValid(try JSON(parsing: "246913578024691357802469135780")))
    #expect(!wide.isValid(try JSON(parsing: "246913578024691357802469135781")))
  }

  @Test("composed and decomposed letters are different strings")
  func codePoints() throws {
    let schema = try JSONSchema(["const": "\u{E9}"])
    #expect(schema.isValid("\u{E9}"))
    #expect(!schema.isValid("e\u{301}"))
  }

  @Test(
    "schemas with impossible keywords are refused with their place",
    arguments: [
      (#"{"type":"strin"}"#, "schema_invalid", "#/type"), (#"{"minLength":-1}"#, "schema_invalid", "#/minLength"),
      (#"{"properties":{"a":5}}"#, "schema_invalid", "#/properties/a"),
      (##"{"$ref":"#/nowhere"}"##, "schema_reference_unresolved", "#"),
      (#"{"$ref":"other.json"}"#, "schema_reference_unresolved", "#"),
      (#"{"pattern":"(a"}"#, "schema_pattern_invalid", "#/pattern"),
      (#"{"pattern":"(?=a)b"}"#, "schema_pattern_invalid", "#/pattern"),
      (#"{"pattern":"((a{1000}){1000}){1000}"}"#, "schema_too_large", "#/pattern"),
    ])
  func refused(text: String, code: String, place: String) throws {
    let error = try #require(throws: SchemaError.self) { _ = try JSONSchema(JSON(parsing: text)) }
    #expect(error.code.name == code)
    #expect(error.location == place)
  }

  @Test("a schema that refers to itself, or doubles its work, ends in an issue")
  func hostile() throws {
    let loop = try JSONSchema(["$ref": "#"])
    #expect(!loop.validate(1).isEmpty)
    var definitions: JSONObject = ["d0": true]
    for level in 1...60 {
      let reference: JSON = ["$ref": .string("#/$defs/d\(level - 1)")]
      definitions["d\(level)"] = ["allOf": [reference, reference]]
    }
    let doubling = try JSONSchema(["$ref": "#/$defs/d60", "$defs": .object(definitions)])
    #expect(!doubling.isValid(1))
  }

  @Test("a pattern that makes backtracking engines hang takes linear time")
  func linearPattern() throws {
    let pattern = try Pattern("^(a+)+$")
    #expect(!pattern.matches(String(repeating: "a", count: 5_000) + "b"))
    #expect(pattern.matches(String(repeating: "a", count: 5_000)))
  }

  @Test(
    "patterns follow ECMA-262",
    arguments: [
      (#"^\d{3}-\d{4}$"#, "555-1234", true), (#"^\d{3}-\d{4}$"#, "5555-1234", false), ("b|c", "abc", true),
      (#"\bfoo\b"#, "a foo b", true), (#"\bfoo\b"#, "afoo", false), ("^.$", "\n", false), ("^.$", "🐲", true),
      (#"^[^a-c\d]+$"#, "xyz", true), (#"^[^a-c\d]+$"#, "xaz", false), (#"^\u{1F432}$"#, "🐲", true),
      (#"^\uD83D\uDC32$"#, "🐲", true), ("^(?:ab|a)(?<n>c|bcd)$", "abcd", true), (#"^\p{Lu}\p{Ll}+$"#, "Éa", true),
      ("a{2,}", "caab", true), ("^a{,2}$", "a{,2}", true), ("^[]$", "", false), ("^[^]$", "\n", true),
    ])
  func patterns(source: String, text: String, isMatch: Bool) throws {
    #expect(try Pattern(source).matches(text) == isMatch)
  }
}
