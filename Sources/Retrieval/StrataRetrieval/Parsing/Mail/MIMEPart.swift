// Owns the structure of an e-mail (RFC 5322, 2045 to 2047, 2231): headers, parts, encodings. Knows nothing about
// documents.
import Foundation

/// A message or one part of it.
struct MIMEPart {
  private(set) var headers: [(name: String, value: String)] = []
  /// Decoded; empty when there are parts.
  private(set) var body: [UInt8] = []
  private(set) var parts: [MIMEPart] = []
  /// Lower case, such as `text/plain`.
  private(set) var type = "text/plain"
  private(set) var parameters: [String: String] = [:]
  /// `attachment` or `inline`, where the part says so.
  private(set) var disposition: String?
  private(set) var fileName: String?

  /// How deeply parts may be nested, and how many there may be in one.
  static let depthLimit = 16
  static let partLimit = 1_000

  init(_ bytes: [UInt8]) {
    var budget = Self.partLimit
    self.init(bytes, 0..<bytes.count, depth: 0, budget: &budget)
  }

  private init(_ bytes: [UInt8], _ range: Range<Int>, depth: Int, budget: inout Int) {
    let bodyStart = readHeaders(bytes, range)
    readContentHeaders()
    let content = bodyStart..<range.upperBound
    if type.hasPrefix("multipart/"), depth < Self.depthLimit, let boundary = parameters["boundary"], !boundary.isEmpty {
      for part in Self.split(bytes, content, boundary: Array(boundary.utf8)) {
        guard budget > 0 else { return }
        budget -= 1
        parts.append(MIMEPart(bytes, part, depth: depth + 1, budget: &budget))
      }
      if !parts.isEmpty { return }
      type = "text/plain"
    }
    body = Self.decoded(bytes[content], header("content-transfer-encoding"))
  }

  func header(_ name: String) -> String? { headers.first { $0.name == name }?.value }

  /// The body as text in the encoding that the part names.
  var text: String {
    NamedEncoding.decode(body, parameters["charset"]).split(omittingEmptySubsequences: false) {
      $0 == "\r\n" || $0 == "\n" || $0 == "\r"
    }
    .joined(separator: "\n")
  }

  // MARK: Headers

  private static let headerLimit = 2_000

  /// - Returns: where the body begins.
  private mutating func readHeaders(_ bytes: [UInt8], _ range: Range<Int>) -> Int {
    var position = range.lowerBound
    var raw: [(name: String, value: [UInt8])] = []
    while position < range.upperBound {
      let end = bytes[position..<range.upperBound].firstIndex(of: 10) ?? range.upperBound
      let next = min(end + 1, range.upperBound)
      let line = bytes.trimmed(position..<end)
      if line.isEmpty {
        position = next
        break
      }
      if bytes[position] == 32 || bytes[position] == 9 {
        if !raw.isEmpty { raw[raw.count - 1].value += [32] + bytes[line] }
      } else if let colon = bytes[line].firstIndex(of: UInt8(ascii: ":")), raw.count < Self.headerLimit {
        let name = bytes.text(bytes.trimmed(line.lowerBound..<colon)).lowercased()
        raw.append((name, Array(bytes[bytes.trimmed(colon + 1..<line.upperBound)])))
      } else if raw.isEmpty {
        // No header at all: everything is the body.
        return position
      }
      position = next
    }
    headers = raw.map { ($0.name, EncodedWords.decode($0.value)) }
    return position
  }

  private mutating func readContentHeaders() {
    if let value = header("content-type") {
      let (main, parameters) = Self.parameterized(value)
      if main.contains("/") { type = main.lowercased() }
      self.parameters = parameters
    }
    if let value = header("content-disposition") {
      let (main, parameters) = Self.parameterized(value)
      disposition = main.lowercased()
      fileName = parameters["filename"]
    }
    fileName = fileName ?? parameters["name"]
  }

