// Owns the search for stop strings in streamed text: nothing that may begin one is let through too early.

/// Finds the first of several stop strings in text that arrives in pieces.
package struct StopMatcher: Sendable {
  private let stops: [[UInt8]]
  private var held: [UInt8] = []
  /// The stop string that was met.
  package private(set) var found: String?

  package init(_ stops: [String]) {
    self.stops = stops.filter { !$0.isEmpty }.map { Array($0.utf8) }
  }

  /// Takes the next piece.
  /// - Returns: text that is certain to be outside any stop string, and whether one was met, in which case the text
  ///   ends before it.
  package mutating func push(_ piece: String) -> (text: String, isStopped: Bool) {
    guard !stops.isEmpty else { return (piece, false) }
    held.append(contentsOf: piece.utf8)
    var first: Int?
    for stop in stops {
      guard let place = Self.find(stop, in: held), place < first ?? .max else { continue }
      first = place
      found = String(decoding: stop, as: UTF8.self)
    }
    if let first {
      let text = String(decoding: held[..<first], as: UTF8.self)
      held = []
      return (text, true)
    }
    let keep = stops.map { Self.overlap(of: held, with: $0) }.max() ?? 0
    let text = String(decoding: held[..<(held.count - keep)], as: UTF8.self)
    held.removeFirst(held.count - keep)
    return (text, false)
  }

  /// What was held back, once no more text comes.
  package mutating func finish() -> String {
    defer { held = [] }
    return String(decoding: held, as: UTF8.self)
  }

  private static func find(_ needle: [UInt8], in text: [UInt8]) -> Int? {
    guard text.count >= needle.count else { return nil }
    return (0...(text.count - needle.count)).first { text[$0..<($0 + needle.count)].elementsEqual(needle) }
  }

  /// Length of the longest end of `text` that begins `stop`.
  private static func overlap(of text: [UInt8], with stop: [UInt8]) -> Int {
    (0..<min(text.count + 1, stop.count)).reversed().first { text.suffix($0).elementsEqual(stop.prefix($0)) } ?? 0
  }
}
