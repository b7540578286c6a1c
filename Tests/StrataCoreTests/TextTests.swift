import StrataCore
import Testing

@Suite("SentenceSplitter")
struct SentenceSplitterTests {
  private func split(_ text: String) -> [String] {
    let bytes = Array(text.utf8)
    return SentenceSplitter.sentences(bytes, in: bytes.indices).map { bytes.text($0) }
  }

  @Test("abbreviations, initials and numbers end nothing")
  func abbreviations() {
    for text in [
      "Dr. Vega met J. R. Smith of Acme Inc. Monday at 2.5 p.m. sharp.", "See Fig. 3 and e.g. Table 2.",
      "The U.S. Senate voted, i.e. it agreed.", "Really? he asked.",
    ] { #expect(split(text) == [text]) }
  }

  @Test("a stop, what closes after it, and a beginning make a boundary")
  func boundaries() {
    #expect(
      split("Book it! \"Now.\" (Yes.) Then ... Well…  Done.") == [
        "Book it!", "\"Now.\"", "(Yes.)", "Then ...", "Well…", "Done.",
      ])
    #expect(split("It is **free.** Take “two.” Go.") == ["It is **free.**", "Take “two.”", "Go."])
    #expect(split("これは本です。彼は「はい。」と言った！終") == ["これは本です。", "彼は「はい。」", "と言った！", "終"])
    #expect(split("no stop\n\nnew paragraph") == ["no stop", "new paragraph"])
    #expect(split(" \n ").isEmpty)
  }

  @Test("small letters begin sentences only where there are no capitals at all")
  func lowercase() {
    #expect(split("the rate fell. it rose in may.") == ["the rate fell.", "it rose in may."])
    #expect(split("The rate fell vs. it rose. it rose in may.").count == 1)
    for text in ["about approx. five, e.g. six.", "well ... perhaps", "well… perhaps", "really? he asked."] {
      #expect(split(text) == [text])
    }
  }

  @Test("sentences cover all but white space, and never cut a character")
  func cover() {
    var generator = SystemRandomNumberGenerator()
    let pieces = [".", "!", "…", "。", "」", "’", " ", "\n", "\n\n", "a", "B", "é", "*", "U.S.", "\u{E2}", "1"]
    for _ in 0..<300 {
      let text = (0..<Int.random(in: 0..<40, using: &generator)).map { _ in
        pieces.randomElement(using: &generator) ?? ""
      }.joined()
      let sentences = split(text)
      #expect(sentences.joined().filter { !$0.isWhitespace } == text.filter { !$0.isWhitespace })
      #expect(!sentences.contains { $0.contains("\u{FFFD}") })
    }
  }
}

@Suite("CitedPlace")
struct CitedPlaceTests {
  @Test("what is quoted of a part of a text is found in the whole, and nowhere else")
  func parts() throws {
    let whole = Array("One. Zoë’s two days. Three.".utf8)
    let part = Array(whole[5...])
    let place = try #require(CitedPlace(document: "a", version: 1, quoting: 0..<17, of: part, from: 5))
    #expect(place.range == 5..<22 && place.quote(in: part, from: 5) == place.quote(in: whole))
    #expect(place.quote(in: whole)?.hasPrefix("Zoë’s two") == true)
    #expect(
      place.quote(in: whole, from: 1) == nil && place.quote(in: part) == nil && place.quote(in: [], from: 9) == nil)
    #expect(CitedPlace(document: "a", version: 1, quoting: 0..<99, of: part) == nil)
    #expect(CitedPlace(document: "a", version: 1, quoting: 3..<3, of: part) == nil)
    #expect(CitedPlace(document: "a", version: 1, quoting: 0..<3, of: part, from: .max) == nil)
  }

  @Test("of several occurrences the nearest is found, whatever the typography")
  func nearest() {
    let finder = QuoteFinder("two days; “two  days”; two days")
    #expect(finder.range(of: "two days") == 0..<8)
    #expect(finder.range(of: "two days", near: 12)?.lowerBound == 13)
    #expect(finder.range(of: "two days", near: 90)?.lowerBound == 27)
    #expect(finder.range(of: "three days", near: 4) == nil)
  }
}
