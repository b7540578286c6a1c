// Owns reading what poppler's programs print: words with places from pdftotext, fonts and outline from pdftohtml.
import Foundation

/// An entry of the outline that a document brings along.
struct PDFOutlineEntry: Hashable {
  /// From 1.
  var level: Int
  var title: String
  /// From 1.
  var page: Int?
}

enum PopplerOutput {
  static let wordLimit = 5_000_000

  /// The pages of `pdftotext -bbox-layout`, one element a line.
  static func pages(_ output: [UInt8]) -> (metadata: [(name: String, value: String?)], pages: [PDFPage]) {
    var pages: [PDFPage] = []
    let names = [
      "Author": "author", "Subject": "subject", "Keywords": "keywords", "CreationDate": "created",
      "ModDate": "modified",
    ]
    var metadata: [(name: String, value: String?)] = []
    var count = 0
    for range in output.lineRanges() {
      let line = output[output.trimmed(range)]
      if line.starts(with: "<word ".utf8) {
        guard count < wordLimit, !pages.isEmpty, let word = word(String(decoding: line, as: UTF8.self)) else {
          continue
        }
        count += 1
        pages[pages.count - 1].words.append(word)
      } else if line.starts(with: "<page ".utf8) {
        let text = String(decoding: line, as: UTF8.self)
        pages.append(
          PDFPage(width: attribute("width", text) ?? 0, height: attribute("height", text) ?? 0))
      } else if line.starts(with: "<meta ".utf8), pages.isEmpty, metadata.count < 16 {
        let text = String(decoding: line, as: UTF8.self)
        if let name = value("name", text).flatMap({ names[String($0)] }), let content = value("content", text) {
          metadata.append((name, cleaned(unescaped(String(content)))))
        }
      }
    }
    return (metadata, pages)
  }

  private static func word(_ line: String) -> PDFWord? {
    guard let x0 = attribute("xMin", line), let y0 = attribute("yMin", line), let x1 = attribute("xMax", line),
      let y1 = attribute("yMax", line), x1 > x0, y1 > y0
    else { return nil }
    let text = cleaned(unescaped(content(line)))
    guard !text.isEmpty else { return nil }
    return PDFWord(box: PDFBox(x0: x0, y0: y0, x1: x1, y1: y1), text: text, size: y1 - y0)
  }

  /// Takes apart ligatures, and leaves out what is not shown.
  private static func cleaned(_ text: String) -> String {
    var result = String.UnicodeScalarView()
    for scalar in text.unicodeScalars {
      switch scalar.value {
      case 0xFB00...0xFB04:
        result.append(contentsOf: ["ff", "fi", "fl", "ffi", "ffl"][Int(scalar.value) - 0xFB00].unicodeScalars)
      case 0xFB05, 0xFB06: result.append(contentsOf: "st".unicodeScalars)
      case 0..<32, 127, 0x200B, 0xFEFF: continue
      case 0xA0: result.append(" ")
      default: result.append(scalar)
      }
    }
    return String(result).trimmingCharacters(in: .whitespaces)
  }

  // MARK: Fonts

  /// A piece of text in one font, as `pdftohtml -xml` has it.
  struct FontRun {
    var box: PDFBox
    var size: Double
    var isBold: Bool
    var isMonospaced: Bool
  }

