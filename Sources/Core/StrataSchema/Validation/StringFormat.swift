// Owns the checks behind `format`, for when they are assertions. International names are checked by shape only.

import StrataCore

enum StringFormat: String, Sendable {
  case date, time
  case dateTime = "date-time"
  case duration
  case email
  case idnEmail = "idn-email"
  case hostname
  case idnHostname = "idn-hostname"
  case ipv4, ipv6, uuid
  case uri
  case uriReference = "uri-reference"
  case iri
  case iriReference = "iri-reference"
  case uriTemplate = "uri-template"
  case jsonPointer = "json-pointer"
  case relativeJSONPointer = "relative-json-pointer"
  case regex

  func accepts(_ text: String) -> Bool {
    let bytes = Array(text.utf8)
    return switch self {
    case .date: DateFormat.isDate(bytes[...])
    case .time: DateFormat.isTime(bytes[...])
    case .dateTime: DateFormat.isDateTime(bytes)
    case .duration: DateFormat.isDuration(bytes)
    case .email: NetworkFormat.isEmail(bytes, international: false)
    case .idnEmail: NetworkFormat.isEmail(bytes, international: true)
    case .hostname: NetworkFormat.isHostname(bytes[...], international: false)
    case .idnHostname: NetworkFormat.isHostname(bytes[...], international: true)
    case .ipv4: NetworkFormat.isIPv4(bytes[...])
    case .ipv6: NetworkFormat.isIPv6(bytes)
    case .uuid: NetworkFormat.isUUID(bytes)
    case .uri: URIFormat.isURI(text, international: false, needsScheme: true)
    case .uriReference: URIFormat.isURI(text, international: false, needsScheme: false)
    case .iri: URIFormat.isURI(text, international: true, needsScheme: true)
    case .iriReference: URIFormat.isURI(text, international: true, needsScheme: false)
    case .uriTemplate: URIFormat.isTemplate(bytes)
    case .jsonPointer: URIFormat.isPointer(bytes[...])
    case .relativeJSONPointer: URIFormat.isRelativePointer(bytes)
    case .regex: (try? PatternParser.parse(text)) != nil
    }
  }
}

private func isDigit(_ byte: UInt8) -> Bool { (0x30...0x39).contains(byte) }
private func isLetter(_ byte: UInt8) -> Bool { (0x61...0x7A).contains(byte | 0x20) }
private func isHex(_ byte: UInt8) -> Bool { isDigit(byte) || (0x61...0x66).contains(byte | 0x20) }

/// RFC 3339 dates and times, ISO 8601 durations.
enum DateFormat {
  private static func number(_ bytes: ArraySlice<UInt8>, count: Int) -> Int? {
    guard bytes.count == count, bytes.allSatisfy(isDigit) else { return nil }
    return bytes.reduce(0) { $0 * 10 + Int($1 - 0x30) }
  }

