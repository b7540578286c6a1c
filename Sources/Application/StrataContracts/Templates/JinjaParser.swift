// Owns parsing of the Jinja subset: tags into nodes, tokens into expressions. Evaluates nothing.
import StrataCore

/// Parses a template. White space around tags stays, except where a `-` asks for its removal.
struct JinjaParser {
  private let bytes: [UInt8]
  private let limits: TemplateLimits
  private var pieces: [Piece] = []
  private var position = 0

  private enum Piece {
    case text(String)
    case output([JinjaToken], Int)
    case statement([JinjaToken], Int)
  }

  init(_ template: String, limits: TemplateLimits) throws(ContractError) {
    bytes = Array(template.utf8)
    self.limits = limits
    try split()
  }

  mutating func parse() throws(ContractError) -> [JinjaNode] {
    let (nodes, stop) = try block(until: [], depth: 0)
    if let stop { throw failure("`\(stop)` closes nothing.", bytes.count) }
    return nodes
  }

  private func failure(_ message: String, _ offset: Int) -> ContractError {
    ContractError(
      ContractError.template, message, remedy: "Correct the Jinja tag.",
      location: "template line \(lineNumber(at: offset, in: bytes))")
  }

  private mutating func split() throws(ContractError) {
    var index = 0
    var trimNext = false
    while index < bytes.count {
      let tag = nextTag(from: index)
      var text = bytes[index..<(tag ?? bytes.count)]
      if trimNext { text = text.drop(while: Self.isSpace) }
      guard let tag else {
        pieces.append(.text(String(decoding: text, as: UTF8.self)))
        return
      }
      let kind = bytes[tag + 1]
      let trimsLeft = tag + 2 < bytes.count && bytes[tag + 2] == UInt8(ascii: "-")
      if trimsLeft { while let last = text.last, Self.isSpace(last) { text.removeLast() } }
      if !text.isEmpty { pieces.append(.text(String(decoding: text, as: UTF8.self))) }
      let inner = min(tag + (trimsLeft ? 3 : 2), bytes.count)
      guard let end = close(of: kind, from: inner) else { throw failure("A tag is not closed.", tag) }
      trimNext = end > inner && bytes[end - 1] == UInt8(ascii: "-")
      let content = bytes[inner..<(trimNext ? end - 1 : end)]
      index = end + 2
      guard kind != UInt8(ascii: "#") else { continue }
      let tokens: [JinjaToken]
      do { tokens = try JinjaLexer.tokens(content) } catch { throw failure(error.message, tag) }
      pieces.append(kind == 0x7B ? .output(tokens, tag) : .statement(tokens, tag))
    }
  }

  private static func isSpace(_ byte: UInt8) -> Bool { byte == 0x20 || (0x09...0x0D).contains(byte) }

  private func nextTag(from start: Int) -> Int? {
    var index = start
    while index + 1 < bytes.count {
      if bytes[index] == 0x7B, "{%#".utf8.contains(bytes[index + 1]) { return index }
      index += 1
    }
    return nil
  }

  /// The closing delimiter, skipping quoted text except in comments.
  private func close(of kind: UInt8, from start: Int) -> Int? {
    let closer = kind == 0x7B ? 0x7D : kind
    var quote: UInt8?
    var index = start
    while index + 1 < bytes.count {
      let byte = bytes[index]
      if let open = quote {
        if byte == UInt8(ascii: "\\") { index += 1 } else if byte == open { quote = nil }
      } else if byte == closer, bytes[index + 1] == 0x7D {
        return index
      } else if kind != UInt8(ascii: "#"), byte == UInt8(ascii: "'") || byte == UInt8(ascii: "\"") {
        quote = byte
      }
      index += 1
    }
    return nil
  }

