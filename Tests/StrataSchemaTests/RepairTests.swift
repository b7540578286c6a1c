// Owns what models get wrong when they write JSON.

import StrataCore
import StrataSchema
import Testing

@Suite("RepairedJSON")
struct RepairTests {
  @Test(
    "almost JSON is read",
    arguments: [
      (#"{"a":1}"#, #"{"a":1}"#, []),
      ("```json\n{\"a\": 1}\n```", #"{"a":1}"#, [JSONRepair.removedCodeFence]),
      ("Sure! Here it is:\n{\"a\": 1}\nHope it helps.", #"{"a":1}"#, [.removedProse]),
      ("{'a': 'it'}", #"{"a":"it"}"#, [.replacedQuotes]), (#"{"a":1,}"#, #"{"a":1}"#, [.removedComma]),
      ("[1,2,]", "[1,2]", [.removedComma]), (#"{"a":[1,2"#, #"{"a":[1,2]}"#, [.closedContainer]),
      (#"{"a":"text"#, #"{"a":"text"}"#, [.closedString, .closedContainer]),
      ("{\"a\":\"one\ntwo\"}", #"{"a":"one\ntwo"}"#, [.escapedControl]),
      ("{'a': True, 'b': None}", #"{"a":true,"b":null}"#, [.replacedQuotes, .replacedWord]),
      ("{a: 1, b_2: x y}", #"{"a":1,"b_2":"x y"}"#, [.quotedName, .quotedString]),
      (#"{"a":1 "b":2}"#, #"{"a":1,"b":2}"#, [.insertedComma]),
      (#"{"a":"he said "no" twice"}"#, #"{"a":"he said \"no\" twice"}"#, [.escapedQuote]),
      (#"{"a":.5,"b":007,"c":0x1F,"d":1_000}"#, #"{"a":0.5,"b":7,"c":31,"d":1000}"#, [.fixedNumber]),
      ("{\"a\":1 // one\n,\"b\":2}", #"{"a":1,"b":2}"#, [.removedComment]),
      (#"{"path":"C:\dir"}"#, #"{"path":"C:\\dir"}"#, [.fixedEscape]), ("{“a”: “b”}", #"{"a":"b"}"#, [.replacedQuotes]),
      (#"{"a":[1,2}"#, #"{"a":[1,2]}"#, [.closedContainer]),
    ])
  func reads(text: String, expected: String, repairs: [JSONRepair]) throws {
    let result = try RepairedJSON(reading: text)
    #expect(result.value == (try JSON(parsing: expected)))
    #expect(result.repairs == repairs)
  }

  @Test("the schema decides between values, and types are converted to fit")
  func schema() throws {
    let schema = try JSONSchema([
      "type": "object", "required": ["age"],
      "properties": ["age": ["type": "integer"], "tags": ["type": "array", "items": ["type": "string"]]],
    ])
    let second = try RepairedJSON(reading: #"First {"name":"x"} and then {"age": "41", "tags": "a"}"#, schema: schema)
    #expect(second.value == ["age": 41, "tags": ["a"]])
    #expect(second.isValid)
    #expect(second.repairs.contains(.convertedType))
    let wrong = try RepairedJSON(reading: #"{"age":"old"}"#, schema: schema)
    #expect(wrong.issues.map(\.instancePointer) == ["/age"])
  }

  @Test("text without JSON is an error", arguments: ["", "I cannot do that.", "   "])
  func nothing(text: String) throws {
    let error = try #require(throws: SchemaError.self) { _ = try RepairedJSON(reading: text) }
    #expect(error.code == SchemaError.noValue)
  }

  @Test("no mutation of a text makes the parser trap or hang")
  func fuzz() throws {
    var generator = SeededGenerator(state: 5)
    let source = Array(#"{"a":[1,2.5,{"b":"x\n\u00e9"}],'c':True,"d":"e" /* f */} ```json [1] ``` "#.utf8)
    for _ in 0..<3_000 {
      var bytes = source
      for _ in 0..<Int.random(in: 1...8, using: &generator) {
        let index = Int.random(in: 0..<bytes.count, using: &generator)
        switch Int.random(in: 0..<3, using: &generator) {
        case 0: bytes[index] = UInt8.random(in: 0...255, using: &generator)
        case 1: bytes.remove(at: index)
        default: bytes.insert(bytes[Int.random(in: 0..<bytes.count, using: &generator)], at: index)
        }
      }
      let text = String(decoding: bytes, as: UTF8.self)
      _ = try? RepairedJSON(reading: text)
      var partial = PartialJSON()
      partial.push(text)
      _ = partial.value
    }
    _ = try? RepairedJSON(reading: String(repeating: "[", count: 100_000))
    _ = try? RepairedJSON(reading: String(repeating: "\"", count: 20_000))
  }
}
