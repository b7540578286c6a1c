// Owns cutting a byte stream into events (WHATWG HTML, section 9.2, "server-sent events").

/// Feed bytes as they come; take whole events out.
package struct ServerSentEvents {
  package struct Event: Equatable, Sendable {
    package var name: String
    package var data: String

    package init(name: String, data: String) {
      self.name = name
      self.data = data
    }
  }

  /// A line or an event's data that grows beyond this is no event of a language model.
  package static let byteLimit = 4 << 20

  package init() {}

  private var line: [UInt8] = []
  private var name = ""
  private var data: [UInt8]?
  private var endedInReturn = false

  /// - Returns: events that became complete.
  package mutating func push(_ bytes: some Sequence<UInt8>) throws(ProviderError) -> [Event] {
    var events: [Event] = []
    for byte in bytes {
      defer { endedInReturn = byte == 0x0D }
      switch byte {
      case 0x0A where endedInReturn: break
      case 0x0A, 0x0D:
        if let event = finishLine() { events.append(event) }
      default:
        line.append(byte)
        guard line.count + (data?.count ?? 0) <= Self.byteLimit else {
          throw ProviderError(ProviderError.malformed, "The server sent an event of more than \(Self.byteLimit) bytes.")
        }
      }
    }
    return events
  }

  private mutating func finishLine() -> Event? {
    defer { line.removeAll(keepingCapacity: true) }
    guard !line.isEmpty else {
      defer {
        name = ""
        data = nil
      }
      return data.map { Event(name: name, data: String(decoding: $0, as: UTF8.self)) }
    }
    let colon = line.firstIndex(of: UInt8(ascii: ":")) ?? line.endIndex
    var value = colon == line.endIndex ? [] : line[(colon + 1)...]
    if value.first == 0x20 { value = value.dropFirst() }
    switch String(decoding: line[..<colon], as: UTF8.self) {
    case "data":
      if data == nil { data = Array(value) } else { data?.append(contentsOf: [0x0A] + value) }
    case "event": name = String(decoding: value, as: UTF8.self)
    default: break
    }
    return nil
  }
}