  private mutating func block(
    until stops: Set<String>, depth: Int
  ) throws(ContractError) -> (nodes: [JinjaNode], stop: String?) {
    var nodes: [JinjaNode] = []
    while position < pieces.count {
      let piece = pieces[position]
      position += 1
      switch piece {
      case .text(let text): nodes.append(.text(text))
      case .output(let tokens, let offset):
        var parser = expression(tokens)
        nodes.append(.output(try located(offset) { () throws(ContractError) in try parser.parseWhole() }))
      case .statement(let tokens, let offset):
        guard depth < limits.depth else { throw failure("Blocks nest too deep.", offset) }
        guard case .name(let keyword)? = tokens.first else { throw failure("A statement has no name.", offset) }
        if stops.contains(keyword) {
          position -= 1
          return (nodes, keyword)
        }
        switch keyword {
        case "if": nodes.append(try condition(offset, depth: depth))
        case "for": nodes.append(try loop(tokens, offset, depth: depth))
        case "set": nodes.append(try assignment(tokens, offset))
        default:
          throw failure("`{% \(keyword) %}` is not part of the subset (if, elif, else, for, set).", offset)
        }
      }
    }
    if !stops.isEmpty {
      throw failure("A block is not closed by \(stops.sorted().joined(separator: " or ")).", bytes.count)
    }
    return (nodes, nil)
  }

  private func expression(_ tokens: [JinjaToken]) -> JinjaExpressionParser {
    JinjaExpressionParser(tokens: tokens, depthLimit: limits.depth)
  }

  private func located<T>(_ offset: Int, _ body: () throws(ContractError) -> T) throws(ContractError) -> T {
    do { return try body() } catch { throw failure(error.message, offset) }
  }

  /// The statement that ended a block; its expression is what follows `skip` tokens.
  private mutating func takeStop() -> (tokens: [JinjaToken], offset: Int) {
    guard position < pieces.count, case .statement(let tokens, let offset) = pieces[position] else {
      return ([.end], bytes.count)
    }
    position += 1
    return (tokens, offset)
  }

  private mutating func condition(_ start: Int, depth: Int) throws(ContractError) -> JinjaNode {
    position -= 1
    var branches: [(JinjaExpression, [JinjaNode])] = []
    while true {
      let (tokens, offset) = takeStop()
      guard tokens.first != .name("endif") else { return .condition(branches, otherwise: []) }
      if tokens.first == .name("else") {
        let (otherwise, _) = try block(until: ["endif"], depth: depth + 1)
        _ = takeStop()
        return .condition(branches, otherwise: otherwise)
      }
      var parser = expression(Array(tokens.dropFirst()))
      let test = try located(offset) { () throws(ContractError) in try parser.parseWhole() }
      branches.append((test, try block(until: ["elif", "else", "endif"], depth: depth + 1).nodes))
    }
  }

  private mutating func loop(_ tokens: [JinjaToken], _ offset: Int, depth: Int) throws(ContractError) -> JinjaNode {
    var names: [String] = []
    var rest = tokens.dropFirst()
    while case .name(let name)? = rest.first, name != "in" {
      names.append(name)
      rest = rest.dropFirst()
      if rest.first == .symbol(",") { rest = rest.dropFirst() }
    }
    guard (1...2).contains(names.count), rest.first == .name("in") else {
      throw failure("A loop reads `for NAME in VALUES` or `for KEY, VALUE in VALUES.items()`.", offset)
    }
    var parser = expression(Array(rest.dropFirst()))
    let values = try located(offset) { () throws(ContractError) in try parser.parseWhole() }
    let (body, stop) = try block(until: ["else", "endfor"], depth: depth + 1)
    _ = takeStop()
    var otherwise: [JinjaNode] = []
    if stop == "else" {
      otherwise = try block(until: ["endfor"], depth: depth + 1).nodes
      _ = takeStop()
    }
    return .loop(names: names, values, body: body, otherwise: otherwise)
  }

  private func assignment(_ tokens: [JinjaToken], _ offset: Int) throws(ContractError) -> JinjaNode {
    guard tokens.count > 3, case .name(let name) = tokens[1], tokens[2] == .symbol("=") else {
      throw failure("An assignment reads `set NAME = VALUE`.", offset)
    }
    var parser = expression(Array(tokens.dropFirst(3)))
    return .assignment(name, try located(offset) { () throws(ContractError) in try parser.parseWhole() })
  }
}
