// Owns the way from HTML bytes to a tree in Swift arrays, through libxml2. Knows nothing about what matters in a page.
import CLibXML2
import Foundation

/// An HTML page as nodes in document order: the subtree of node `i` is `i..<nodes[i].end`.
struct HTMLTree {
  struct Node {
    /// Lower case; empty for text.
    var tag: String
    /// Of text nodes, as in the source.
    var text = ""
    var parent: Int
    var end: Int
    /// Lower-case `class` and `id`, separated by spaces.
    var names = ""
    var role = ""
    var isHidden = false
    /// Of `meta`: its name or property; of links: `href`.
    var key = ""
    /// Of `meta`: its content.
    var value = ""

    var isText: Bool { tag.isEmpty }
  }

  private(set) var nodes: [Node] = []
  private static let nodeLimit = 4_000_000

  /// - Throws: ``RetrievalError`` when libxml2 makes nothing of the bytes.
  init(_ bytes: [UInt8], path: String) throws {
    let (data, encoding) = try HTMLEncoding.find(bytes, path: path)
    guard data.count < Int(Int32.max) else {
      throw RetrievalError.fileTooLarge(data.count, limit: Int(Int32.max), path: path)
    }
    // Without HUGE libxml2 stops at a depth of 256, in silence and with the rest of the page lost.
    let options =
      HTML_PARSE_RECOVER.rawValue | HTML_PARSE_NOERROR.rawValue | HTML_PARSE_NOWARNING.rawValue
      | HTML_PARSE_NONET.rawValue | HTML_PARSE_COMPACT.rawValue | UInt32(XML_PARSE_HUGE.rawValue)
    let document = data.withUnsafeBytes { buffer in
      htmlReadMemory(
        buffer.bindMemory(to: CChar.self).baseAddress, Int32(buffer.count), nil, encoding, Int32(options))
    }
    guard let document else {
      throw RetrievalError.parserFailed("libxml2 could not read the HTML.", path: path)
    }
    defer { xmlFreeDoc(document) }
    guard let root = xmlDocGetRootElement(document) else { return }
    copy(root)
  }

  /// Copies in document order, without recursion: pages may be nested as deeply as they like.
  private mutating func copy(_ root: xmlNodePtr) {
    var current: xmlNodePtr? = root
    var open: [Int] = []
    while let node = current, nodes.count < Self.nodeLimit {
      var descends = false
      switch node.pointee.type {
      case XML_ELEMENT_NODE:
        nodes.append(Self.element(node, parent: open.last ?? -1))
        descends = node.pointee.children != nil
        if descends { open.append(nodes.count - 1) } else { nodes[nodes.count - 1].end = nodes.count }
      case XML_TEXT_NODE, XML_CDATA_SECTION_NODE:
        if let content = node.pointee.content {
          nodes.append(
            Node(tag: "", text: String(cString: content), parent: open.last ?? -1, end: nodes.count + 1))
        }
      default: break
      }
      if descends {
        current = node.pointee.children
        continue
      }
      var last = node
      current = last.pointee.next
      while current == nil, last != root, let parent = last.pointee.parent {
        if let index = open.popLast() { nodes[index].end = nodes.count }
        last = parent
        current = last == root ? nil : last.pointee.next
      }
      if last == root { break }
    }
    for index in open { nodes[index].end = nodes.count }
  }

  private static func element(_ node: xmlNodePtr, parent: Int) -> Node {
    var result = Node(tag: String(cString: node.pointee.name).lowercased(), parent: parent, end: 0)
    var attribute = node.pointee.properties
    while let current = attribute {
      let name = String(cString: current.pointee.name).lowercased()
      if ["class", "id", "role", "style", "hidden", "aria-hidden", "name", "property", "content", "href", "itemprop"]
        .contains(name)
      {
        let value = Self.value(current)
        switch name {
        case "class", "id", "itemprop": result.names += (result.names.isEmpty ? "" : " ") + value.lowercased()
        case "role": result.role = value.lowercased()
        case "style":
          let style = value.lowercased().filter { !$0.isWhitespace }
          if style.contains("display:none") || style.contains("visibility:hidden") { result.isHidden = true }
        case "hidden": result.isHidden = true
        case "aria-hidden": if value.lowercased() == "true" { result.isHidden = true }
        case "name", "property", "href": result.key = value
        default: result.value = value
        }
      }
      attribute = current.pointee.next
    }
    return result
  }

  private static func value(_ attribute: UnsafeMutablePointer<xmlAttr>) -> String {
    var value = ""
    var part = attribute.pointee.children
    while let current = part {
      if let content = current.pointee.content { value += String(cString: content) }
      part = current.pointee.next
    }
    return value
  }
}

/// Which encoding a page is in: what its bytes are, then what it says.
private enum HTMLEncoding {
  /// - Returns: bytes for libxml2 and the name of their encoding.
  static func find(_ bytes: [UInt8], path: String) throws -> ([UInt8], String) {
    let declared = charset(bytes.prefix(2048))
    if declared?.hasPrefix("iso-2022") != true, let text = String(validating: bytes, as: UTF8.self) {
      let start = bytes.starts(with: [0xEF, 0xBB, 0xBF]) ? 3 : 0
      return (start == 0 && !bytes.contains(0) ? bytes : Array(text.replacingNUL().utf8.dropFirst(start)), "UTF-8")
    }
    let ours = ["utf-8", "utf8", "windows-1252", "cp1252", "iso-8859-1", "latin1", "us-ascii", "utf-16", "unicode"]
    if let declared, !ours.contains(declared), let handler = xmlFindCharEncodingHandler(declared) {
      xmlCharEncCloseFunc(handler)
      return (bytes, declared)
    }
    if declared?.hasPrefix("utf") == true, !bytes.contains(0), !bytes.starts(with: [0xFF, 0xFE]),
      !bytes.starts(with: [0xFE, 0xFF])
    {
      // Says UTF-8 and is, but for some broken bytes.
      return (Array(String(decoding: bytes, as: UTF8.self).utf8), "UTF-8")
    }
    return (Array(try TextDecoder.decode(bytes, path: path).utf8), "UTF-8")
  }

  private static func charset(_ head: ArraySlice<UInt8>) -> String? {
    let text = String(decoding: head, as: UTF8.self).lowercased()
    guard let match = text.range(of: "charset=") else { return nil }
    let value = text[match.upperBound...].drop { $0 == "\"" || $0 == "'" || $0 == " " }
    let name = value.prefix { $0.isASCII && ($0.isLetter || $0.isNumber || "-_:.".contains($0)) }
    return name.isEmpty ? nil : String(name)
  }
}