  /// `text/plain; charset="utf-8"`, with continued and encoded parameters (RFC 2231) put together.
  private static func parameterized(_ value: String) -> (String, [String: String]) {
    var pieces: [String] = []
    var piece = ""
    var isQuoted = false
    var isEscaped = false
    for character in value {
      if isEscaped {
        piece.append(character)
        isEscaped = false
      } else if character == "\\", isQuoted {
        isEscaped = true
      } else if character == "\"" {
        isQuoted.toggle()
      } else if character == ";", !isQuoted {
        pieces.append(piece)
        piece = ""
      } else {
        piece.append(character)
      }
    }
    pieces.append(piece)
    var parameters: [String: String] = [:]
    var continued: [String: [(Int, String, Bool)]] = [:]
    for piece in pieces.dropFirst() {
      guard let equals = piece.firstIndex(of: "=") else { continue }
      let name = piece[..<equals].trimmingCharacters(in: .whitespaces).lowercased()
      let value = piece[piece.index(after: equals)...].trimmingCharacters(in: .whitespaces)
      let words = name.split(separator: "*", omittingEmptySubsequences: false)
      if words.count > 1, let base = words.first {
        let order = Int(words[1]) ?? 0
        continued[String(base), default: []].append((order, value, name.hasSuffix("*")))
      } else {
        parameters[name] = value
      }
    }
    for (name, sections) in continued {
      var bytes: [UInt8] = []
      var charset: String?
      for (order, section, isEncoded) in sections.sorted(by: { $0.0 < $1.0 }) {
        guard isEncoded else {
          bytes += section.utf8
          continue
        }
        var text = Substring(section)
        if order == 0 {
          let parts = section.split(separator: "'", maxSplits: 2, omittingEmptySubsequences: false)
          if parts.count == 3 { (charset, text) = (String(parts[0]), parts[2]) }
        }
        bytes += TransferEncoding.percentDecoded(Array(text.utf8))
      }
      parameters[name] = NamedEncoding.decode(bytes, charset)
    }
    return (pieces[0].trimmingCharacters(in: .whitespaces), parameters)
  }

  // MARK: Bodies

  /// The parts between lines that begin with `--boundary`.
  private static func split(_ bytes: [UInt8], _ range: Range<Int>, boundary: [UInt8]) -> [Range<Int>] {
    var parts: [Range<Int>] = []
    var start: Int?
    var position = range.lowerBound
    let marker = Array("--".utf8) + boundary
    while position < range.upperBound {
      let end = bytes[position..<range.upperBound].firstIndex(of: 10) ?? range.upperBound
      if bytes[position..<end].starts(with: marker) {
        let rest = bytes.trimmed(position + marker.count..<end)
        let isLast = bytes[rest].elementsEqual("--".utf8)
        if rest.isEmpty || isLast {
          if let start { parts.append(start..<max(start, position)) }
          start = min(end + 1, range.upperBound)
          if isLast { return parts }
        }
      }
      position = end + 1
    }
    if let start, start < range.upperBound { parts.append(start..<range.upperBound) }
    return parts
  }

  private static func decoded(_ bytes: ArraySlice<UInt8>, _ encoding: String?) -> [UInt8] {
    switch encoding?.trimmingCharacters(in: .whitespaces).lowercased() {
    case "base64": TransferEncoding.base64Decoded(bytes)
    case "quoted-printable": TransferEncoding.quotedPrintableDecoded(bytes)
    default: Array(bytes)
    }
  }
}

/// Lenient decoders: what is no code is passed over, as mail programs do.
enum TransferEncoding {
  static func base64Decoded(_ bytes: some Sequence<UInt8>) -> [UInt8] {
    var result: [UInt8] = []
    var bits: UInt32 = 0
    var count = 0
    for byte in bytes {
      let value: UInt32
      switch byte {
      case 65...90: value = UInt32(byte) - 65
      case 97...122: value = UInt32(byte) - 71
      case 48...57: value = UInt32(byte) + 4
      case UInt8(ascii: "+"), UInt8(ascii: "-"): value = 62
      case UInt8(ascii: "/"), UInt8(ascii: "_"): value = 63
      default: continue
      }
      bits = bits << 6 | value
      count += 1
      if count == 4 {
        result += [UInt8(bits >> 16 & 255), UInt8(bits >> 8 & 255), UInt8(bits & 255)]
        (bits, count) = (0, 0)
      }
    }
    if count == 3 { result += [UInt8(bits >> 10 & 255), UInt8(bits >> 2 & 255)] }
    if count == 2 { result.append(UInt8(bits >> 4 & 255)) }
    return result
  }

