// Owns what a citation is and the check that it holds: bytes of one version of one document, told by their hash. Every
// check of a citation, while answering and later, is this one.

/// What an answer claims to rest on: bytes of one version of one document.
public struct CitedPlace: Sendable, Hashable {
  /// Path in the collection.
  public var document: String
  public var version: Int
  /// UTF-8 byte range in the version's canonical text.
  public var range: Range<Int>
  /// Lower-case hexadecimal SHA-256 of the quoted bytes.
  public var quoteHash: String

  public init(document: String, version: Int, range: Range<Int>, quoteHash: String) {
    self.document = document
    self.version = version
    self.range = range
    self.quoteHash = quoteHash
  }

  public init(document: String, version: Int, range: Range<Int>, quote: String) {
    self.init(document: document, version: version, range: range, quoteHash: SHA256.hash(quote))
  }

  /// The place of bytes that are at hand; nil when `text` has no such bytes.
  /// - Parameters:
  ///   - local: UTF-8 bytes of `text`.
  ///   - text: the version's canonical text, or a part of it.
  ///   - offset: where the part begins in it.
  public init?(document: String, version: Int, quoting local: Range<Int>, of text: [UInt8], from offset: Int = 0) {
    guard local.lowerBound >= 0, local.upperBound <= text.count, !local.isEmpty,
      !offset.addingReportingOverflow(local.upperBound).overflow
    else { return nil }
    self.init(
      document: document, version: version, range: (offset + local.lowerBound)..<(offset + local.upperBound),
      quoteHash: SHA256.hash(text[local]))
  }

  /// The cited bytes when `text` says exactly this in this place; nil when it says something else or has no such place.
  /// - Parameters:
  ///   - text: the version's canonical text, or a part of it.
  ///   - offset: where the part begins in it.
  public func quote(in text: [UInt8], from offset: Int = 0) -> String? {
    guard range.lowerBound >= offset, range.upperBound - offset <= text.count, !range.isEmpty else { return nil }
    let bytes = text[(range.lowerBound - offset)..<(range.upperBound - offset)]
    return SHA256.hash(bytes) == quoteHash ? String(decoding: bytes, as: UTF8.self) : nil
  }
}
