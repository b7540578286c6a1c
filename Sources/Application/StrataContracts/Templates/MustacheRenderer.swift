// Owns the Mustache template language without HTML escaping and partials. Knows nothing about roles.
import StrataCore

/// Mustache (mustache(5) and its specification's interpolation, sections, inverted and comments modules). Nothing is
/// HTML-escaped, because prompts are not HTML; partials, lambdas and delimiter changes are refused.
public struct MustacheRenderer: TemplateRenderer {
  public var limits: TemplateLimits

  public init(limits: TemplateLimits = TemplateLimits()) { self.limits = limits }

  public func render(_ template: String, inputs: JSONObject) throws -> [PromptSegment] {
    var parser = MustacheParser(bytes: Array(template.utf8), limits: limits)
    let nodes = try parser.parse()
    var evaluator = MustacheEvaluator(limits: limits)
    try evaluator.render(nodes, stack: [(.object(inputs), nil)])
    return evaluator.writer.segments
  }
}

private indirect enum MustacheNode {
  case text(String)
  case variable([String])
  case section([String], inverted: Bool, [MustacheNode])
}

private struct MustacheParser {
  let bytes: [UInt8]
  let limits: TemplateLimits
  var index = 0

  mutating func parse() throws(ContractError) -> [MustacheNode] {
    var open: [(name: String, inverted: Bool, nodes: [MustacheNode])] = [("", false, [])]
    while index < bytes.count {
      let start = index
      guard let tag = find([0x7B, 0x7B], from: index) else {
        open[open.count - 1].nodes.append(text(start, bytes.count))
        index = bytes.count
        break
      }
      let isTriple = tag + 2 < bytes.count && bytes[tag + 2] == 0x7B
      let closer: [UInt8] = isTriple ? [0x7D, 0x7D, 0x7D] : [0x7D, 0x7D]
      let inner = tag + closer.count
      guard let end = find(closer, from: inner) else { throw failure("A tag is not closed.", tag) }
      var content = String(decoding: bytes[inner..<end], as: UTF8.self).trimmingSpaces
      let sigil = isTriple ? "&" : content.first.flatMap { "#^/!>=&".contains($0) ? $0 : nil } ?? " "
      if !isTriple, sigil != " " { content = String(content.dropFirst()).trimmingSpaces }
      var (textEnd, next) = (tag, end + closer.count)
      if "#^/!".contains(sigil) { (textEnd, next) = standalone(tag, next, lineStart: start) }
      open[open.count - 1].nodes.append(text(start, textEnd))
      index = next
      switch sigil {
      case "#", "^":
        guard open.count < limits.depth else { throw failure("Sections nest too deep.", tag) }
        open.append((content, sigil == "^", []))
      case "/":
        guard open.count > 1, let closed = open.popLast(), closed.name == content else {
          throw failure("`{{/\(content)}}` closes a section that is not open.", tag)
        }
        open[open.count - 1].nodes.append(.section(path(content), inverted: closed.inverted, closed.nodes))
      case "!": break
      case ">", "=": throw failure("Partials and delimiter changes are not read.", tag)
      default:
        guard !content.isEmpty else { throw failure("A tag has no name.", tag) }
        open[open.count - 1].nodes.append(.variable(path(content)))
      }
    }
    guard open.count == 1, let root = open.first else {
      throw failure("The section `\(open.last?.name ?? "")` is not closed.", bytes.count)
    }
    return root.nodes
  }

  /// A section or comment tag alone on its line takes the whole line with it.
  private func standalone(_ tag: Int, _ next: Int, lineStart start: Int) -> (Int, Int) {
    var before = tag
    while before > start, bytes[before - 1] == 0x20 || bytes[before - 1] == 0x09 { before -= 1 }
    guard before == 0 || bytes[before - 1] == 0x0A else { return (tag, next) }
    var after = next
    while after < bytes.count, bytes[after] == 0x20 || bytes[after] == 0x09 { after += 1 }
    if after < bytes.count, bytes[after] == 0x0D { after += 1 }
    guard after == bytes.count || bytes[after] == 0x0A else { return (tag, next) }
    return (before, min(after + 1, bytes.count))
  }

  private func text(_ start: Int, _ end: Int) -> MustacheNode {
    .text(String(decoding: bytes[min(start, end)..<end], as: UTF8.self))
  }

  private func path(_ name: String) -> [String] {
    name == "." ? [] : name.split(separator: ".").map { String($0).trimmingSpaces }
  }

  private func find(_ needle: [UInt8], from start: Int) -> Int? {
    guard bytes.count >= needle.count, start <= bytes.count - needle.count else { return nil }
    return (start...(bytes.count - needle.count)).first { at in bytes[at..<(at + needle.count)].elementsEqual(needle) }
  }

  private func failure(_ message: String, _ offset: Int) -> ContractError {
    ContractError(
      ContractError.template, message, remedy: "Correct the Mustache tag.",
      location: "template line \(lineNumber(at: offset, in: bytes))")
  }
}

private struct MustacheEvaluator {
  /// A context and the input from which it came.
  typealias Frame = (value: JSON, source: String?)
  let limits: TemplateLimits
  var writer: SegmentWriter
  var operations = 0

  init(limits: TemplateLimits) {
    self.limits = limits
    writer = SegmentWriter(limit: limits.outputByteCount)
  }

  mutating func render(_ nodes: [MustacheNode], stack: [Frame]) throws(ContractError) {
    for node in nodes {
      operations += 1
      guard operations <= limits.operationCount else {
        throw ContractError(ContractError.template, "The template runs more than \(limits.operationCount) steps.")
      }
      switch node {
      case .text(let text): try writer.append(.literal, text)
      case .variable(let path):
        let found = lookUp(path, stack)
        try writer.append(.interpolated(source: found.source), found.value.promptText)
      case .section(let path, let inverted, let body):
        let found = lookUp(path, stack)
        if inverted {
          if !found.value.isTruthy { try render(body, stack: stack) }
        } else if case .array(let values) = found.value {
          for value in values { try render(body, stack: stack + [(value, found.source)]) }
        } else if found.value.isTruthy {
          try render(body, stack: stack + [found])
        }
      }
    }
  }

  private func lookUp(_ path: [String], _ stack: [Frame]) -> Frame {
    guard let name = path.first else { return stack.last ?? (.null, nil) }
    for (depth, frame) in stack.enumerated().reversed() {
      guard var value = frame.value[name] else { continue }
      for member in path.dropFirst() {
        value = value[member] ?? Int(member).flatMap { value[$0] } ?? .null
      }
      return (value, depth == 0 ? name : frame.source)
    }
    return (.null, name)
  }
}

extension String {
  var trimmingSpaces: String {
    let isSpace: (Character) -> Bool = { $0 == " " || $0 == "\t" || $0 == "\n" || $0 == "\r\n" || $0 == "\r" }
    let head = drop(while: isSpace)
    guard let last = head.lastIndex(where: { !isSpace($0) }) else { return "" }
    return String(head[...last])
  }
}
