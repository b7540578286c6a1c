// Owns what a half-written JSON text is worth.

import StrataCore
import StrataSchema
import Testing

@Suite("PartialJSON")
struct PartialJSONTests {
  @Test(
    "an unfinished text has a value",
    arguments: [
      ("", "null"), ("{", "{}"), (#"{"a"#, "{}"), (#"{"a":"#, "{}"), (#"{"a":"x"#, #"{"a":"x"}"#),
      (#"{"a":"x\"#, #"{"a":"x"}"#), (#"{"a":"x\u00"#, #"{"a":"x"}"#), (#"{"a":1"#, #"{"a":1}"#),
      (#"{"a":1."#, #"{"a":1}"#), (#"{"a":-"#, "{}"), (#"{"a":tru"#, "{}"), (#"{"a":true"#, #"{"a":true}"#),
      (#"[1,[2,{"b":"c"#, #"[1,[2,{"b":"c"}]]"#), (#"[1, 2,"#, "[1,2]"), (#""ab"#, #""ab""#), ("12", "12"),
      (#"{"a":"\ud83d"#, #"{"a":""}"#), (#"{"a":"\ud83d\ude00"#, #"{"a":"😀"}"#), (#" {"a":[]} "#, #"{"a":[]}"#),
    ])
  func values(text: String, expected: String) throws {
    var partial = PartialJSON()
    partial.push(text)
    #expect(partial.value == (try JSON(parsing: expected)))
    #expect(!partial.isMalformed)
  }

  @Test("however a text is cut, the end is what the parser reads")
  func cuts() throws {
    let text = #"{"answer":"Grüße \"x\" \u00e9 😀\n","list":[1,-2.5e3,true,null,{"k":[]}],"n":0}"#
    let bytes = Array(text.utf8)
    for size in 1...7 {
      var partial = PartialJSON()
      for start in stride(from: 0, to: bytes.count, by: size) {
        partial.push(bytes: Array(bytes[start..<min(start + size, bytes.count)]))
        #expect(!partial.isMalformed)
      }
      #expect(partial.isComplete)
      #expect(partial.value == (try JSON(parsing: text)))
    }
  }

  @Test("a string can be followed while it is written")
  func strings() {
    var partial = PartialJSON()
    #expect(partial.string(at: ["answer"]) == nil)
    partial.push(#"{"kind":"x","items":[{"quote":"don"#)
    #expect(partial.string(at: ["kind"])?.text == "x")
    #expect(partial.string(at: ["items", "0", "quote"])?.text == "don")
    #expect(partial.string(at: ["items", "0", "quote"])?.isComplete == false)
    #expect(partial.string(at: ["items", "1", "quote"]) == nil)
    partial.push(#"e"},{"quote":""#)
    #expect(partial.string(at: ["items", "0", "quote"])?.text == "done")
    #expect(partial.string(at: ["items", "0", "quote"])?.isComplete == true)
    #expect(partial.string(at: ["items", "1", "quote"])?.text == "")
    partial.push(#""}]}"#)
    #expect(partial.isComplete)
    #expect(partial.string(at: ["items", "1", "quote"])?.isComplete == true)
  }

  @Test(
    "malformed text stops the parser and keeps the value", arguments: ["{]", "[1 2]", "{\"a\" 1}", "x", "[1}", "{}{"])
  func malformed(text: String) {
    var partial = PartialJSON()
    partial.push(text)
    partial.push("more")
    #expect(partial.isMalformed)
  }
}
