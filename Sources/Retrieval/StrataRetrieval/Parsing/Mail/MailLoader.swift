// Owns e-mail and mailboxes as documents: who wrote what to whom when, what they quote, and what they attached.

struct MailLoader {
  private static let messageLimit = 100_000

  /// - Parameter isMailbox: many messages, each after a line that begins with `From ` (RFC 4155).
  func load(_ bytes: [UInt8], path: String, isMailbox: Bool, options: LoaderOptions) async throws -> ParsedDocument {
    var writer = CanonicalTextWriter()
    var title: String?
    var metadata: [(name: String, value: String?)] = []
    if isMailbox {
      for (index, range) in Self.messages(bytes).prefix(Self.messageLimit).enumerated() {
        try Task.checkCancellation()
        let message = MIMEPart(Self.withoutFromQuotes(bytes[range]))
        await write(message, level: 1, number: index + 1, to: &writer, options)
      }
    } else {
      let message = MIMEPart(bytes)
      guard message.header("from") != nil || message.header("subject") != nil || message.header("received") != nil
      else {
        throw RetrievalError.parserFailed(
          "The file is named like an e-mail but is none.", remedy: "Give it its right extension.", path: path)
      }
      title = message.header("subject").map(CanonicalTextWriter.onOneLine)
      metadata = ["from", "to", "cc", "date"].map { ($0, message.header($0)) }
      await write(message, level: 1, number: 1, to: &writer, options)
    }
    return try writer.document(
      title: title, mediaType: isMailbox ? "application/mbox" : "message/rfc822", path: path,
      metadata: metadata)
  }

  // MARK: Mailboxes

  private static func messages(_ bytes: [UInt8]) -> [Range<Int>] {
    let marker = Array("From ".utf8)
    var messages: [Range<Int>] = []
    var start: Int?
    var isAfterBlank = true
    var position = 0
    while position < bytes.count {
      let end = bytes[position...].firstIndex(of: 10) ?? bytes.count
      if isAfterBlank, bytes[position..<end].starts(with: marker) {
        if let start { messages.append(start..<position) }
        start = min(end + 1, bytes.count)
      }
      isAfterBlank = bytes.trimmed(position..<end).isEmpty
      position = end + 1
    }
    if let start { messages.append(start..<bytes.count) }
    return messages
  }

  /// Mailboxes write `>From ` where a line of a message begins with `From `.
  private static func withoutFromQuotes(_ bytes: ArraySlice<UInt8>) -> [UInt8] {
    let marker = Array("From ".utf8)
    var result: [UInt8] = []
    result.reserveCapacity(bytes.count)
    var position = bytes.startIndex
    while position < bytes.endIndex {
      let end = bytes[position...].firstIndex(of: 10).map { $0 + 1 } ?? bytes.endIndex
      let line = bytes[position..<end]
      let unquoted = line.drop { $0 == UInt8(ascii: ">") }
      result += line.startIndex < unquoted.startIndex && unquoted.starts(with: marker) ? line.dropFirst() : line
      position = end
    }
    return result
  }

  // MARK: Messages

  private func write(
    _ message: MIMEPart, level: Int, number: Int, to writer: inout CanonicalTextWriter, _ options: LoaderOptions
  ) async {
    writer.addHeading(level, message.header("subject") ?? "Message \(number)")
    let lines = ["From", "To", "Cc", "Date"].compactMap { name in
      message.header(name.lowercased()).map { "\(name): \(CanonicalTextWriter.onOneLine($0))" }
    }
    writer.add(.paragraph, lines.joined(separator: "\n"))
    await writeBody(message, level: level, to: &writer, options)
  }

  private func writeBody(
    _ part: MIMEPart, level: Int, to writer: inout CanonicalTextWriter, _ options: LoaderOptions
  ) async {
    switch part.type {
    case "multipart/alternative":
      if let chosen = Self.best(part.parts) { await writeBody(chosen, level: level, to: &writer, options) }
    case let type where type.hasPrefix("multipart/"):
      for inner in part.parts { await writeBody(inner, level: level, to: &writer, options) }
    case "message/rfc822" where part.disposition != "attachment" || part.fileName == nil,
      "message/rfc822":
      guard let options = options.nested else { return }
      await write(MIMEPart(part.body), level: level + 1, number: 1, to: &writer, options)
    case "text/plain" where part.disposition != "attachment": MailText(part.text).write(to: &writer)
    case "text/html" where part.disposition != "attachment":
      if let page = try? HTMLLoader(mainTextOnly: false).load(Array(part.text.utf8), path: "message.html") {
        writer.add(page, below: level)
      }
    default: await writeAttachment(part, level: level, to: &writer, options)
    }
  }

