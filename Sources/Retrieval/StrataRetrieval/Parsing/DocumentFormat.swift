// Owns which files are documents and which loader reads them.

/// The formats that can be ingested.
public enum DocumentFormat: String, Sendable, Hashable, CaseIterable {
  case markdown, html, text, csv, pdf

  /// Part of how documents are made: another value means that all have to be read again.
  static let revision = 1

  private static let extensions: [String: DocumentFormat] = [
    "md": .markdown, "markdown": .markdown, "mdown": .markdown, "html": .html, "htm": .html, "xhtml": .html,
    "txt": .text, "text": .text, "csv": .csv, "tsv": .csv, "pdf": .pdf,
  ]

  public static let supportedExtensions = extensions.keys.sorted()

  /// By the file name's extension, in any case; nil when it is none of ours.
  public init?(path: String) {
    let name = path.split(separator: "/").last ?? ""
    guard let dot = name.lastIndex(of: "."), dot != name.startIndex else { return nil }
    guard let format = Self.extensions[name[name.index(after: dot)...].lowercased()] else { return nil }
    self = format
  }

  /// Turns the bytes of a file into text and blocks.
  /// - Parameter path: names the document in errors, and gives it a title when it has none itself.
  /// - Throws: ``RetrievalError`` with the reason why the document has no text.
  public func parse(_ bytes: [UInt8], path: String) async throws -> ParsedDocument {
    let document: ParsedDocument
    switch self {
    case .pdf: document = try await PDFLoader().load(bytes, path: path)
    case .html: document = try HTMLLoader().load(bytes, path: path)
    case .markdown: document = try MarkdownLoader().load(try TextDecoder.decode(bytes, path: path), path: path)
    case .csv: document = try CSVLoader().load(try TextDecoder.decode(bytes, path: path), path: path)
    case .text: document = PlainTextLoader().load(try TextDecoder.decode(bytes, path: path), path: path)
    }
    guard !document.blocks.isEmpty else {
      throw RetrievalError.noText("The document has no text.", remedy: "Fill it, or ignore it.", path: path)
    }
    return document
  }

  /// `policies/remote-work.md` → `remote work`.
  static func title(fromPath path: String) -> String {
    let name = path.split(separator: "/").last.map(String.init) ?? path
    let stem = name.lastIndex(of: ".").map { $0 == name.startIndex ? name : String(name[..<$0]) } ?? name
    return String(stem.map { $0 == "-" || $0 == "_" ? " " : $0 })
  }
}
