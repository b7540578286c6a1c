// Owns reading scanned pages: poppler draws them, tesseract reads them. Neither is needed for pages that have text.
import StrataCore

struct PDFRecognizer {
  let ocr: LoaderOptions.OCR
  let timeout: Duration

  /// Pages with fewer words than this are taken for pictures.
  private static let wordLimit = 3

  /// Gives words to the pages that have none.
  /// - Throws: ``RetrievalError`` when a program is missing or a language is not installed.
  func fill(_ pages: inout [PDFPage], _ bytes: [UInt8], path: String) async throws {
    var read = 0
    for index in pages.indices where pages[index].words.count < Self.wordLimit && read < ocr.pageLimit {
      try Task.checkCancellation()
      read += 1
      guard
        let image = try await run(
          "pdftoppm", package: "poppler-utils", input: bytes, path: path,
          [
            "-f", "\(index + 1)", "-l", "\(index + 1)", "-r", "\(ocr.resolution)", "-gray", "-q", "-",
          ]), !image.isEmpty
      else { continue }
      let languages = ocr.languages.filter { language in
        !language.isEmpty && language.allSatisfy { $0.isASCII && ($0.isLetter || $0.isNumber || $0 == "_") }
      }
      guard
        let table = try await run(
          "tesseract", package: "tesseract-ocr", input: image, path: path,
          [
            "stdin", "stdout", "-l", languages.joined(separator: "+"), "--dpi", "\(ocr.resolution)", "tsv",
          ])
      else { continue }
      let words = Self.words(table, scale: 72 / Double(max(1, ocr.resolution)))
      if words.count > pages[index].words.count { pages[index].words = words }
    }
  }

  /// Nil when the program made nothing of this page.
  private func run(
    _ program: String, package: String, input: [UInt8], path: String, _ arguments: [String]
  ) async throws -> [UInt8]? {
    var process = FilterProcess(program: program, arguments: arguments)
    process.timeout = timeout
    switch await process.run(input: input) {
    case .finished(let output, let errors, let status):
      if errors.contains("Failed loading language") {
        throw RetrievalError(
          ErrorCode("tool_missing", .unavailable),
          "Tesseract has no data for a language in \(ocr.languages.joined(separator: "+")).",
          remedy: "Install it, for example: apt-get install tesseract-ocr-deu", location: path)
      }
      return status == 0 ? output : nil
    case .cancelled: throw CancellationError()
    case .notInstalled: throw RetrievalError.toolMissing(program, package: package)
    case .timedOut, .tooMuchOutput, .failedToStart: return nil
    }
  }

  /// Words of tesseract's table. All words of a line get its height: that of single words depends on their letters.
  private static func words(_ table: [UInt8], scale: Double) -> [PDFWord] {
    var words: [PDFWord] = []
    var line: (y0: Double, y1: Double) = (0, 0)
    for range in table.lineRanges() {
      let fields = table.text(range).split(separator: "\t", omittingEmptySubsequences: false)
      guard fields.count >= 12, let level = Int(fields[0]), let left = Double(fields[6]), let top = Double(fields[7]),
        let width = Double(fields[8]), let height = Double(fields[9]),
        [left, top, width, height].allSatisfy({ $0.magnitude < 1e6 })
      else { continue }
      if level == 4 { line = (top * scale, (top + height) * scale) }
      guard level == 5, let confidence = Double(fields[10]), confidence >= 20 else { continue }
      let text = CanonicalTextWriter.onOneLine(String(fields[11]))
      guard !text.isEmpty, line.y1 > line.y0, width > 0 else { continue }
      words.append(
        PDFWord(
          box: PDFBox(x0: left * scale, y0: line.y0, x1: (left + width) * scale, y1: line.y1), text: text,
          // Line boxes vary with the letters that happen to be in them: round to two points.
          size: max(2, ((line.y1 - line.y0) / 2).rounded() * 2)))
    }
    return words
  }
}
