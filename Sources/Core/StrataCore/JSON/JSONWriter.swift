// Owns writing JSON: compact by default, indented for people, canonical for hashing.

extension JSON {
  /// How ``JSON/text(_:)`` lays a value out.
  public enum Style: Sendable {
    /// No white space.
    case compact
    /// Two-space indentation.
    case pretty
    /// Compact, members sorted by UTF-16 code unit of the name, for content hashes (in the manner of RFC 8785; numbers
    /// keep their own text).
    case canonical
  }

  public func text(_ style: Style = .compact) -> String {
    var output: [UInt8] = []
    write(to: &output, style: style, indent: 0)
    return String(decoding: output, as: UTF8.self)
  }

  public func utf8(_ style: Style = .compact) -> [UInt8] {
    var output: [UInt8] = []
    write(to: &output, style: style, indent: 0)
    return output
  }

  private func write(to output: inout [UInt8], style: Style, indent: Int) {
    switch self {
    case .null: output.append(contentsOf: "null".utf8)
    case .bool(let value): output.append(contentsOf: (value ? "true" : "false").utf8)
    case .number(let value): output.append(contentsOf: value.text.utf8)
    case .string(let value): JSON.writeQuoted(value, to: &output)
    case .array(let values):
      JSON.writeContainer(values, "[", "]", to: &output, style: style, indent: indent) { value, output in
        value.write(to: &output, style: style, indent: indent + 1)
      }
    case .object(let object):
      var members = object.storage
      if style == .canonical { members.sort { $0.key.utf16.lexicographicallyPrecedes($1.key.utf16) } }
      JSON.writeContainer(members, "{", "}", to: &output, style: style, indent: indent) { member, output in
        JSON.writeQuoted(member.key, to: &output)
        output.append(UInt8(ascii: ":"))
        if style == .pretty { output.append(0x20) }
        member.value.write(to: &output, style: style, indent: indent + 1)
      }
    }
  }

  private static func writeContainer<Element>(
    _ elements: [Element], _ open: StaticString, _ close: StaticString, to output: inout [UInt8], style: Style,
    indent: Int, _ body: (Element, inout [UInt8]) -> Void
  ) {
    func newLine(_ depth: Int) {
      guard style == .pretty else { return }
      output.append(0x0A)
      output.append(contentsOf: repeatElement(0x20, count: 2 * depth))
    }
    output.append(open.utf8Start.pointee)
    for (index, element) in elements.enumerated() {
      if index > 0 { output.append(UInt8(ascii: ",")) }
      newLine(indent + 1)
      body(element, &output)
    }
    if !elements.isEmpty { newLine(indent) }
    output.append(close.utf8Start.pointee)
  }

  private static func writeQuoted(_ text: String, to output: inout [UInt8]) {
    output.append(UInt8(ascii: "\""))
    for byte in text.utf8 {
      switch byte {
      case UInt8(ascii: "\""): output.append(contentsOf: "\\\"".utf8)
      case UInt8(ascii: "\\"): output.append(contentsOf: "\\\\".utf8)
      case 0x0A: output.append(contentsOf: "\\n".utf8)
      case 0x0D: output.append(contentsOf: "\\r".utf8)
      case 0x09: output.append(contentsOf: "\\t".utf8)
      case 0..<0x20:
        let digits = Array("0123456789abcdef".utf8)
        output.append(contentsOf: "\\u00".utf8)
        output.append(digits[Int(byte >> 4)])
        output.append(digits[Int(byte & 15)])
      default: output.append(byte)
      }
    }
    output.append(UInt8(ascii: "\""))
  }
}

extension JSON: CustomStringConvertible {
  public var description: String { text() }
}