  static func isDate(_ bytes: ArraySlice<UInt8>) -> Bool {
    let start = bytes.startIndex
    guard bytes.count == 10, bytes[start + 4] == 0x2D, bytes[start + 7] == 0x2D,
      let year = number(bytes[start..<start + 4], count: 4),
      let month = number(bytes[start + 5..<start + 7], count: 2),
      let day = number(bytes[start + 8..<start + 10], count: 2), (1...12).contains(month)
    else { return false }
    let isLeap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0)
    let days = [31, isLeap ? 29 : 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31][month - 1]
    return (1...days).contains(day)
  }

  static func isTime(_ bytes: ArraySlice<UInt8>) -> Bool {
    let start = bytes.startIndex
    guard bytes.count >= 9, bytes[start + 2] == 0x3A, bytes[start + 5] == 0x3A,
      let hour = number(bytes[start..<start + 2], count: 2), hour < 24,
      let minute = number(bytes[start + 3..<start + 5], count: 2), minute < 60,
      let second = number(bytes[start + 6..<start + 8], count: 2), second <= 60
    else { return false }
    var rest = bytes[(start + 8)...]
    if rest.first == 0x2E {
      let fraction = rest.dropFirst().prefix(while: isDigit)
      guard !fraction.isEmpty else { return false }
      rest = rest[fraction.endIndex...]
    }
    guard let zone = rest.first else { return false }
    var offset = 0
    if zone | 0x20 == 0x7A {
      guard rest.count == 1 else { return false }
    } else {
      let at = rest.startIndex
      guard zone == 0x2B || zone == 0x2D, rest.count == 6, rest[at + 3] == 0x3A,
        let hours = number(rest[at + 1..<at + 3], count: 2), hours < 24,
        let minutes = number(rest[at + 4..<at + 6], count: 2), minutes < 60
      else { return false }
      offset = (hours * 60 + minutes) * (zone == 0x2B ? 1 : -1)
    }
    // A leap second falls at the end of a UTC day.
    return second < 60 || (hour * 60 + minute - offset + 2 * 1_440) % 1_440 == 1_439
  }

  static func isDateTime(_ bytes: [UInt8]) -> Bool {
    guard bytes.count > 10, bytes[10] | 0x20 == 0x74 else { return false }
    return isDate(bytes[..<10]) && isTime(bytes[11...])
  }

  static func isDuration(_ bytes: [UInt8]) -> Bool {
    guard bytes.first == 0x50 else { return false }
    let parts = bytes.dropFirst().split(separator: 0x54, maxSplits: 1, omittingEmptySubsequences: false)
    if parts.count == 1, bytes.last == 0x57 { return units(parts[0], "W") == 1 }
    guard let date = units(parts[0], "YMD") else { return false }
    guard parts.count == 2 else { return date > 0 }
    return units(parts[1], "HMS").map { $0 > 0 } ?? false
  }

  /// How many `digits unit` pairs there are, units in order and without gaps; nil when malformed.
  private static func units(_ bytes: ArraySlice<UInt8>, _ order: String) -> Int? {
    var rest = bytes
    let letters = Array(order.utf8)
    var last: Int?
    var count = 0
    while !rest.isEmpty {
      let digits = rest.prefix(while: isDigit)
      rest = rest[digits.endIndex...]
      guard !digits.isEmpty, let unit = rest.popFirst(), let place = letters.firstIndex(of: unit) else { return nil }
      if let last, place != last + 1 { return nil }
      last = place
      count += 1
    }
    return count
  }
}

enum NetworkFormat {
  static func isUUID(_ bytes: [UInt8]) -> Bool {
    bytes.count == 36
      && bytes.enumerated().allSatisfy { [8, 13, 18, 23].contains($0) ? $1 == 0x2D : isHex($1) }
  }

  static func isIPv4(_ bytes: ArraySlice<UInt8>) -> Bool {
    let parts = bytes.split(separator: 0x2E, omittingEmptySubsequences: false)
    return parts.count == 4
      && parts.allSatisfy { part in
        guard (1...3).contains(part.count), part.allSatisfy(isDigit) else { return false }
        if part.count > 1, part.first == 0x30 { return false }
        return part.reduce(0) { $0 * 10 + Int($1 - 0x30) } < 256
      }
  }

  static func isIPv6(_ bytes: [UInt8]) -> Bool {
    var groups = 0
    var hasGap = false
    var index = 0
    if bytes.starts(with: [0x3A, 0x3A]) {
      hasGap = true
      index = 2
      if bytes.count == 2 { return true }
    }
    while true {
      let part = bytes[index...].prefix { $0 != 0x3A }
      if part.contains(0x2E) {
        return part.endIndex == bytes.count && isIPv4(part) && (hasGap ? groups + 2 < 8 : groups + 2 == 8)
      }
      guard (1...4).contains(part.count), part.allSatisfy(isHex) else { return false }
      groups += 1
      index = part.endIndex
      if index == bytes.count { break }
      index += 1
      if index < bytes.count, bytes[index] == 0x3A {
        if hasGap { return false }
        hasGap = true
        index += 1
        if index == bytes.count { break }
      }
    }
    return hasGap ? groups < 8 : groups == 8
  }

  static func isHostname(_ bytes: ArraySlice<UInt8>, international: Bool) -> Bool {
    guard !bytes.isEmpty, bytes.count <= 253 else { return false }
    let labels = bytes.split(separator: 0x2E, omittingEmptySubsequences: false)
    return labels.allSatisfy { label in
      guard (1...63).contains(label.count), label.first != 0x2D, label.last != 0x2D else { return false }
      if label.count >= 4, label[label.startIndex + 2] == 0x2D, label[label.startIndex + 3] == 0x2D {
        guard label.prefix(2).map({ $0 | 0x20 }) == [0x78, 0x6E], label.count > 4 else { return false }
      }
      return label.allSatisfy { isDigit($0) || isLetter($0) || $0 == 0x2D || (international && $0 >= 0x80) }
    }
  }

