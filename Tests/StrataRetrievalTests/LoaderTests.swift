import Foundation
import StrataCore
import StrataRetrieval
import Testing

@Suite("Loaders")
struct LoaderTests {
  @Test("Markdown blocks are exact ranges of the file, marks and all")
  func markdown() async throws {
    let source = """
      # Größe *und* `Maß`

      First paragraph,
      two lines.

      - item – one
      - item two

        second paragraph
      1. numbered
         - nested

      > quoted

      | A | B |
      |---|---|
      | ä | 1 |
      | c | 2 |

      ```swift
      let x = 1
      ```

      Setext
      ------
      Last.
      """
    let document = try await Fixtures.parse(source, "a.md")
    #expect(document.canonicalText == source)
    #expect(document.title == "Größe und Maß")
    #expect(
      document.texts == [
        "# Größe *und* `Maß`", "First paragraph,\ntwo lines.", "- item – one", "- item two", "second paragraph",
        "1. numbered", "- nested", "quoted", "| A | B |", "| ä | 1 |", "| c | 2 |", "```swift\nlet x = 1\n```",
        "Setext\n------", "Last.",
      ])
    #expect(document.blocks[8].kind == .tableHeader)
    #expect(document.blocks[9].kind == .tableRow(header: "A, B"))
    #expect(document.blocks[11].kind == .code)
    #expect(document.blocks[12].kind == .heading(level: 2, title: "Setext"))
  }

  @Test("a byte order mark, CRLF and front matter move no offset")
  func markdownOffsets() async throws {
    let source = "\u{FEFF}---\r\ntitle: \"The title\"\r\n---\r\n\r\n# Head\r\n\r\nText ä.\r\n"
    let document = try await Fixtures.parse(source, "a.md")
    #expect(document.title == "The title")
    #expect(document.texts == ["# Head", "Text ä."])
    #expect(document.canonicalText.utf8.count == source.utf8.count)
  }

  @Test("Markdown nested beyond reason is read as text, quickly")
  func markdownNesting() async throws {
    let line = String(repeating: "> ", count: 5000) + "deep\n"
    let duration = try await ContinuousClock().measure {
      _ = try await Fixtures.parse(String(repeating: line, count: 20), "a.md")
      _ = try await Fixtures.parse(String(repeating: "- ", count: 20000) + "x", "a.md")
      _ = try await Fixtures.parse(String(repeating: "[", count: 50000) + "x", "a.md")
    }
    #expect(duration < .seconds(30))
  }

  @Test("CSV keeps quoted line breaks, and each row knows its columns")
  func csv() async throws {
    let source = "Name,Note\r\n\"Doe, Jane\",\"two\nlines \"\"quoted\"\"\"\r\nMax,ok\r\n"
    let document = try await Fixtures.parse(source, "people.csv")
    #expect(document.texts == ["Name,Note", "\"Doe, Jane\",\"two\nlines \"\"quoted\"\"\"", "Max,ok"])
    #expect(document.blocks.map(\.kind).last == .tableRow(header: "Name, Note"))
    #expect(document.canonicalText == source)
    let semicolons = try await Fixtures.parse("a;b\n1,5;2\n", "x.csv")
    #expect(semicolons.blocks.last?.kind == .tableRow(header: "a, b"))
    let unclosed = try await Fixtures.parse("a,b\n1,\"never closed\n2,3\n", "x.csv")
    #expect(unclosed.texts == ["a,b", "1,\"never closed", "2,3"])
  }

  @Test("text in other encodings is decoded, binary data is refused")
  func encodings() async throws {
    #expect(try await Fixtures.parse([0x63, 0x61, 0x66, 0xE9, 0x20, 0x80], "a.txt").canonicalText == "café €")
    let utf16 = "Grüße, Welt".utf16.flatMap { [UInt8($0 & 255), UInt8($0 >> 8)] }
    #expect(try await Fixtures.parse([0xFF, 0xFE] + utf16, "a.txt").canonicalText == "Grüße, Welt")
    #expect(try await Fixtures.parse(utf16, "a.txt").canonicalText == "Grüße, Welt")
    let bigEndian = "Grüße".utf16.flatMap { [UInt8($0 >> 8), UInt8($0 & 255)] }
    #expect(try await Fixtures.parse([0xFE, 0xFF] + bigEndian, "a.md").canonicalText == "Grüße")
    var random = SystemRandomNumberGenerator()
    let noise = (0..<4096).map { _ in UInt8.random(in: 0...255, using: &random) }
    await #expect(throws: RetrievalError.self) { try await Fixtures.parse(noise, "a.txt") }
    await #expect(throws: RetrievalError.self) { try await Fixtures.parse([], "a.txt") }
    await #expect(throws: RetrievalError.self) { try await Fixtures.parse(" \n\t\n", "a.md") }
  }

  @Test("HTML keeps the main text and its structure, not what is around it")
  func html() async throws {
    let bytes = Array(try Data(contentsOf: URL(fileURLWithPath: Fixtures.handbook + "/company/offices.html")))
    let document = try await Fixtures.parse(bytes, "company/offices.html")
    #expect(document.title == "Our offices")
    #expect(document.canonicalText.contains("The tank is 18 metres long."))
    for word in ["Imprint", "analytics", "Popular", "Jobs", "padding"] {
      #expect(!document.canonicalText.contains(word), "\(word)")
    }
    #expect(document.blocks.contains { $0.kind == .heading(level: 2, title: "Grenholm, workshop") })
    let table = try await Fixtures.parse(
      "<body><h1>T</h1><table><tr><th>A<th>B<tr><td>x<td>y &amp; z</table><pre>a\n  b</pre><p>caf&eacute;<br>two",
      "t.html")
    #expect(table.texts == ["T", "A | B", "x | y & z", "a\n  b", "café\ntwo"])
    #expect(table.blocks[2].kind == .tableRow(header: "A, B"))
  }

  @Test("a page in another encoding than it says, deep or broken, still gives its text")
  func hostileHTML() async throws {
    let latin = Array("<html><meta charset=iso-8859-1><body><p>".utf8) + [0xE9] + Array(" text</p>".utf8)
    #expect(try await Fixtures.parse(latin, "a.html").canonicalText == "é text")
    let cyrillic = Array("<meta charset=\"windows-1251\"><p>".utf8) + [0xCF, 0xF0, 0xE8]
    #expect(try await Fixtures.parse(cyrillic, "a.html").canonicalText == "При")
    let deep = String(repeating: "<div>", count: 20_000) + "<p>inside</p>"
    #expect(try await Fixtures.parse(deep, "a.html").canonicalText.contains("inside"))
    #expect(try await Fixtures.parse("<p>a<b>b</i>c</p></div><<<", "a.html").canonicalText.hasPrefix("abc"))
    await #expect(throws: RetrievalError.self) { try await Fixtures.parse("<script>x</script>", "a.html") }
  }

  @Test("a PDF's pages, headings and text are found")
  func pdf() async throws {
    let bytes = Array(try Data(contentsOf: URL(fileURLWithPath: Fixtures.handbook + "/facilities/emergency.pdf")))
    let document = try await Fixtures.parse(bytes, "facilities/emergency.pdf")
    #expect(document.title == "Emergency handbook")
    let fire = try #require(document.blocks.first { document.text($0).contains("bronze anchor") })
    let storm = try #require(document.blocks.first { document.text($0).contains("25 metres a second") })
    #expect(fire.page == 1 && storm.page == 3)
    #expect(document.blocks.contains { $0.kind == .heading(level: 2, title: "Battery fire") && $0.page == 2 })
  }

  @Test("PDFs without text, damaged ones and impostors say what they are")
  func badPDF() async throws {
    let blank = """
      %PDF-1.4
      1 0 obj<</Type/Catalog/Pages 2 0 R>>endobj
      2 0 obj<</Type/Pages/Kids[3 0 R]/Count 1>>endobj
      3 0 obj<</Type/Page/Parent 2 0 R/MediaBox[0 0 99 99]>>endobj
      trailer<</Root 1 0 R>>
      """
    let scan = try await #require(throws: RetrievalError.self) { try await Fixtures.parse(blank, "a.pdf") }
    #expect(scan.message.contains("no text layer") && scan.remedy?.contains("OCR") == true)
    let impostor = try await #require(throws: RetrievalError.self) { try await Fixtures.parse("hello", "a.pdf") }
    #expect(impostor.code.name == "document_unparsable")
    await #expect(throws: RetrievalError.self) {
      try await Fixtures.parse("%PDF-1.7\n" + String(repeating: "garbage ", count: 9999), "a.pdf")
    }
  }

  @Test("plain text has paragraphs and perhaps a title")
  func plainText() async throws {
    let document = try await Fixtures.parse("Warranty\n\nLine one\nline two.\n \n\tThird.\n", "x/warranty.txt")
    #expect(document.title == "Warranty")
    #expect(document.texts == ["Warranty", "Line one\nline two.", "Third."])
    #expect(try await Fixtures.parse("Just text.", "some-file_name.txt").title == "some file name")
  }
}
