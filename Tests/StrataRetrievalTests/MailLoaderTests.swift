import Foundation
import StrataCore
import StrataRetrieval
import Testing

@Suite("E-mail")
struct MailLoaderTests {
  private func eml(_ text: String) -> [UInt8] { Array(text.replacing("\n", with: "\r\n").utf8) }

  @Test("headers, encodings, own words and quoted ones, and an attachment that is a document")
  func message() async throws {
    let message = eml(
      """
      From: =?utf-8?q?J=C3=B6rg_?= =?utf-8?q?M=C3=BCller?= <joerg@example.com>
      To: team@example.com
      Subject: =?iso-8859-1?B?R3L832U=?= from the
       harbour
      Date: Mon, 2 Mar 2026 10:00:00 +0100
      MIME-Version: 1.0
      Content-Type: multipart/mixed; boundary="b 1"

      preamble
      --b 1
      Content-Type: multipart/alternative; boundary=inner

      --inner
      Content-Type: text/plain; charset=utf-8
      Content-Transfer-Encoding: quoted-printable

      The pump runs at 12=C2=B0C and the valve is =
      open.

      Second paragraph.

      On Sunday, Ada wrote:
      > Is it open?
      >
      > Tell me.

      Yes.
      -- 
      Joerg
      --inner
      Content-Type: text/html; charset=utf-8

      <p>The pump runs.</p>
      --inner--
      --b 1
      Content-Type: application/octet-stream
      Content-Disposition: attachment; filename*0*=utf-8''pump%20; filename*1=data.csv
      Content-Transfer-Encoding: base64

      bmFtZSx2YWx1ZQpwdW1wLDEyCg==
      --b 1
      Content-Type: image/png; name=photo.png
      Content-Disposition: attachment
      Content-Transfer-Encoding: base64

      iVBORw0KGgo=
      --b 1--
      epilogue
      """)
    let document = try await Fixtures.parse(message, "a.eml")
    #expect(document.title == "Grüße from the harbour")
    #expect(
      document.texts == [
        "Grüße from the harbour",
        "From: Jörg Müller <joerg@example.com>\nTo: team@example.com\nDate: Mon, 2 Mar 2026 10:00:00 +0100",
        "The pump runs at 12°C and the valve is open.", "Second paragraph.",
        "On Sunday, Ada wrote:\nIs it open?\n\nTell me.", "Yes.", "Joerg", "Attachment: pump data.csv", "name,value",
        "pump,12", "Attachment: photo.png",
      ])
    #expect(document.metadata["to"] == "team@example.com" && document.metadata["from"] != nil)
    #expect(document.blocks[4].kind == .quote)
    #expect(document.blocks[9].kind == .tableRow(header: "name, value"))
  }

  @Test("an HTML body counts when the plain one is a stub, and what it quotes is marked")
  func html() async throws {
    let page =
      "<p>" + String(repeating: "Real words about the pump. ", count: 30) + "</p><blockquote>Old words</blockquote>"
    let document = try await Fixtures.parse(
      eml(
        """
        Subject: x
        From: a@b
        Content-Type: multipart/alternative; boundary=q

        --q
        Content-Type: text/plain

        See the web.
        --q
        Content-Type: text/html

        \(page)
        --q--
        """), "a.eml")
    #expect(document.canonicalText.contains("Real words"))
    #expect(document.blocks.last?.kind == .quote)
    #expect(!document.canonicalText.contains("See the web"))
  }

  @Test("a mailbox is its messages, each under its subject")
  func mailbox() async throws {
    let text = """
      From ada@example.com Mon Mar  2 10:00:00 2026
      From: ada@example.com
      Subject: One

      First body.
      >From here on.

      From bob@example.com Mon Mar  2 11:00:00 2026
      From: bob@example.com
      Subject: Two

      Second body.
      -----Original Message-----
      From: ada@example.com
      Sent: today

      Old.

      """
    let document = try await Fixtures.parse(text, "a.mbox")
    #expect(document.texts.contains("First body.\nFrom here on."))
    let headings = document.blocks.compactMap { block -> String? in
      if case .heading(1, let title) = block.kind { title } else { nil }
    }
    #expect(headings == ["One", "Two"])
    #expect(document.blocks.last?.kind == .quote)
    #expect(DocumentFormat(sniffing: Array(text.utf8)) == .mailbox)
  }

  @Test("messages in messages and parts in parts end somewhere")
  func nesting() async throws {
    var inner = "Subject: core\nFrom: a@b\n\ncore words\n"
    for level in 0..<40 {
      inner = "Subject: level \(level)\nFrom: a@b\nContent-Type: message/rfc822\n\n" + inner
    }
    let document = try await Fixtures.parse(inner, "a.eml")
    #expect(document.blocks.count < 30)
    var parts = "words\n"
    for level in 0..<60 {
      parts = "Content-Type: multipart/mixed; boundary=b\(level)\n\n--b\(level)\n" + parts + "\n--b\(level)--\n"
    }
    #expect(try await Fixtures.parse("From: a@b\n" + parts, "a.eml").blocks.count < 100)
    await #expect(throws: RetrievalError.self) { try await Fixtures.parse("just words", "a.eml") }
  }
}
