// Owns glob patterns over document paths. Knows nothing about files or readers.
import Foundation

/// A glob over paths with `/`: `?` is one character, `*` any run of characters within one folder, `**` any number of
/// folders. Upper and lower case differ; a pattern that ends in `/` means everything below that folder.
public struct PathPattern: Sendable, Hashable, CustomStringConvertible {
  private enum Token: Sendable, Hashable {
    case scalar(Unicode.Scalar)
    case anyScalar
    /// `*`: not across `/`.
    case anyRun
    /// `**/`: nothing, or anything that ends in `/`.
    case anyFolders
    /// `**` at the end: anything.
    case anything
  }

  public let text: String
  private let tokens: [Token]

  public init(_ text: String) {
    self.text = text
    var rest = Array(Self.normalized(text))
    if rest.starts(with: ["." as Unicode.Scalar, "/"]) { rest.removeFirst(2) }
    while rest.first == "/" { rest.removeFirst() }
    if rest.last == "/" { rest += ["*", "*"] }
    var tokens: [Token] = []
    var index = 0
    while index < rest.count {
      let atStart = index == 0 || rest[index - 1] == "/"
      switch rest[index] {
      case "?": tokens.append(.anyScalar)
      case "*":
        var end = index
        while end < rest.count, rest[end] == "*" { end += 1 }
        if end - index >= 2, atStart, end == rest.count {
          tokens.append(.anything)
          index = end
        } else if end - index >= 2, atStart, rest[end] == "/" {
          tokens.append(.anyFolders)
          index = end + 1
        } else {
          tokens.append(.anyRun)
          index = end
        }
        continue
      default: tokens.append(.scalar(rest[index]))
      }
      index += 1
    }
    self.tokens = tokens
  }

  public var description: String { text }

  /// File systems differ in how they compose accents, so both sides are compared in one normal form.
  static func normalized(_ text: String) -> String.UnicodeScalarView {
    text.precomposedStringWithCanonicalMapping.unicodeScalars
  }

  /// - Complexity: O(pattern × path) whatever the pattern.
  public func matches(_ path: String) -> Bool { matches(Array(Self.normalized(path))) }

  func matches(_ path: [Unicode.Scalar]) -> Bool {
    // reachable[i]: the tokens so far match the first i characters.
    var reachable = [Bool](repeating: false, count: path.count + 1)
    reachable[0] = true
    for token in tokens {
      var next = [Bool](repeating: false, count: path.count + 1)
      switch token {
      case .scalar(let scalar):
        for index in path.indices where reachable[index] && path[index] == scalar { next[index + 1] = true }
      case .anyScalar:
        for index in path.indices where reachable[index] && path[index] != "/" { next[index + 1] = true }
      case .anyRun:
        var open = false
        for index in 0...path.count {
          if index > 0, path[index - 1] == "/" { open = false }
          if reachable[index] { open = true }
          next[index] = open
        }
      case .anyFolders:
        var open = false
        for index in 0...path.count {
          if open, index > 0, path[index - 1] == "/" { next[index] = true }
          if reachable[index] {
            open = true
            next[index] = true
          }
        }
      case .anything:
        var open = false
        for index in 0...path.count {
          open = open || reachable[index]
          next[index] = open
        }
      }
      reachable = next
    }
    return reachable[path.count]
  }
}