  static func isEmail(_ bytes: [UInt8], international: Bool) -> Bool {
    guard let at = bytes.lastIndex(of: 0x40), at > 0 else { return false }
    let local = bytes[..<at]
    let domain = bytes[(at + 1)...]
    if domain.first == 0x5B, domain.last == 0x5D {
      let literal = domain.dropFirst().dropLast()
      let isVersion6 = literal.starts(with: Array("IPv6:".utf8))
      guard isVersion6 ? isIPv6(Array(literal.dropFirst(5))) : isIPv4(literal) else { return false }
    } else if !isHostname(domain, international: international) {
      return false
    }
    if local.count >= 2, local.first == 0x22, local.last == 0x22 {
      return local.dropFirst().dropLast().allSatisfy { $0 >= 0x20 && $0 != 0x22 && (international || $0 < 0x7F) }
    }
    let atoms = local.split(separator: 0x2E, omittingEmptySubsequences: false)
    let marks = Array("!#$%&'*+-/=?^_`{|}~".utf8)
    return atoms.allSatisfy { atom in
      !atom.isEmpty
        && atom.allSatisfy { isDigit($0) || isLetter($0) || marks.contains($0) || (international && $0 >= 0x80) }
    }
  }
}

enum URIFormat {
  static func isURI(_ text: String, international: Bool, needsScheme: Bool) -> Bool {
    let bytes = Array(text.utf8)
    var index = 0
    while index < bytes.count {
      let byte = bytes[index]
      if byte == 0x25 {
        guard index + 2 < bytes.count, isHex(bytes[index + 1]), isHex(bytes[index + 2]) else { return false }
      } else if byte >= 0x80 {
        if !international { return false }
      } else if !isDigit(byte), !isLetter(byte), !"-._~:/?#[]@!$&'()*+,;=".utf8.contains(byte) {
        return false
      }
      index += 1
    }
    if bytes.filter({ $0 == 0x23 }).count > 1 { return false }
    let parts = URIReference(text)
    if needsScheme, parts.scheme == nil { return false }
    if parts.scheme == nil, parts.authority == nil,
      parts.path.split(separator: "/", omittingEmptySubsequences: false).first?.contains(":") ?? false
    {
      return false
    }
    if [parts.path, parts.query ?? "", parts.fragment ?? ""].contains(where: { $0.contains("[") || $0.contains("]") }) {
      return false
    }
    return parts.authority.map(isAuthority) ?? true
  }

  private static func isAuthority(_ authority: String) -> Bool {
    var host = Array(authority.utf8)[...]
    if let at = host.lastIndex(of: 0x40) {
      if host[..<at].contains(where: { $0 == 0x5B || $0 == 0x5D || $0 == 0x40 }) { return false }
      host = host[(at + 1)...]
    }
    if host.first == 0x5B {
      guard let close = host.firstIndex(of: 0x5D), NetworkFormat.isIPv6(Array(host[..<close].dropFirst())) else {
        return false
      }
      host = host[(close + 1)...]
    } else {
      guard !host.contains(0x5B), !host.contains(0x5D) else { return false }
      host = host[(host.firstIndex(of: 0x3A) ?? host.endIndex)...]
    }
    return host.isEmpty || (host.first == 0x3A && host.dropFirst().allSatisfy(isDigit))
  }

  static func isTemplate(_ bytes: [UInt8]) -> Bool {
    var isOpen = false
    var length = 0
    for byte in bytes {
      switch byte {
      case 0x7B:
        if isOpen { return false }
        isOpen = true
        length = 0
      case 0x7D:
        if !isOpen || length == 0 { return false }
        isOpen = false
      default:
        if byte <= 0x20 || "\"'<>\\^`|".utf8.contains(byte) { return false }
        length += 1
      }
    }
    return !isOpen
  }

  static func isPointer(_ bytes: ArraySlice<UInt8>) -> Bool {
    guard bytes.isEmpty || bytes.first == 0x2F else { return false }
    var rest = bytes
    while let byte = rest.popFirst() {
      if byte == 0x7E, rest.first != 0x30, rest.first != 0x31 { return false }
    }
    return true
  }

  static func isRelativePointer(_ bytes: [UInt8]) -> Bool {
    let digits = bytes.prefix(while: isDigit)
    guard !digits.isEmpty, digits.count == 1 || digits.first != 0x30 else { return false }
    let rest = bytes[digits.endIndex...]
    return Array(rest) == [0x23] || isPointer(rest)
  }
}
