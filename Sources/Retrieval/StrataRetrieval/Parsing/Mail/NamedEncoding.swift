// Owns decoding bytes in an encoding that somebody names, as e-mail does. Uses libxml2's converters (iconv).
import CLibXML2

enum NamedEncoding {
  /// - Parameter name: as MIME has it, such as `iso-8859-15`; an unknown one is guessed from the bytes.
  static func decode(_ bytes: [UInt8], _ name: String?) -> String {
    let name = name?.lowercased() ?? "utf-8"
    if ["utf-8", "utf8", "us-ascii", "ascii", ""].contains(name) || bytes.allSatisfy({ $0 < 128 && $0 != 27 }) {
      return (String(validating: bytes, as: UTF8.self) ?? TextDecoder.decodeWindows1252(bytes)).replacingNUL()
    }
    if ["iso-8859-1", "latin1", "windows-1252", "cp1252"].contains(name) {
      return TextDecoder.decodeWindows1252(bytes).replacingNUL()
    }
    return converted(bytes, name)?.replacingNUL() ?? String(decoding: bytes, as: UTF8.self).replacingNUL()
  }

  private static func converted(_ bytes: [UInt8], _ name: String) -> String? {
    guard bytes.count < Int(Int32.max) / 4, name.utf8.allSatisfy({ $0 > 32 && $0 < 127 }),
      let handler = xmlFindCharEncodingHandler(name)
    else { return nil }
    defer { xmlCharEncCloseFunc(handler) }
    guard let input = xmlBufferCreateSize(bytes.count + 1), let output = xmlBufferCreateSize(bytes.count * 2 + 16)
    else { return nil }
    defer {
      xmlBufferFree(input)
      xmlBufferFree(output)
    }
    xmlBufferAdd(input, bytes, Int32(bytes.count))
    // Each call converts some; a byte that is none in this encoding is passed over.
    var calls = 0
    while xmlBufferLength(input) > 0, calls < bytes.count + 16 {
      let before = xmlBufferLength(input)
      _ = xmlCharEncInFunc(handler, output, input)
      if xmlBufferLength(input) == before {
        xmlBufferShrink(input, 1)
        xmlBufferAdd(output, "\u{FFFD}", 3)
      }
      calls += 1
    }
    guard let content = xmlBufferContent(output) else { return nil }
    return String(decoding: UnsafeBufferPointer(start: content, count: Int(xmlBufferLength(output))), as: UTF8.self)
  }
}
