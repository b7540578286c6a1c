import StrataCore
import Testing

@Suite("JSON")
struct JSONTests {
  @Test("numbers keep their digits and compare by value")
  func numbers() throws {
    let value = try JSON(parsing: "[12345678901234567890, 1.0, 10e-1, 0.10, -0]")
    #expect(value.text() == "[12345678901234567890,1.0,10e-1,0.10,-0]")
    #expect(value[1] == 1)
    #expect(value[2]?.intValue == 1)
    #expect(value[3] == 0.1)
    #expect(value[4] == 0)
  }

  @Test("members keep their order, repeated names keep the last value")
  func order() throws {
    let value = try JSON(parsing: #"{"b":1,"a":2,"b":3}"#)
    #expect(value.text() == #"{"b":3,"a":2}"#)
    #expect(value.text(.canonical) == #"{"a":2,"b":3}"#)
    #expect(value == ["a": 2, "b": 3])
  }

  @Test(
    "text that is no JSON is refused with its position",
    arguments: [
      ("", 0), ("{", 1), ("[1,]", 3), ("01", 1), ("\"a", 2), ("nul", 3), ("1 2", 2), ("\"\u{1}\"", 1), ("[1", 2),
      ("{\"a\" 1}", 5), ("+1", 0), (".5", 0), ("1.", 2), ("\"\\x\"", 2), ("\"\\u12g4\"", 5),
    ])
  func invalid(text: String, offset: Int) {
    let error = #expect(throws: JSONParseError.self) { try JSON(parsing: text) }
    #expect(error?.offset == offset)
  }

  @Test("ten thousand levels are refused, not a crash")
  func deep() {
    let error = #expect(throws: JSONParseError.self) {
      try JSON(parsing: String(repeating: "[", count: 10_000))
    }
    #expect(error?.code == JSONParseError.tooDeep)
  }

  @Test("escapes and surrogates")
  func strings() throws {
    let value = try JSON(parsing: #""\ud83d\ude00 \n \u00e9 \ud83d""#)
    #expect(value.stringValue == "😀 \n é \u{FFFD}")
    #expect(JSON.string("a\u{2}\"\\").text() == #""a\u0002\"\\""#)
  }
}

@Suite("SHA256")
struct SHA256Tests {
  @Test("the vectors of FIPS 180-4")
  func vectors() {
    #expect(SHA256.hash("abc") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad")
    #expect(SHA256.hash("") == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855")
  }
}
