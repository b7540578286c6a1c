// Owns reading XML as a stream of events through libxml2: no document type, no entities from elsewhere, no network.
import CLibXML2

/// The elements and texts of an XML document in order. Names come without their prefix.
final class XMLEvents {
  enum Event: Equatable {
    case start(String)
    case text(String)
    case end(String)
  }

  private static let depthLimit = 256

  private let storage: UnsafeMutableBufferPointer<UInt8>
  private let reader: xmlTextReaderPtr
  private let path: String
  /// The end of an element without content, which libxml2 does not report.
  private var pendingEnd: String?

  /// - Throws: ``RetrievalError`` when the bytes are no XML without a document type.
  init(_ bytes: [UInt8], path: String) throws {
    var bytes = bytes
    if bytes.starts(with: [0xFF, 0xFE]) || bytes.starts(with: [0xFE, 0xFF]) {
      bytes = Array(try TextDecoder.decode(bytes, path: path).utf8)
    }
    // A document type can define entities without end, and office files must not have one (ECMA-376, part 2, 8.1.2).
    guard bytes.firstRange(of: Array("<!DOCTYPE".utf8)) == nil, bytes.count < Int(Int32.max) else {
      throw RetrievalError.parserFailed("A part of the file declares a document type, which none may.", path: path)
    }
    let storage = UnsafeMutableBufferPointer<UInt8>.allocate(capacity: max(1, bytes.count))
    _ = storage.initialize(from: bytes)
    let options =
      XML_PARSE_NONET.rawValue | XML_PARSE_NOERROR.rawValue | XML_PARSE_NOWARNING.rawValue | XML_PARSE_COMPACT.rawValue
      | XML_PARSE_HUGE.rawValue | XML_PARSE_NOCDATA.rawValue
    let reader = storage.withMemoryRebound(to: CChar.self) {
      xmlReaderForMemory($0.baseAddress, Int32(bytes.count), nil, "UTF-8", Int32(options))
    }
    guard let reader else {
      storage.deallocate()
      throw RetrievalError.parserFailed("libxml2 did not start.", path: path)
    }
    self.storage = storage
    self.reader = reader
    self.path = path
  }

  deinit {
    xmlFreeTextReader(reader)
    storage.deallocate()
  }

  /// - Returns: nil at the end.
  /// - Throws: ``RetrievalError`` when the XML is broken.
  func next() throws -> Event? {
    if let name = pendingEnd {
      pendingEnd = nil
      return .end(name)
    }
    while true {
      switch xmlTextReaderRead(reader) {
      case 0: return nil
      case 1: break
      default: throw RetrievalError.parserFailed("A part of the file is broken XML.", path: path)
      }
      guard xmlTextReaderDepth(reader) <= Self.depthLimit else {
        throw RetrievalError.parserFailed("The file is nested more than \(Self.depthLimit) deep.", path: path)
      }
      switch xmlReaderTypes(UInt32(bitPattern: xmlTextReaderNodeType(reader))) {
      case XML_READER_TYPE_ELEMENT:
        let name = localName
        if xmlTextReaderIsEmptyElement(reader) == 1 { pendingEnd = name }
        return .start(name)
      case XML_READER_TYPE_END_ELEMENT: return .end(localName)
      case XML_READER_TYPE_TEXT, XML_READER_TYPE_CDATA, XML_READER_TYPE_SIGNIFICANT_WHITESPACE:
        guard let value = xmlTextReaderConstValue(reader) else { continue }
        return .text(String(cString: value))
      default: continue
      }
    }
  }

  private var localName: String { xmlTextReaderConstLocalName(reader).map { String(cString: $0) } ?? "" }

  /// The attribute of the element that just started, whatever its prefix.
  func attribute(_ name: String) -> String? {
    defer { xmlTextReaderMoveToElement(reader) }
    var more = xmlTextReaderMoveToFirstAttribute(reader)
    while more == 1 {
      if localName == name { return xmlTextReaderConstValue(reader).map { String(cString: $0) } }
      more = xmlTextReaderMoveToNextAttribute(reader)
    }
    return nil
  }

  /// The attribute with exactly this prefix, such as `r:id` beside `id`.
  func attribute(qualified name: String) -> String? {
    defer { xmlTextReaderMoveToElement(reader) }
    guard xmlTextReaderMoveToAttribute(reader, name) == 1 else { return nil }
    return xmlTextReaderConstValue(reader).map { String(cString: $0) }
  }

  /// Reads on to the end of the element that just started.
  func skip() throws {
    var depth = 1
    while depth > 0, let event = try next() {
      switch event {
      case .start: depth += 1
      case .end: depth -= 1
      case .text: break
      }
    }
  }

  /// All text below the element that just started, leaving out the elements of these names.
  func text(without excluded: Set<String> = []) throws -> String {
    var result = ""
    var depth = 1
    while depth > 0, let event = try next() {
      switch event {
      case .start(let name): if excluded.contains(name) { try skip() } else { depth += 1 }
      case .end: depth -= 1
      case .text(let text): result += text
      }
    }
    return result
  }
}
