// Owns reading a sitemap (sitemaps.org 0.9) out of XML bytes, through libxml2. Fetches nothing.
import CLibXML2
import Foundation

/// What a sitemap names: pages, or further sitemaps.
struct Sitemap: Sendable, Hashable {
  struct Entry: Sendable, Hashable {
    var location: String
    /// As written.
    var lastModified: String?
  }

  var pages: [Entry] = []
  var sitemaps: [Entry] = []

  /// - Throws: ``RetrievalError`` when the bytes are no XML.
  init(_ bytes: [UInt8], url: String) throws {
    guard bytes.count < 1 << 30 else { throw RetrievalError.fileTooLarge(bytes.count, limit: 1 << 30, path: url) }
    // Entities are not substituted and nothing is loaded; without HUGE libxml2 bounds depth and sizes itself.
    let options = XML_PARSE_NONET.rawValue | XML_PARSE_NOERROR.rawValue | XML_PARSE_NOWARNING.rawValue
    let document = bytes.withUnsafeBytes { buffer in
      xmlReadMemory(
        buffer.bindMemory(to: CChar.self).baseAddress, Int32(buffer.count), nil, nil, Int32(options))
    }
    guard let document else { throw RetrievalError.parserFailed("The sitemap is no XML.", path: url) }
    defer { xmlFreeDoc(document) }
    guard let root = xmlDocGetRootElement(document) else { return }
    for node in Self.children(root) {
      let name = Self.name(node)
      guard name == "url" || name == "sitemap" else { continue }
      var location: String?
      var lastModified: String?
      for member in Self.children(node) {
        switch Self.name(member) {
        case "loc": location = Self.text(member)
        case "lastmod": lastModified = Self.text(member)
        default: continue
        }
      }
      guard let location, !location.isEmpty else { continue }
      let entry = Entry(location: location, lastModified: lastModified)
      if name == "url" { pages.append(entry) } else { sitemaps.append(entry) }
    }
  }

  private static func children(_ node: xmlNodePtr) -> some Sequence<xmlNodePtr> {
    sequence(first: node.pointee.children) { $0?.pointee.next }.lazy.prefix { $0 != nil }.compactMap { $0 }
      .filter { $0.pointee.type == XML_ELEMENT_NODE }
  }

  private static func name(_ node: xmlNodePtr) -> String {
    node.pointee.name.map { String(cString: $0).lowercased() } ?? ""
  }

  private static func text(_ node: xmlNodePtr) -> String? {
    var text = ""
    var part = node.pointee.children
    while let current = part {
      if let content = current.pointee.content { text += String(cString: content) }
      part = current.pointee.next
    }
    return text.trimmingCharacters(in: .whitespacesAndNewlines)
  }
}
