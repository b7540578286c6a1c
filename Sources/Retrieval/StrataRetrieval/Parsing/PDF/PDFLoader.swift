// Owns PDF through poppler's programs, in processes of their own: a broken file can harm nothing but those processes.
import Foundation
import StrataCore

struct PDFLoader {
  var options = LoaderOptions()

  func load(_ bytes: [UInt8], path: String) async throws -> ParsedDocument {
    // Readers accept some bytes before the header (ISO 32000-1, appendix H.3.4.1).
    guard bytes.prefix(1024 + 5).firstRange(of: Array("%PDF-".utf8)) != nil else {
      throw RetrievalError.parserFailed(
        "The file is named like a PDF but is none.", remedy: "Give it its right extension.", path: path)
    }
    let output = try await poppler("pdftotext", ["-bbox-layout", "-enc", "UTF-8", "-q", "-", "-"], bytes, path)
    let (metadata, read) = PopplerOutput.pages(output)
    var pages = read
    var outline: [PDFOutlineEntry] = []
    // Without fonts the layout still says most; some files make pdftohtml fail where pdftotext does not.
    let fonts = try? await poppler("pdftohtml", ["-xml", "-i", "-q", "-stdout", "-", "out"], bytes, path)
    try Task.checkCancellation()
    if let fonts {
      let found = PopplerOutput.fonts(fonts)
      outline = found.outline
      for (index, runs) in found.runs.enumerated() where pages.indices.contains(index) {
        PopplerOutput.apply(runs, to: &pages[index])
      }
    }
    if let ocr = options.ocr {
      try await PDFRecognizer(ocr: ocr, timeout: options.timeout).fill(&pages, bytes, path: path)
    }
    return try document(pages, outline, metadata, path: path)
  }

  private func document(
    _ pages: [PDFPage], _ outline: [PDFOutlineEntry], _ metadata: [(name: String, value: String?)], path: String
  ) throws -> ParsedDocument {
    let deadline = ContinuousClock.now + options.timeout
    let segmented = pages.map { ($0, PDFSegment.segments(of: $0.words)) }
    let running = PDFRunningLines(segmented)
    var arranged: [[PDFLayout.Element]] = []
    for (page, all) in segmented {
      try Task.checkCancellation()
      let segments = all.filter { !running.contains($0, on: page) }
      // A file that takes this long is made to; the rest stays in the order that it has.
      let inTime = ContinuousClock.now < deadline
      arranged.append(inTime ? PDFLayout.elements(segments) : segments.map(PDFLayout.Element.line))
    }
    let writer = PDFText(pages: arranged, outline: outline).writer
    guard !writer.blocks.isEmpty else {
      throw RetrievalError.noText(
        "The PDF has no text layer.",
        remedy: options.ocr == nil
          ? "It is probably a scan: take it in with --ocr, or run OCR on it first, for example with ocrmypdf."
          : "OCR found no words in it either.",
        path: path)
    }
    let title = writer.blocks.lazy.compactMap { block in
      if case .heading(_, let title) = block.kind { title } else { nil }
    }.first
    return try writer.document(title: title, mediaType: "application/pdf", path: path, metadata: metadata)
  }

  /// What one of poppler's programs prints of the file.
  private func poppler(
    _ program: String, _ arguments: [String], _ bytes: [UInt8], _ path: String
  ) async throws -> [UInt8] {
    var process = FilterProcess(program: program, arguments: arguments)
    process.timeout = options.timeout
    switch await process.run(input: bytes) {
    case .finished(let output, let errors, let status):
      if status == 0 { return output }
      if errors.contains("ncorrect password") || bytes.firstRange(of: Array("/Encrypt".utf8)) != nil {
        throw RetrievalError.passwordProtected(path: path)
      }
      let reason = errors.split(separator: "\n").first.map { ": \($0)" } ?? " (exit status \(status))"
      throw RetrievalError.parserFailed(
        "\(program) could not read the PDF\(reason).", remedy: "The file is probably damaged.", path: path)
    case .timedOut:
      throw RetrievalError.parserFailed(
        "\(program) did not finish within \(process.timeout.components.seconds) seconds.",
        remedy: "Print the file to a new PDF, or ignore it.", path: path)
    case .tooMuchOutput:
      throw RetrievalError.parserFailed(
        "The PDF holds more than \(process.outputByteLimit) bytes of text.", remedy: "Split it.", path: path)
    case .cancelled: throw CancellationError()
    case .notInstalled: throw RetrievalError.toolMissing(program, package: "poppler-utils")
    case .failedToStart(let reason):
      throw RetrievalError.parserFailed("\(program) did not start: \(reason).", path: path)
    }
  }
}
