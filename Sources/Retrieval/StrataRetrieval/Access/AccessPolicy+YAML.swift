// Owns the text form of an access policy, `.strata-acl.yaml`. Whatever is wrong in it is an error: nobody may come to
// read a document because of a typing mistake.
import Foundation
import StrataCore
import Yams

extension AccessPolicy {
  static let byteLimit = 1 << 20

  /// Reads the policy file in `folder`, or nil when there is none.
  /// - Throws: ``RetrievalError`` when there is one that cannot be understood.
  public static func load(folder: String) throws -> AccessPolicy? {
    let path = folder + "/" + fileName
    var status = stat()
    guard lstat(path, &status) == 0 else {
      if errno == ENOENT { return nil }
      throw RetrievalError.unreadableFile(String(cString: strerror(errno)), path: path)
    }
    let bytes = try FileReader(byteLimit: byteLimit).read(path).bytes
    guard let text = String(validating: bytes, as: UTF8.self) else {
      throw RetrievalError.invalidAccessFile(
        "The access file is not UTF-8.", line: nil, file: path, remedy: "Save it as UTF-8.")
    }
    return try AccessPolicy(yaml: text, file: path)
  }

  /// - Throws: ``RetrievalError`` that names the line and what to write instead.
  public init(yaml: String, file: String = AccessPolicy.fileName) throws {
    try AccessFileGuard.check(yaml, file: file)
    let root: Node?
    do {
      root = try Yams.compose(yaml: yaml)
    } catch let error as YamlError {
      throw RetrievalError.invalidAccessFile(
        "The access file is not valid YAML: \(AccessFileReader.reason(error)).", line: AccessFileReader.line(error),
        file: file, remedy: "Correct the line; put patterns that begin with * in quotes.")
    }
    self = try AccessFileReader(file: file).policy(root)
  }
}

/// Refuses YAML that costs more than its size says, before the YAML parser (which recurses) sees it.
private enum AccessFileGuard {
  static let nestingLimit = 32

  static func check(_ text: String, file: String) throws {
    guard text.utf8.count <= AccessPolicy.byteLimit else {
      throw RetrievalError.invalidAccessFile(
        "The access file has \(text.utf8.count) bytes.", line: nil, file: file,
        remedy: "Keep it below \(AccessPolicy.byteLimit) bytes.")
    }
    var open = 0
    for (index, line) in text.utf8.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false).enumerated() {
      var previous = UInt8(ascii: " ")
      var indicators = 0
      var indentation = 0
      var leading = true
      for (offset, byte) in line.enumerated() {
        let isSpace = byte == UInt8(ascii: " ") || byte == UInt8(ascii: "\t") || byte == UInt8(ascii: "\r")
        switch byte {
        case UInt8(ascii: "["), UInt8(ascii: "{"): open += 1
        case UInt8(ascii: "]"), UInt8(ascii: "}"): open = max(0, open - 1)
        case UInt8(ascii: "-"), UInt8(ascii: "?"), UInt8(ascii: ":"):
          if leading { indicators += 1 }
        case UInt8(ascii: "&") where " \t[{,".utf8.contains(previous):
          let next = line.index(line.startIndex, offsetBy: offset + 1)
          if next < line.endIndex, !" \t\r".utf8.contains(line[next]) {
            throw RetrievalError.invalidAccessFile(
              "The access file uses a YAML anchor.", line: index + 1, file: file,
              remedy: "Write the list out where it is used; quote text that begins with &.")
          }
        default: break
        }
        if leading {
          if isSpace {
            indentation += 1
          } else if !"-?:".utf8.contains(byte) {
            leading = false
          }
        }
        if open > nestingLimit || indicators > nestingLimit || indentation > 8 * nestingLimit {
          throw RetrievalError.invalidAccessFile(
            "The access file is nested too deeply.", line: index + 1, file: file,
            remedy: "It needs only the lists groups, rules and ignore.")
        }
        previous = byte
      }
    }
  }
}

/// Walks the composed YAML and turns it into a policy.
private struct AccessFileReader {
  let file: String

