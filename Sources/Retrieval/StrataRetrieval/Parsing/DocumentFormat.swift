// Owns which files are documents and which loader reads them. The lists of what can be ingested and uploaded follow
// from here.

/// The formats that can be ingested.
public enum DocumentFormat: String, Sendable, Hashable, CaseIterable {
  case markdown, html, text, csv, json, jsonLines, code, pdf, word, spreadsheet, slides, email, mailbox

  /// Part of how documents are made: another value means that all have to be read again.
  static let revision = 2

  private static let extensions: [String: DocumentFormat] = {
    let groups: [(DocumentFormat, String)] = [
      (.markdown, "md markdown mdown"), (.html, "html htm xhtml"), (.text, "txt text rst adoc org log"),
      (.csv, "csv tsv"), (.json, "json geojson ipynb"), (.jsonLines, "jsonl ndjson"), (.pdf, "pdf"),
      (.word, "docx docm dotx"), (.spreadsheet, "xlsx xlsm xltx"), (.slides, "pptx pptm ppsx potx"), (.email, "eml"),
      (.mailbox, "mbox"),
    ]
    var result = CodeLanguage.byExtension.mapValues { _ in DocumentFormat.code }
    for (format, names) in groups { for name in names.split(separator: " ") { result[String(name)] = format } }
    return result
  }()

  /// Without the dot, sorted: what `strata ingest` takes in and the web page lets people upload.
  public static let supportedExtensions = extensions.keys.sorted()

  /// By the file name's extension, in any case; nil when it is none of ours.
  public init?(path: String) {
    guard let format = Self.extensionOf(path).flatMap({ Self.extensions[$0] }) else { return nil }
    self = format
  }

  /// By the name, else by the first bytes of the file at `folder/path`.
  init?(path: String, in folder: String) {
    guard
      let format = DocumentFormat(path: path)
        ?? FileReader.head("\(folder)/\(path)").flatMap({ DocumentFormat(sniffing: $0) })
    else { return nil }
    self = format
  }

  static func extensionOf(_ path: String) -> String? {
    let name = path.split(separator: "/").last ?? ""
    guard let dot = name.lastIndex(of: "."), dot != name.startIndex else { return nil }
    return name[name.index(after: dot)...].lowercased()
  }

  /// By what the first bytes of a file say, for files whose names say nothing; nil when they say nothing either.
  public init?(sniffing bytes: [UInt8]) {
    func has(_ text: String, within count: Int) -> Bool {
      bytes.prefix(count).firstRange(of: Array(text.utf8)) != nil
    }
    if bytes.starts(with: "%PDF-".utf8) {
      self = .pdf
    } else if bytes.starts(with: [0x50, 0x4B, 3, 4]) {
      // The parts of an office file lie in folders that say which program they are for.
      if has("word/", within: 1 << 16) {
        self = .word
      } else if has("xl/", within: 1 << 16) {
        self = .spreadsheet
      } else if has("ppt/", within: 1 << 16) {
        self = .slides
      } else {
        return nil
      }
    } else if bytes.starts(with: "From ".utf8), has("\nFrom:", within: 1 << 16) || has("\nReceived:", within: 1 << 16) {
      self = .mailbox
    } else {
      let head = String(decoding: bytes.prefix(512).drop { $0.isASCIISpace || $0 >= 0xBB }, as: UTF8.self).lowercased()
      guard head.hasPrefix("<!doctype html") || head.hasPrefix("<html") else { return nil }
      self = .html
    }
  }

  /// Reads one file, by its name or else by its first bytes.
  /// - Throws: ``RetrievalError`` with the reason why it is no document.
  public static func parse(file path: String, options: LoaderOptions = LoaderOptions()) async throws -> ParsedDocument {
    let bytes = try FileReader(byteLimit: 1 << 30).read(path).bytes
    guard let format = DocumentFormat(path: path) ?? DocumentFormat(sniffing: bytes) else {
      throw RetrievalError.unsupportedType(path)
    }
    return try await format.parse(bytes, path: path, options: options)
  }

  /// Turns the bytes of a file into text and blocks.
  /// - Parameter path: names the document in errors, and gives it a title when it has none itself.
  /// - Throws: ``RetrievalError`` with the reason why the document has no text.
  public func parse(
    _ bytes: [UInt8], path: String, options: LoaderOptions = LoaderOptions()
  ) async throws -> ParsedDocument {
    let document: ParsedDocument
    func text() throws -> String { try TextDecoder.decode(bytes, path: path) }
    switch self {
    case .pdf: document = try await PDFLoader(options: options).load(bytes, path: path)
    case .word: document = try WordLoader().load(bytes, path: path)
    case .spreadsheet: document = try SpreadsheetLoader().load(bytes, path: path)
    case .slides: document = try SlidesLoader().load(bytes, path: path)
    case .email, .mailbox:
      document = try await MailLoader().load(bytes, path: path, isMailbox: self == .mailbox, options: options)
    case .html: document = try HTMLLoader().load(bytes, path: path)
    case .markdown: document = try MarkdownLoader().load(text(), path: path)
    case .csv: document = try CSVLoader().load(text(), path: path)
    case .json, .jsonLines: document = try JSONLoader().load(text(), path: path, isLines: self == .jsonLines)
    case .code:
      let language = Self.extensionOf(path).flatMap { CodeLanguage.byExtension[$0] }
      document =
        try language.map { CodeLoader(language: $0).load(try text(), path: path) }
        ?? PlainTextLoader().load(text(), path: path)
    case .text: document = PlainTextLoader().load(try text(), path: path)
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
