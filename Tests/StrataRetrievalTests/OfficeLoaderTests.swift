import Foundation
import StrataCore
import StrataRetrieval
import Testing

@Suite("Office documents against what their own writers read")
struct OfficeLoaderTests {
  private static func golden(_ name: String) throws -> [UInt8] {
    Array(try Data(contentsOf: URL(fileURLWithPath: Fixtures.root + "/Tests/StrataRetrievalTests/Golden/" + name)))
  }

  private static func expected(_ format: String) throws -> JSON {
    try #require(try JSON(parsing: try golden("office.json"))[format])
  }

  private static func rows(_ value: JSON?) -> [String] {
    (value?.arrayValue ?? []).map { row in
      "|" + (row.arrayValue ?? []).map { " " + ($0.stringValue ?? "").replacing("|", with: "\\|") + " |" }.joined()
    }
  }

  @Test("DOCX: headings, lists, merged cells, footnotes, and nothing that was deleted")
  func word() async throws {
    let document = try await Fixtures.parse(try Self.golden("office.docx"), "office.docx")
    let expected = try Self.expected("docx")
    #expect(document.title == "Field manual")
    let headings = document.blocks.compactMap { block -> JSON? in
      if case .heading(let level, let title) = block.kind { [.int(level), .string(title)] } else { nil }
    }
    #expect(JSON.array(headings) == expected["headings"])
    let list = document.blocks.filter { $0.kind == .listItem }.map { String(document.text($0).dropFirst(2)) }
    #expect(JSON.array(list.map(JSON.string)) == expected["list"])
    #expect(document.tableRows == Self.rows(expected["table"]))
    #expect(document.blocks.contains { $0.kind == .tableRow(header: "Probe, Range, Buffer") })
    for paragraph in expected["paragraphs"]?.arrayValue ?? [] {
      let text = document.canonicalText.replacing("\t", with: " ")
      #expect(text.contains(paragraph.stringValue ?? "?"))
    }
    #expect(
      document.texts.suffix(2) == ["Store upright.\tNever dry.[2] Inserted.", "[2] Salt creeps into dry joints."])
    #expect(!document.canonicalText.contains("gone"))
    #expect(document.metadata["author"] == "python-docx" && document.metadata["created"] != nil)
  }

  @Test("XLSX: dates, percentages, shared strings, values of formulas, several tables in a sheet")
  func spreadsheet() async throws {
    let document = try await Fixtures.parse(try Self.golden("office.xlsx"), "office.xlsx")
    let expected = try Self.expected("xlsx")
    let sheets = document.blocks.compactMap { block -> JSON? in
      if case .heading(1, let title) = block.kind { .string(title) } else { nil }
    }
    #expect(JSON.array(sheets) == expected["sheets"])
    let orders = Self.rows(expected["orders"])
    #expect(Array(document.tableRows.prefix(orders.count)) == orders)
    #expect(document.texts.contains("Orders of the first quarter"))
    #expect(document.blocks.contains { $0.kind == .tableRow(header: "Day, Customer, Amount, Share, Paid") })
    // A merged cell names both of its columns.
    let grid: [String] = Self.rows(expected["grid"])
    #expect(Array(document.tableRows.suffix(3)) == ["| Site | Readings | Readings |"] + Array(grid[1...]))
    #expect(document.texts.contains("| 1 | second table |"))
    #expect(document.blocks.last?.page == 2)
  }

  @Test("PPTX: slides in the order shown, with titles, bullets, tables and notes")
  func slides() async throws {
    let document = try await Fixtures.parse(try Self.golden("office.pptx"), "office.pptx")
    let expected = try Self.expected("pptx")
    var titles: [JSON] = []
    for block in document.blocks {
      guard case .heading(_, let title) = block.kind else { continue }
      titles.append(.string(title))
      #expect(block.page == titles.count)
    }
    #expect(JSON.array(titles) == expected["titles"])
    #expect(document.tableRows == Self.rows(expected["table"]))
    for text in (expected["texts"]?.arrayValue ?? []).flatMap({ $0.arrayValue ?? [] }) {
      #expect(document.canonicalText.contains(text.stringValue ?? "?"))
    }
    #expect(document.texts.last == "Notes: Mention the storm of 14 February.")
  }

  @Test("files that are not what their names say, and old formats, are told apart")
  func impostors() async throws {
    let ole: [UInt8] = [0xD0, 0xCF, 0x11, 0xE0, 0xA1, 0xB1, 0x1A, 0xE1] + [UInt8](repeating: 0, count: 600)
    let old = try await #require(throws: RetrievalError.self) { try await Fixtures.parse(ole, "a.docx") }
    #expect(old.message.contains("97") && old.remedy?.contains("DOCX") == true)
    let marker = "EncryptedPackage".utf16.flatMap { [UInt8($0 & 255), UInt8($0 >> 8)] }
    let locked = try await #require(throws: RetrievalError.self) { try await Fixtures.parse(ole + marker, "a.xlsx") }
    #expect(locked.code.name == "document_encrypted")
    await #expect(throws: RetrievalError.self) { try await Fixtures.parse("plain", "a.pptx") }
    await #expect(throws: RetrievalError.self) { try await Fixtures.parse(Self.golden("office.xlsx"), "a.docx") }
  }

  @Test("an archive that unpacks to far more than it is, is refused")
  func bomb() async throws {
    let bomb = try Self.zip(["xl/workbook.xml": [UInt8](repeating: 32, count: 40 << 20)])
    #expect(bomb.count < 1 << 20)
    let error = try await #require(throws: RetrievalError.self) { try await Fixtures.parse(bomb, "a.xlsx") }
    #expect(error.message.contains("unpacked"))
    let entities = Array(
      """
      <!DOCTYPE x [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;"><!ENTITY f SYSTEM "file:///etc/passwd">]>
      <w:document xmlns:w="x"><w:body><w:p><w:r><w:t>&b;&f;</w:t></w:r></w:p></w:body></w:document>
      """.utf8)
    await #expect(throws: RetrievalError.self) {
      try await Fixtures.parse(try Self.zip(["word/document.xml": entities]), "a.docx")
    }
  }

  private static func zip(_ entries: [String: [UInt8]]) throws -> [UInt8] {
    let folder = try TemporaryFolder()
    for (name, bytes) in entries { try folder.write(name, bytes) }
    let process = Process()
    process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
    process.currentDirectoryURL = URL(fileURLWithPath: folder.path)
    process.arguments =
      ["python3", "-m", "zipfile", "-c", "out.zip"] + entries.keys.map { String($0.prefix { $0 != "/" }) }
    try process.run()
    process.waitUntilExit()
    return Array(try Data(contentsOf: URL(fileURLWithPath: folder.path + "/out.zip")))
  }
}

extension ParsedDocument {
  /// Texts of header and data rows in order.
  var tableRows: [String] {
    blocks.filter { block in
      switch block.kind {
      case .tableHeader, .tableRow: true
      default: false
      }
    }.map(text)
  }
}
