// Owns which loader reads what a server calls by a media type.

extension DocumentFormat {
  /// - Parameter mediaType: with or without parameters; nil when it is none of ours, or says nothing
  ///   (`application/octet-stream`).
  init?(mediaType: String) {
    let essence = mediaType.prefix { $0 != ";" }.lowercased().filter { !$0.isWhitespace }
    switch essence {
    case "text/html", "application/xhtml+xml": self = .html
    case "text/markdown", "text/x-markdown": self = .markdown
    case "text/plain": self = .text
    case "text/csv", "text/tab-separated-values": self = .csv
    case "application/pdf": self = .pdf
    case "application/json", "application/ld+json", "application/geo+json": self = .json
    case "application/jsonl", "application/x-ndjson": self = .jsonLines
    case "message/rfc822": self = .email
    case "application/mbox": self = .mailbox
    case "application/vnd.openxmlformats-officedocument.wordprocessingml.document": self = .word
    case "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet": self = .spreadsheet
    case "application/vnd.openxmlformats-officedocument.presentationml.presentation": self = .slides
    default: return nil
    }
  }
}
