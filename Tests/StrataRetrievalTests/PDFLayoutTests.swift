import Foundation
import StrataCore
import StrataRetrieval
import Testing

/// Three documents that another program wrote, which also says in what order they are read and what their tables hold.
@Suite("PDF reading order and tables")
struct PDFLayoutTests {
  private struct Document {
    var parsed: ParsedDocument
    var blocks: [JSON]
    var tables: [[[String]]]
  }

  private static func load(_ name: String) async throws -> Document {
    let folder = Fixtures.root + "/Tests/StrataRetrievalTests/Golden/"
    let truth = try #require(try JSON(parsing: String(contentsOfFile: folder + "pdf.json", encoding: .utf8))[name])
    let bytes = Array(try #require(FileManager.default.contents(atPath: folder + name)))
    return Document(
      parsed: try await Fixtures.parse(bytes, name), blocks: truth["blocks"]?.arrayValue ?? [],
      tables: (truth["tables"]?.arrayValue ?? []).map { table in
        (table.arrayValue ?? []).map { ($0.arrayValue ?? []).map { $0.stringValue ?? "" } }
      })
  }

  @Test("paragraphs come whole and in order", arguments: ["paper.pdf", "report.pdf", "statement.pdf"])
  func order(name: String) async throws {
    let document = try await Self.load(name)
    var position = document.parsed.canonicalText.startIndex
    var missing: [String] = []
    var count = 0
    for block in document.blocks {
      guard let text = block["text"]?.stringValue, block["kind"] != "code" else { continue }
      count += 1
      let wanted = text.hasPrefix("• ") ? String(text.dropFirst(2)) : text
      if let range = document.parsed.canonicalText.range(
        of: wanted, range: position..<document.parsed.canonicalText.endIndex)
      {
        position = range.upperBound
      } else {
        missing.append(String(wanted.prefix(60)))
      }
    }
    #expect(missing.count * 20 <= count, "\(missing.count) of \(count): \(missing)")
  }

  @Test("rows of tables are rows", arguments: ["paper.pdf", "report.pdf", "statement.pdf"])
  func tables(name: String) async throws {
    let document = try await Self.load(name)
    let found = Set(document.parsed.tableRows)
    let wanted = document.tables.joined().map { row in "|" + row.map { " \($0) |" }.joined() }
    let missing = wanted.filter { !found.contains($0) }
    #expect(missing.count * 20 <= wanted.count, "\(missing.count) of \(wanted.count): \(missing.prefix(5))")
    #expect(found.count <= wanted.count + 2)
  }

  @Test("headings have levels, code keeps its lines, what runs on every page is gone, pages count")
  func structure() async throws {
    let paper = try await Self.load("paper.pdf").parsed
    let headings = paper.blocks.compactMap { block -> String? in
      if case .heading(let level, let title) = block.kind { "\(level) \(title)" } else { nil }
    }
    #expect(headings.first == "1 Drift of moored conductivity probes in stratified harbours")
    #expect(
      headings.contains("2 1 Introduction") && headings.contains { $0.hasSuffix("2.1 Calibration of the gauges") })
    #expect(!paper.canonicalText.contains("Journal of Harbour Surveys"))
    #expect(paper.blocks.last?.page == 3)
    let report = try await Self.load("report.pdf").parsed
    #expect(report.blocks.last?.kind == .code)
    #expect(report.texts.last == "def reset(probe):\n    probe.stop()\n    return probe.start(delay=30)")
    #expect(!report.canonicalText.contains("internal"))
    // The table goes on over two pages, and its rows still know their columns.
    #expect(
      report.blocks.filter { $0.kind == .tableRow(header: "Part, Number, Shelf, Stock, Description") }.count == 60)
    #expect(report.blocks.filter { $0.kind == .listItem }.count == 5)
  }
}