  /// The plain text, unless it is a stub beside the page that was meant.
  private static func best(_ parts: [MIMEPart]) -> MIMEPart? {
    let plain = parts.first { $0.type == "text/plain" }
    let rich = parts.last { $0.type == "text/html" || $0.type.hasPrefix("multipart/") }
    guard let plain else { return rich ?? parts.last }
    guard let rich else { return plain }
    if rich.type == "text/html" {
      let length = rich.text.reduce(into: (count: 0, inTag: false)) { state, character in
        if character == "<" {
          state.inTag = true
        } else if character == ">" {
          state.inTag = false
        } else if !state.inTag {
          state.count += 1
        }
      }.count
      if plain.text.count * 6 < length { return rich }
    }
    return plain.text.allSatisfy(\.isWhitespace) ? rich : plain
  }

  private func writeAttachment(
    _ part: MIMEPart, level: Int, to writer: inout CanonicalTextWriter, _ options: LoaderOptions
  ) async {
    guard let name = part.fileName ?? Self.fileName(forType: part.type), !part.body.isEmpty,
      let format = DocumentFormat(path: name) ?? DocumentFormat(sniffing: part.body)
    else {
      if let name = part.fileName { writer.add(.paragraph, "Attachment: \(CanonicalTextWriter.onOneLine(name))") }
      return
    }
    writer.addHeading(level + 1, "Attachment: \(name)")
    guard let options = options.nested else {
      return writer.add(.paragraph, "(Not read: attachments are nested too deeply.)")
    }
    do {
      writer.add(try await format.parse(part.body, path: name, options: options), below: level + 1)
    } catch {
      let reason = (error as? RetrievalError)?.message ?? "it cannot be read"
      writer.add(.paragraph, "(Not read: \(reason))")
    }
  }

  private static func fileName(forType type: String) -> String? {
    switch type {
    case "text/plain": "text.txt"
    case "text/html": "page.html"
    case "text/csv": "table.csv"
    case "text/markdown": "text.md"
    case "application/pdf": "document.pdf"
    default: nil
    }
  }
}

/// The paragraphs of a plain message: what was written, what is quoted, and the signature.
private struct MailText {
  private let lines: [Substring]

  init(_ text: String) { lines = text.split(separator: "\n", omittingEmptySubsequences: false) }

  private enum Kind { case own, quote }

  func write(to writer: inout CanonicalTextWriter) {
    var paragraph: [Substring] = []
    var kind = Kind.own
    var restIsQuote = false
    func flush() {
      writer.add(kind == .quote ? .quote : .paragraph, paragraph.joined(separator: "\n"))
      paragraph = []
    }
    for (index, line) in lines.enumerated() {
      let text = line.drop { $0 == " " || $0 == "\t" || $0 == "\u{A0}" }
      if !restIsQuote, isForwardMark(text, at: index) { restIsQuote = true }
      let lineKind: Kind = restIsQuote || text.hasPrefix(">") || isAttribution(at: index) ? .quote : .own
      // A quotation is one block with its empty lines; what the writer said is cut at them.
      if lineKind != kind, !text.isEmpty {
        flush()
        kind = lineKind
      }
      if text.isEmpty, kind == .own || restIsQuote {
        flush()
        continue
      }
      if line == "-- " || line == "--" {
        flush()
        continue
      }
      paragraph.append(Substring(unquoted(text)))
    }
    flush()
  }

  private func unquoted(_ line: Substring) -> Substring {
    line.hasPrefix(">") ? line.drop { $0 == ">" || $0 == " " } : line
  }

  /// `On Monday, Ada wrote:` right above a quotation, perhaps on two lines.
  private func isAttribution(at index: Int) -> Bool {
    for last in [index, index + 1] where last < lines.count {
      let line = lines[last].reversed().drop { $0 == " " || $0 == "\r" }
      guard line.first == ":", lines[last].utf8.count < 200 else { continue }
      var next = last + 1
      while next < lines.count, next < last + 3, lines[next].allSatisfy(\.isWhitespace) { next += 1 }
      guard next < lines.count, lines[next].hasPrefix(">") else { continue }
      if last == index { return true }
      // The first of two lines: it must not be the end of a paragraph.
      return !lines[index].isEmpty && (index == 0 || lines[index - 1].allSatisfy(\.isWhitespace))
    }
    return false
  }

  /// Outlook's marks: everything below is what was answered.
  private func isForwardMark(_ line: Substring, at index: Int) -> Bool {
    guard line.utf8.count < 200 else { return false }
    if line.hasPrefix("-----"), line.hasSuffix("-----"), line.contains(where: \.isLetter) { return true }
    guard line.hasPrefix("From: ") || line.hasPrefix("*From:* ") else { return false }
    return lines[index + 1..<min(index + 5, lines.count)].contains {
      $0.hasPrefix("Sent: ") || $0.hasPrefix("*Sent:* ") || $0.hasPrefix("Date: ")
    }
  }
}
