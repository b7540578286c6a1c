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
    default: return nil
    }
  }
}
