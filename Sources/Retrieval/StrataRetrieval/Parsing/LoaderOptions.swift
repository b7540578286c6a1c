// Owns what a caller may decide about reading documents. Knows nothing about formats.

/// How documents are read.
public struct LoaderOptions: Sendable, Hashable {
  /// Reads text in pictures: pages of a PDF that are scans. It needs the program tesseract.
  public struct OCR: Sendable, Hashable {
    /// Tesseract's codes of languages, such as `eng` or `deu`.
    public var languages: [String]
    /// Dots per inch at which pages are drawn.
    public var resolution: Int
    /// Most pages of one document that are read so.
    public var pageLimit: Int

    public init(languages: [String] = ["eng"], resolution: Int = 300, pageLimit: Int = 200) {
      self.languages = languages
      self.resolution = resolution
      self.pageLimit = pageLimit
    }
  }

  /// Nil reads no text in pictures.
  public var ocr: OCR?
  /// Longest time for one program that reads a document.
  public var timeout: Duration
  /// How deeply documents may lie in documents, such as attachments in attached e-mail.
  var nestingLimit = 4

  public init(ocr: OCR? = nil, timeout: Duration = .seconds(60)) {
    self.ocr = ocr
    self.timeout = timeout
  }

  /// For a document inside the one that is being read; nil when that would be too deep.
  var nested: LoaderOptions? {
    guard nestingLimit > 0 else { return nil }
    var options = self
    options.nestingLimit -= 1
    return options
  }
}