  /// - Returns: by page; and the outline.
  static func fonts(_ output: [UInt8]) -> (runs: [[FontRun]], outline: [PDFOutlineEntry]) {
    var runs: [[FontRun]] = []
    var fonts: [Int: (size: Double, isBold: Bool, isMonospaced: Bool)] = [:]
    var outline: [PDFOutlineEntry] = []
    var outlineLevel = 0
    var scale = 1.5
    for range in output.lineRanges() {
      let line = output[output.trimmed(range)]
      guard line.first == UInt8(ascii: "<"), line.count < 1 << 16 else { continue }
      let text = String(decoding: line, as: UTF8.self)
      if text.hasPrefix("<page ") {
        runs.append([])
        scale = 1.5
      } else if text.hasPrefix("<fontspec "), let id = attribute("id", text) {
        let family = (value("family", text) ?? "").lowercased()
        fonts[Int(clamping: Int64(id))] = (
          (attribute("size", text) ?? 0) / scale,
          ["bold", "black", "heavy", "semibold", "-bd"].contains { family.contains($0) },
          ["mono", "courier", "consol", "menlo", "typewriter", "cmtt", "sourcecode"].contains { family.contains($0) }
        )
      } else if text.hasPrefix("<text "), !runs.isEmpty, let top = attribute("top", text),
        let left = attribute("left", text), let width = attribute("width", text), let height = attribute("height", text)
      {
        let font = attribute("font", text).flatMap { fonts[Int(clamping: Int64($0))] }
        runs[runs.count - 1].append(
          FontRun(
            box: PDFBox(x0: left / scale, y0: top / scale, x1: (left + width) / scale, y1: (top + height) / scale),
            size: font?.size ?? 0, isBold: font?.isBold == true || text.contains("<b>"),
            isMonospaced: font?.isMonospaced == true))
      } else if text.hasPrefix("<outline") {
        outlineLevel += 1
      } else if text.hasPrefix("</outline") {
        outlineLevel -= 1
      } else if text.hasPrefix("<item "), outlineLevel > 0, outline.count < 100_000 {
        outline.append(
          PDFOutlineEntry(
            level: outlineLevel, title: CanonicalTextWriter.onOneLine(cleaned(unescaped(content(text)))),
            page: attribute("page", text).map { Int(clamping: Int64($0)) }))
      }
    }
    return (runs, outline)
  }

  /// Gives each word the font of the run that it lies in.
  static func apply(_ runs: [FontRun], to page: inout PDFPage) {
    let band = 8.0
    var bands: [Int: [Int]] = [:]
    for (index, run) in runs.enumerated() where run.box.y1 - run.box.y0 < 400 && run.box.y0 > -1e6 && run.box.y1 < 1e6 {
      for key in Int(run.box.y0 / band)...max(Int(run.box.y0 / band), Int(run.box.y1 / band)) {
        bands[key, default: []].append(index)
      }
    }
    for index in page.words.indices {
      let box = page.words[index].box
      guard abs(box.midY) < 1e6 else { continue }
      for candidate in (bands[Int(box.midY / band)] ?? []).prefix(200) {
        let run = runs[candidate]
        guard run.box.x0 - 2 <= box.midX, box.midX <= run.box.x1 + 2, run.box.y0 - 1 <= box.midY,
          box.midY <= run.box.y1 + 1
        else { continue }
        if run.size > 0 { page.words[index].size = run.size }
        page.words[index].isBold = run.isBold
        page.words[index].isMonospaced = run.isMonospaced
        break
      }
    }
  }

  // MARK: Elements

  private static func value(_ name: String, _ line: String) -> Substring? {
    guard let start = line.range(of: " \(name)=\"") else { return nil }
    return line[start.upperBound...].prefix { $0 != "\"" }
  }

  private static func attribute(_ name: String, _ line: String) -> Double? {
    guard let number = value(name, line).flatMap({ Double($0) }), number.isFinite, abs(number) < 1e7 else { return nil }
    return number
  }

  /// What stands between the first tag and the last.
  private static func content(_ line: String) -> String {
    guard let start = line.firstIndex(of: ">"), let end = line.lastIndex(of: "<"), start < end else { return "" }
    return String(line[line.index(after: start)..<end])
  }

  private static func unescaped(_ text: String) -> String {
    guard text.contains("&") else { return text }
    return text.replacing("&lt;", with: "<").replacing("&gt;", with: ">").replacing("&quot;", with: "\"")
      .replacing("&apos;", with: "'").replacing("&#39;", with: "'").replacing("&amp;", with: "&")
  }
}
