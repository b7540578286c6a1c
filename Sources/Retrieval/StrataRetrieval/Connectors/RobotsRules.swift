// Owns what a site's robots.txt allows (RFC 9309). Knows nothing about how it is fetched.

/// The rules of a robots.txt for one robot.
package struct RobotsRules: Sendable, Hashable {
  /// The site as a whole is closed: robots.txt could not be had from it (RFC 9309, 2.3.1.4).
  static let closed = RobotsRules(rules: [Rule(allows: false, pattern: [UInt8(ascii: "/")])])
  static let open = RobotsRules(rules: [])

  private struct Rule: Sendable, Hashable {
    var allows: Bool
    var pattern: [UInt8]
  }

  private var rules: [Rule]
  /// Addresses of sitemaps that the file names.
  package private(set) var sitemaps: [String] = []

  private init(rules: [Rule]) { self.rules = rules }

  /// - Parameter robot: product token in lower case; groups for `*` count when none names it.
  package init(_ text: String, robot: String) {
    var own: [Rule] = []
    var common: [Rule] = []
    var named = false
    var groupIsOwn = false
    var groupIsCommon = false
    var isInAgents = false
    // 500 KiB are to be read at least (2.5); more has no use.
    for line in text.prefix(1 << 19).split(whereSeparator: \.isNewline) {
      let content = line.prefix { $0 != "#" }
      guard let colon = content.firstIndex(of: ":") else { continue }
      let field = content[..<colon].filter { !$0.isWhitespace }.lowercased()
      let value = String(content[content.index(after: colon)...]).trimmedASCII
      switch field {
      case "user-agent":
        if !isInAgents { (groupIsOwn, groupIsCommon) = (false, false) }
        isInAgents = true
        let agent = value.lowercased().prefix { $0.isLetter || $0 == "-" || $0 == "_" }
        if agent == robot { (groupIsOwn, named) = (true, true) }
        if value == "*" { groupIsCommon = true }
      case "allow", "disallow":
        isInAgents = false
        guard !value.isEmpty else { continue }
        let rule = Rule(allows: field == "allow", pattern: Array(value.utf8))
        if groupIsOwn { own.append(rule) }
        if groupIsCommon { common.append(rule) }
      case "sitemap": sitemaps.append(value)
      default: continue
      }
    }
    rules = named ? own : common
  }

  /// - Parameter path: with its query, as it is asked for.
  package func allows(_ path: String) -> Bool {
    let path = Array(path.utf8)
    // The longest match wins, and of equally long ones the permission (2.2.2).
    var best: (length: Int, allows: Bool) = (-1, true)
    for rule in rules where Self.matches(rule.pattern, path) {
      let length = rule.pattern.count
      if length > best.length || length == best.length && rule.allows { best = (length, rule.allows) }
    }
    return best.allows
  }

  /// `*` stands for anything, a final `$` for the end.
  private static func matches(_ pattern: [UInt8], _ path: [UInt8]) -> Bool {
    let isAnchored = pattern.last == UInt8(ascii: "$")
    let pattern = isAnchored ? pattern.dropLast() : pattern[...]
    var (p, s) = (pattern.startIndex, 0)
    var star: (pattern: Int, path: Int)?
    while true {
      if p == pattern.endIndex {
        if !isAnchored || s == path.count { return true }
      } else if pattern[p] == UInt8(ascii: "*") {
        star = (p + 1, s)
        p += 1
        continue
      } else if s < path.count, pattern[p] == path[s] {
        p += 1
        s += 1
        continue
      }
      guard let last = star, last.path < path.count else { return false }
      star = (last.pattern, last.path + 1)
      (p, s) = (last.pattern, last.path + 1)
    }
  }
}

extension String {
  fileprivate var trimmedASCII: String {
    var view = self[...]
    while let first = view.first, first.isWhitespace { view = view.dropFirst() }
    while let last = view.last, last.isWhitespace { view = view.dropLast() }
    return String(view)
  }
}