  static func quotedPrintableDecoded(_ bytes: ArraySlice<UInt8>, underscoreIsSpace: Bool = false) -> [UInt8] {
    var result: [UInt8] = []
    var index = bytes.startIndex
    while index < bytes.endIndex {
      let byte = bytes[index]
      if byte == UInt8(ascii: "=") {
        var next = index + 1
        // A soft line break, perhaps with spaces that somebody added.
        while next < bytes.endIndex, bytes[next] == 32 || bytes[next] == 9 || bytes[next] == 13 { next += 1 }
        if next < bytes.endIndex, bytes[next] == 10 {
          index = next + 1
          continue
        }
        if index + 2 < bytes.endIndex, let value = hex(bytes[index + 1], bytes[index + 2]) {
          result.append(value)
          index += 3
          continue
        }
      }
      result.append(underscoreIsSpace && byte == UInt8(ascii: "_") ? 32 : byte)
      index += 1
    }
    return result
  }

  static func percentDecoded(_ bytes: [UInt8]) -> [UInt8] {
    var result: [UInt8] = []
    var index = 0
    while index < bytes.count {
      if bytes[index] == UInt8(ascii: "%"), index + 2 < bytes.count, let value = hex(bytes[index + 1], bytes[index + 2])
      {
        result.append(value)
        index += 3
      } else {
        result.append(bytes[index])
        index += 1
      }
    }
    return result
  }

  private static func hex(_ high: UInt8, _ low: UInt8) -> UInt8? {
    func digit(_ byte: UInt8) -> UInt8? {
      switch byte {
      case 48...57: byte - 48
      case 65...70: byte - 55
      case 97...102: byte - 87
      default: nil
      }
    }
    guard let high = digit(high), let low = digit(low) else { return nil }
    return high << 4 | low
  }
}

/// `=?utf-8?Q?Gr=C3=BC=C3=9Fe?=` in headers (RFC 2047).
enum EncodedWords {
  static func decode(_ value: [UInt8]) -> String {
    guard value.firstRange(of: Array("=?".utf8)) != nil else { return NamedEncoding.decode(value, nil) }
    var result = ""
    var plain: [UInt8] = []
    // Neighbours in the same encoding are decoded together: characters may be split between them.
    var pending: (charset: String, bytes: [UInt8])?
    func flush() {
      if let word = pending { result += NamedEncoding.decode(word.bytes, word.charset) }
      pending = nil
    }
    var index = 0
    while index < value.count {
      if let (charset, bytes, end) = word(value, at: index) {
        // White space between two encoded words is none.
        if pending == nil || plain.contains(where: { !$0.isASCIISpace }) {
          flush()
          result += NamedEncoding.decode(plain, nil)
        }
        plain = []
        if let word = pending, word.charset == charset {
          pending = (charset, word.bytes + bytes)
        } else {
          flush()
          pending = (charset, bytes)
        }
        index = end
      } else {
        plain.append(value[index])
        index += 1
      }
    }
    flush()
    return result + NamedEncoding.decode(plain, nil)
  }

  private static func word(_ value: [UInt8], at start: Int) -> (charset: String, bytes: [UInt8], end: Int)? {
    guard value[start] == UInt8(ascii: "="), start + 1 < value.count, value[start + 1] == UInt8(ascii: "?") else {
      return nil
    }
    var marks: [Int] = []
    var index = start + 2
    while index < value.count, marks.count < 2 {
      if value[index] == UInt8(ascii: "?") { marks.append(index) }
      if value[index].isASCIISpace || index - start > 200 { return nil }
      index += 1
    }
    guard marks.count == 2, marks[1] == marks[0] + 2 else { return nil }
    var end = marks[1] + 1
    while end + 1 < value.count, !(value[end] == UInt8(ascii: "?") && value[end + 1] == UInt8(ascii: "=")) {
      if end - start > 2_000 { return nil }
      end += 1
    }
    guard end + 1 < value.count else { return nil }
    let name = String(decoding: value[start + 2..<marks[0]], as: UTF8.self)
    let charset = name.split(separator: "*").first.map { $0.lowercased() } ?? "utf-8"
    let content = value[marks[1] + 1..<end]
    switch value[marks[0] + 1] {
    case UInt8(ascii: "B"), UInt8(ascii: "b"): return (charset, TransferEncoding.base64Decoded(content), end + 2)
    case UInt8(ascii: "Q"), UInt8(ascii: "q"):
      return (charset, TransferEncoding.quotedPrintableDecoded(content, underscoreIsSpace: true), end + 2)
    default: return nil
    }
  }
}
