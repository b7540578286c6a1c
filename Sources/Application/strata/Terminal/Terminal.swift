// Owns how the command speaks: plain lines and colours for people, one JSON value for machines.
import Foundation
import StrataCore
import Synchronization

enum Terminal {
  /// Whether standard error is somebody's terminal (progress is shown there and nowhere else).
  static let isInteractive = isatty(STDERR_FILENO) == 1 && ProcessInfo.processInfo.environment["TERM"] != "dumb"
  static let hasColor =
    isatty(STDOUT_FILENO) == 1 && ProcessInfo.processInfo.environment["NO_COLOR"] == nil
    && ProcessInfo.processInfo.environment["TERM"] != "dumb"

  static func out(_ text: String, terminator: String = "\n") { write(text + terminator, to: STDOUT_FILENO) }
  static func err(_ text: String, terminator: String = "\n") { write(text + terminator, to: STDERR_FILENO) }
  static func json(_ value: JSON, style: JSON.Style = .compact) { out(value.text(style)) }

  static func dim(_ text: String) -> String { hasColor ? "\u{1B}[2m\(text)\u{1B}[0m" : text }
  static func bold(_ text: String) -> String { hasColor ? "\u{1B}[1m\(text)\u{1B}[0m" : text }

  private static func write(_ text: String, to descriptor: Int32) {
    var bytes = Array(text.utf8)[...]
    while !bytes.isEmpty {
      let count = bytes.withUnsafeBytes { Foundation.write(descriptor, $0.baseAddress, $0.count) }
      if count < 0 {
        if errno == EINTR { continue }
        return
      }
      bytes = bytes.dropFirst(count)
    }
  }

  /// Columns of the terminal, 80 when unknown.
  static var width: Int {
    var size = winsize()
    guard ioctl(STDERR_FILENO, UInt(TIOCGWINSZ), &size) == 0, size.ws_col > 0 else { return 80 }
    return Int(size.ws_col)
  }

  /// Breaks `text` at spaces so that no line is longer than `width`.
  static func wrapped(_ text: String, width: Int = min(Terminal.width, 80), indent: String = "") -> String {
    text.split(separator: "\n", omittingEmptySubsequences: false).map { line in
      var lines: [String] = []
      var current = indent
      for word in line.split(separator: " ", omittingEmptySubsequences: true) {
        if current.count > indent.count, current.count + 1 + word.count > width {
          lines.append(current)
          current = indent
        }
        current += current.count > indent.count ? " \(word)" : "\(word)"
      }
      lines.append(current)
      return lines.joined(separator: "\n")
    }.joined(separator: "\n")
  }

  static func prints(_ error: any Error, json: Bool) -> Int32 {
    if let error = error as? any StrataError {
      if json {
        var body: JSONObject = ["code": .string(error.code.name), "message": .string(error.message)]
        body["remedy"] = error.remedy.map(JSON.string)
        body["location"] = error.location.map(JSON.string)
        Terminal.json(["error": .object(body)])
      } else {
        err("strata: \(error)")
      }
      return error.code.kind.exitCode
    }
    if error is CancellationError { return ErrorKind.cancelled.exitCode }
    if json {
      Terminal.json(["error": ["code": "internal", "message": .string("\(error)")]])
    } else {
      err("strata: \(error)")
    }
    return 1
  }

  static func formatted(bytes: Int) -> String {
    let units = ["B", "kB", "MB", "GB", "TB"]
    var value = Double(bytes)
    var unit = 0
    while value >= 1000, unit < units.count - 1 {
      value /= 1000
      unit += 1
    }
    return unit == 0 ? "\(bytes) B" : "\(formatted(value, digits: value < 10 ? 1 : 0)) \(units[unit])"
  }

  static func formatted(_ value: Double, digits: Int) -> String {
    String(format: "%.\(digits)f", value)
  }

  static func formatted(seconds: Double) -> String {
    if seconds < 60 { return "\(Int(seconds.rounded(.up))) s" }
    if seconds < 3600 { return "\(Int(seconds) / 60) min \(Int(seconds) % 60) s" }
    return "\(Int(seconds) / 3600) h \(Int(seconds) % 3600 / 60) min"
  }
}

/// One line on standard error that shows how far something is, how fast it goes and how long it still takes. Silent when
/// standard error is no terminal or the work takes less than half a second.
final class ProgressBar: Sendable {
  private struct State {
    var drawnAt: ContinuousClock.Instant?
    var isDrawn = false
  }

  private let title: String
  private let start = ContinuousClock.now
  private let rate: @Sendable (Double) -> String
  private let state = Mutex(State())

  /// - Parameter rate: formats units per second, for example `12 documents/s`.
  init(_ title: String, rate: @escaping @Sendable (Double) -> String) {
    self.title = title
    self.rate = rate
  }

  static func bytes(_ title: String) -> ProgressBar {
    ProgressBar(title) { "\(Terminal.formatted(bytes: Int($0)))/s" }
  }

  func update(_ done: Int, of total: Int, note: String = "") {
    let fraction = total > 0 ? min(1, Double(done) / Double(total)) : 0
    let seconds = start.duration(to: .now) / .seconds(1)
    let speed = seconds > 0 ? Double(done) / seconds : 0
    let left = speed > 0 ? " · \(Terminal.formatted(seconds: Double(max(0, total - done)) / speed)) left" : ""
    show(fraction, rate(speed) + left + (note.isEmpty ? "" : " · \(note)"))
  }

  /// - Parameters:
  ///   - fraction: done, from 0 to 1.
  ///   - note: what else is to be said, such as rate and time left.
  func show(_ fraction: Double, _ note: String) {
    guard Terminal.isInteractive else { return }
    let now = ContinuousClock.now
    guard start.duration(to: now) > .milliseconds(500) else { return }
    state.withLock { state in
      if let drawnAt = state.drawnAt, drawnAt.duration(to: now) < .milliseconds(100), fraction < 1 { return }
      state.drawnAt = now
      state.isDrawn = true
      let filled = Int(fraction * 24)
      let bar = String(repeating: "━", count: filled) + String(repeating: "─", count: 24 - filled)
      let line = "\(title) \(bar) \(Int(fraction * 100))% · \(note)"
      Terminal.err("\r\u{1B}[2K" + String(line.prefix(Terminal.width - 1)), terminator: "")
    }
  }

  func finish() {
    state.withLock { state in
      if state.isDrawn { Terminal.err("\r\u{1B}[2K", terminator: "") }
      state.isDrawn = false
    }
  }
}
