// Owns PDF through poppler's pdftotext, in a process of its own: a broken file can harm nothing but that process.
import Foundation
import StrataCore

struct PDFLoader {
  var process = FilterProcess(program: "pdftotext", arguments: ["-enc", "UTF-8", "-eol", "unix", "-q", "-", "-"])

  func load(_ bytes: [UInt8], path: String) async throws -> ParsedDocument {
    // Readers accept some bytes before the header (ISO 32000-1, appendix H.3.4.1).
    guard bytes.prefix(1024 + 5).firstRange(of: Array("%PDF-".utf8)) != nil else {
      throw RetrievalError.parserFailed(
        "The file is named like a PDF but is none.", remedy: "Give it its right extension.", path: path)
    }
    switch await process.run(input: bytes) {
    case .finished(let output, let errors, let status): return try document(output, errors, status, bytes, path: path)
    case .timedOut:
      throw RetrievalError.parserFailed(
        "pdftotext did not finish within \(process.timeout.components.seconds) seconds.",
        remedy: "Print the file to a new PDF, or ignore it.", path: path)
    case .tooMuchOutput:
      throw RetrievalError.parserFailed(
        "The PDF holds more than \(process.outputByteLimit) bytes of text.", remedy: "Split it.", path: path)
    case .cancelled: throw CancellationError()
    case .notInstalled: throw RetrievalError.toolMissing("pdftotext", package: "poppler-utils")
    case .failedToStart(let reason):
      throw RetrievalError.parserFailed("pdftotext did not start: \(reason).", path: path)
    }
  }

  private func document(
    _ output: [UInt8], _ errors: String, _ status: Int32, _ bytes: [UInt8], path: String
  ) throws -> ParsedDocument {
    guard status == 0 else {
      if errors.contains("ncorrect password") || bytes.firstRange(of: Array("/Encrypt".utf8)) != nil {
        throw RetrievalError.parserFailed(
          "The PDF is protected by a password.", remedy: "Save a copy without a password.", path: path)
      }
      let reason = errors.split(separator: "\n").first.map { ": \($0)" } ?? " (exit status \(status))"
      throw RetrievalError.parserFailed(
        "pdftotext could not read the PDF\(reason).", remedy: "The file is probably damaged.", path: path)
    }
    // What poppler writes is UTF-8 without NUL, whatever the file says; other bytes would be its defect.
    let text = String(decoding: output, as: UTF8.self).replacingNUL()
    let parsed = PDFBlockReader(bytes: Array(text.utf8)).read()
    guard !parsed.blocks.isEmpty else {
      throw RetrievalError.noText(
        "The PDF has no text layer.", remedy: "It is probably a scan: run OCR on it first, for example with ocrmypdf.",
        path: path)
    }
    return ParsedDocument(
      canonicalText: text, title: parsed.title ?? DocumentFormat.title(fromPath: path), blocks: parsed.blocks,
      mediaType: "application/pdf")
  }
}

/// Finds pages (separated by form feeds), paragraphs and what looks like a heading in pdftotext's output.
private struct PDFBlockReader {
  let bytes: [UInt8]

  func read() -> (blocks: [DocumentBlock], title: String?) {
    var blocks: [DocumentBlock] = []
    var title: String?
    var page = 1
    var start = 0
    while start < bytes.count {
      let end = bytes[start...].firstIndex(of: 12) ?? bytes.count
      let paragraphs = PlainTextLoader.paragraphs(bytes, in: start..<end).flatMap(headingAndRest)
      for (index, range) in paragraphs.enumerated() {
        let next = index + 1 < paragraphs.count ? paragraphs[index + 1] : nil
        if let heading = heading(range, next: next) {
          let isTitle = title == nil && blocks.isEmpty
          if isTitle { title = heading }
          blocks.append(DocumentBlock(.heading(level: isTitle ? 1 : 2, title: heading), range, page: page))
        } else {
          blocks.append(DocumentBlock(.paragraph, range, page: page))
        }
      }
      start = end + 1
      page += 1
    }
    return (blocks, title)
  }

  /// Poppler often leaves no empty line between a heading and the text below it, which then is much longer.
  private func headingAndRest(_ paragraph: Range<Int>) -> [Range<Int>] {
    guard let lineEnd = bytes[paragraph].firstIndex(of: 10) else { return [paragraph] }
    let first = bytes.trimmed(paragraph.lowerBound..<lineEnd)
    let rest = bytes.trimmed(lineEnd..<paragraph.upperBound)
    let secondEnd = bytes[rest].firstIndex(of: 10) ?? rest.upperBound
    guard (secondEnd - rest.lowerBound) * 2 >= first.count * 3, heading(first, next: rest) != nil else {
      return [paragraph]
    }
    return [first, rest]
  }

  /// A short line of its own, in capitals at its start and without an end of sentence, before something longer.
  private func heading(_ range: Range<Int>, next: Range<Int>?) -> String? {
    guard let next, range.count <= 80, next.count >= max(40, 2 * range.count) else { return nil }
    let line = bytes.text(range)
    guard !line.contains(where: \.isNewline), let first = line.first, let last = line.last else { return nil }
    guard first.isUppercase || first.isNumber, last.isLetter || last.isNumber, line.contains(where: \.isLetter) else {
      return nil
    }
    return line.split(separator: " ").count <= 10 ? line : nil
  }
}