  func policy(_ root: Node?) throws -> AccessPolicy {
    guard let root, !isEmpty(root) else {
      throw fail(
        "The access file is empty.", nil, remedy: "Add a list of rules, or delete the file to let everyone read.")
    }
    guard case .mapping(let mapping) = root else {
      throw fail("The access file is no mapping.", root, remedy: "Begin it with groups: and rules:.")
    }
    var policy = AccessPolicy(rules: [])
    var hasRules = false
    for (key, value) in mapping {
      switch key.scalar?.string {
      case "groups": policy.groups = try groups(value)
      case "rules":
        policy.rules = try sequence(value, "rules").map(rule)
        hasRules = true
      case "ignore": policy.ignored = try sequence(value, "ignore").map { PathPattern(try text($0, "a pattern")) }
      default:
        throw fail(
          "The access file has the unknown key \(key.scalar?.string ?? "(no text)").", key,
          remedy: "Known keys: groups, rules, ignore.")
      }
    }
    guard hasRules else {
      throw fail("The access file has no rules.", root, remedy: "Add rules:, a list of path: and readers:.")
    }
    for rule in policy.rules {
      for case .group(let name) in rule.readers where policy.groups[name] == nil {
        policy.warnings.append("Rule \(rule.pattern) names the group \(name), which has no members here.")
      }
    }
    return policy
  }

  private func groups(_ node: Node) throws -> [String: [String]] {
    if isEmpty(node) { return [:] }
    guard case .mapping(let mapping) = node else {
      throw fail("groups is no mapping.", node, remedy: "Write it as name: [user, user].")
    }
    var groups: [String: [String]] = [:]
    for (key, value) in mapping {
      groups[try text(key, "a group's name")] = try sequence(value, "a group").map { try text($0, "a user") }
    }
    return groups
  }

  private func rule(_ node: Node) throws -> AccessPolicy.Rule {
    guard case .mapping(let mapping) = node else {
      throw fail("A rule is no mapping.", node, remedy: "Write it as path: and readers:.")
    }
    var path: String?
    var readers: [Reader]?
    for (key, value) in mapping {
      switch key.scalar?.string {
      case "path": path = try text(value, "a path")
      case "readers": readers = try sequence(value, "readers").map(reader)
      default:
        throw fail(
          "A rule has the unknown key \(key.scalar?.string ?? "(no text)").", key, remedy: "Known keys: path, readers.")
      }
    }
    guard let path else { throw fail("A rule has no path.", node, remedy: "Add path: with a pattern.") }
    guard let readers else {
      throw fail("The rule for \(path) has no readers.", node, remedy: "Add readers:, an empty list for nobody.")
    }
    return AccessPolicy.Rule(path, readers: readers)
  }

  private func reader(_ node: Node) throws -> Reader {
    let name = try text(node, "a reader")
    guard let reader = Reader(name) else {
      throw fail("\(name) is no reader.", node, remedy: "Write everyone, user:NAME or group:NAME.")
    }
    return reader
  }

  private func sequence(_ node: Node, _ name: String) throws -> [Node] {
    if isEmpty(node) { return [] }
    guard case .sequence(let sequence) = node else {
      throw fail("\(name) is no list.", node, remedy: "Write it as [one, two] or as lines that begin with a dash.")
    }
    return Array(sequence)
  }

  private func text(_ node: Node, _ name: String) throws -> String {
    guard case .scalar(let scalar) = node, !scalar.string.isEmpty else {
      throw fail("\(name) is empty or no text.", node, remedy: "Write it as one word, in quotes if it has signs.")
    }
    return scalar.string
  }

  /// Nothing after the colon, `~` or `null`.
  private func isEmpty(_ node: Node) -> Bool {
    guard case .scalar(let scalar) = node, scalar.style == .plain || scalar.style == .any else { return false }
    return ["", "~", "null"].contains(scalar.string)
  }

  private func fail(_ message: String, _ node: Node?, remedy: String) -> RetrievalError {
    .invalidAccessFile(message, line: node?.mark?.line, file: file, remedy: remedy)
  }

  static func line(_ error: YamlError) -> Int? {
    switch error {
    case .scanner(_, _, let mark, _), .parser(_, _, let mark, _), .composer(_, _, let mark, _): mark.line
    case .duplicatedKeysInMapping(_, let context): context.mark.line
    default: nil
    }
  }

  static func reason(_ error: YamlError) -> String {
    switch error {
    case .scanner(_, let problem, _, _), .parser(_, let problem, _, _), .composer(_, let problem, _, _): problem
    case .duplicatedKeysInMapping(let keys, _): "the key \(keys.map { "\($0)" }.joined(separator: ", ")) occurs twice"
    default: "\(error)".split(separator: "\n").first.map(String.init) ?? "unreadable"
    }
  }
}
