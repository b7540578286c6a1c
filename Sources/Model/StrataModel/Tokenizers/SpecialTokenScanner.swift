// Owns finding written-out special tokens in text.

/// A stretch of text, or a special token found in it.
enum TextFragment {
  case text(Range<Int>)
  case token(Int32)
}

/// Finds tokens that are matched whole before the text between them is tokenized: user-defined ones always, control
/// ones on request. The leftmost match wins, of those the longest.
struct SpecialTokenScanner: Sendable {
  private struct Entry: Sendable {
    let bytes: [UInt8]
    let id: Int32
    let needsRequest: Bool
  }

  /// By first byte, the longest first.
  private var entries: [[Entry]] = Array(repeating: [], count: 256)
  private var isEmpty = true

  init(_ table: TokenTable) {
    for id in 0..<Int32(clamping: table.count) {
      let kind = table.kind(of: id)
      guard kind == .control || kind == .userDefined || kind == .unknown else { continue }
      let bytes = Array(table.bytes(of: id))
      guard let first = bytes.first else { continue }
      entries[Int(first)].append(Entry(bytes: bytes, id: id, needsRequest: kind != .userDefined))
      isEmpty = false
    }
    for index in entries.indices { entries[index].sort { $0.bytes.count > $1.bytes.count } }
  }

  func fragments(of text: UnsafeBufferPointer<UInt8>, parseSpecial: Bool) -> [TextFragment] {
    guard !isEmpty else { return text.isEmpty ? [] : [.text(0..<text.count)] }
    var result: [TextFragment] = []
    var start = 0
    var index = 0
    while index < text.count {
      let candidates = entries[Int(text[index])]
      guard !candidates.isEmpty, let entry = match(candidates, text, at: index, parseSpecial) else {
        index += 1
        continue
      }
      if start < index { result.append(.text(start..<index)) }
      result.append(.token(entry.id))
      index += entry.bytes.count
      start = index
    }
    if start < text.count { result.append(.text(start..<text.count)) }
    return result
  }

  private func match(
    _ candidates: [Entry], _ text: UnsafeBufferPointer<UInt8>, at index: Int, _ parseSpecial: Bool
  ) -> Entry? {
    for entry in candidates where parseSpecial || !entry.needsRequest {
      guard entry.bytes.count <= text.count - index else { continue }
      var offset = 1
      while offset < entry.bytes.count, entry.bytes[offset] == text[index + offset] { offset += 1 }
      if offset == entry.bytes.count { return entry }
    }
    return nil
  }
}
