// Owns the split of a `.prompty` file into front matter and body. Interprets neither.
import StrataCore

struct FrontMatter: Sendable {
  var yaml: String
  /// Line of the file on which the YAML starts.
  var firstLine: Int
  var body: String
  /// Line of the file on which the body starts.
  var bodyLine: Int

  /// - Throws: ``ContractError`` when the front matter is opened but not closed.
  init(_ text: String) throws(ContractError) {
    var bytes = Array(text.utf8)[...]
    if bytes.starts(with: [0xEF, 0xBB, 0xBF]) { bytes = bytes.dropFirst(3) }
    var lines: [ArraySlice<UInt8>] = bytes.split(separator: 0x0A, omittingEmptySubsequences: false)
    lines = lines.map { $0.last == 0x0D ? $0.dropLast() : $0 }
    func isFence(_ line: ArraySlice<UInt8>) -> Bool {
      line.starts(with: Array("---".utf8)) && line.dropFirst(3).allSatisfy { $0 == 0x20 || $0 == 0x09 }
    }
    let start = lines.firstIndex { !$0.allSatisfy { $0 == 0x20 || $0 == 0x09 } } ?? 0
    guard lines.indices.contains(start), isFence(lines[start]) else {
      (yaml, firstLine, body, bodyLine) = ("", 1, Self.join(lines[...]).trimmingBlankLines, 1)
      return
    }
    guard let end = lines[(start + 1)...].firstIndex(where: isFence) else {
      throw ContractError(
        ContractError.frontMatter, "The front matter is not closed.", remedy: "End it with a line `---`.",
        location: "line \(start + 1)")
    }
    yaml = Self.join(lines[(start + 1)..<end])
    firstLine = start + 2
    body = Self.join(lines[(end + 1)...]).trimmingBlankLines
    bodyLine = end + 2
  }

  private static func join(_ lines: ArraySlice<ArraySlice<UInt8>>) -> String {
    String(decoding: Array(lines.joined(separator: [0x0A])), as: UTF8.self)
  }
}

extension String {
  /// Without newlines at both ends; spaces stay.
  var trimmingNewlines: String {
    let bytes = Array(utf8)
    guard let start = bytes.firstIndex(where: { $0 != 0x0A && $0 != 0x0D }),
      let end = bytes.lastIndex(where: { $0 != 0x0A && $0 != 0x0D })
    else { return "" }
    return String(decoding: bytes[start...end], as: UTF8.self)
  }

  /// Without blank lines before and white space after.
  var trimmingBlankLines: String {
    let bytes = Array(trimmingNewlines.utf8)
    guard let end = bytes.lastIndex(where: { $0 > 0x20 }) else { return "" }
    return String(decoding: bytes[...end], as: UTF8.self)
  }
}
