// Owns what a chunk is before a store gives it a number, and what is embedded of it.
import StrataCore

/// A piece of a document that is found and cited as one.
public struct DocumentChunk: Sendable, Hashable {
  /// UTF-8 byte range in the canonical text.
  public var range: Range<Int>
  /// Exactly the bytes of `range`.
  public var text: String
  /// Headings from the outermost inwards. Of table rows the last is the list of column names, unless `text` has them.
  public var headingPath: [String]
  public var page: Int?
  /// Normalized, from a chunker that embeds in context; nil when ``embeddedText(title:embedder:)`` is to be embedded.
  public var vector: [Float]?

  public init(range: Range<Int>, text: String, headingPath: [String] = [], page: Int? = nil) {
    self.range = range
    self.text = text
    self.headingPath = headingPath
    self.page = page
  }

  /// What an embedder and a word index see before `text`: title and headings, each once.
  package static func context(title: String, headingPath: [String]) -> String {
    var parts: [String] = []
    for part in [title] + headingPath where !part.isEmpty && parts.last != part { parts.append(part) }
    return parts.joined(separator: " > ")
  }

  /// Context and text, the context cut so that the text fits the embedder.
  package func embeddedText(title: String, embedder: any Embedder) -> String {
    // Two for the special tokens around the text, two for the line break and rounding between the parts.
    let room = embedder.maxTokens - 4 - embedder.countTokens(text)
    var path = headingPath
    var context = Self.context(title: title, headingPath: path)
    while !context.isEmpty, embedder.countTokens(context) > room {
      if path.isEmpty {
        context = ""
      } else {
        path.removeFirst()
        context = Self.context(title: "", headingPath: path)
      }
    }
    return context.isEmpty ? text : context + "\n" + text
  }
}
