// Owns what is known about a value when several schemas hold at once, with alternatives multiplied out.

import StrataCore

/// One conjunction of assertions.
struct SchemaFacts {
  var types = JSONTypes.all
  /// Finite choices: the value is in all of these lists.
  var choices: [[JSON]] = []
  var bounds: [NumberBound] = []
  var multiples: [JSONNumber] = []
  var minLength = 0
  var maxLength: Int?
  var patterns: [Pattern] = []
  var formats: Set<String> = []
  var minItems = 0
  var maxItems: Int?
  var items: [ItemRules] = []
  var minProperties = 0
  var maxProperties: Int?
  var properties: [PropertyRules] = []
  var propertyNames: [Int] = []
  var required: [String] = []
  var dependents: [Dependent] = []
  /// Schemas for what the rest of the same schema leaves unevaluated, until that rest is known.
  var unevaluatedProperties: Int?
  var unevaluatedItems: Int?
  /// Keywords that no automaton of ours enforces, with the type to which they matter.
  var unsupported: [Unsupported] = []

  struct Dependent {
    let keyword: String
    let place: String
    let key: String
    let names: [String]
  }

  struct Unsupported: Hashable {
    let keyword: String
    let place: String
    let types: JSONTypes
  }

  /// Both at once; nil when the types exclude each other.
  func merged(_ other: SchemaFacts) -> SchemaFacts? {
    var result = self
    result.types = SchemaFacts.intersection(types, other.types)
    if result.types.isEmpty { return nil }
    result.choices += other.choices
    result.bounds += other.bounds
    result.multiples += other.multiples
    result.minLength = max(minLength, other.minLength)
    result.maxLength = SchemaFacts.least(maxLength, other.maxLength)
    result.patterns += other.patterns
    result.formats.formUnion(other.formats)
    result.minItems = max(minItems, other.minItems)
    result.maxItems = SchemaFacts.least(maxItems, other.maxItems)
    result.items += other.items
    result.minProperties = max(minProperties, other.minProperties)
    result.maxProperties = SchemaFacts.least(maxProperties, other.maxProperties)
    result.properties += other.properties
    result.propertyNames += other.propertyNames
    for name in other.required where !result.required.contains(name) { result.required.append(name) }
    result.dependents += other.dependents
    result.unsupported += other.unsupported
    return result
  }

  private static func least(_ a: Int?, _ b: Int?) -> Int? {
    if let a, let b { min(a, b) } else { a ?? b }
  }

  /// `number` includes `integer`.
  static func intersection(_ a: JSONTypes, _ b: JSONTypes) -> JSONTypes {
    func whole(_ types: JSONTypes) -> JSONTypes { types.contains(.number) ? types.union(.integer) : types }
    return whole(a).intersection(whole(b))
  }
}

/// Multiplies schemas out into alternatives.
struct FactsExpander {
  /// Alternatives that one value may have.
  static let alternativeLimit = 512

  static let depthLimit = 200

  private(set) var program: SchemaProgram
  /// A node that allows everything.
  private let anything: Int
  private var visiting: Set<Int> = []
  private var known: [Int: [SchemaFacts]] = [:]

  init(program: SchemaProgram) {
    self.program = program
    anything = program.nodes.count
    self.program.nodes.append(SchemaNode(name: "#", resource: 0, body: .boolean(true)))
  }

  /// All ways in which all `nodes` can hold.
  mutating func expand(_ nodes: [Int]) throws(SchemaError) -> [SchemaFacts] {
    var alternatives = [SchemaFacts()]
    for node in nodes { alternatives = try cross(alternatives, try expand(node), program.nodes[node].name) }
    return alternatives
  }

  private func cross(_ left: [SchemaFacts], _ right: [SchemaFacts], _ place: String) throws(SchemaError)
    -> [SchemaFacts]
  {
    var result: [SchemaFacts] = []
    for first in left {
      for second in right {
        guard let merged = first.merged(second) else { continue }
        guard result.count < FactsExpander.alternativeLimit else {
          throw SchemaError(
            SchemaError.tooLarge, "The schema combines to more than \(FactsExpander.alternativeLimit) alternatives.",
            remedy: "Use fewer `anyOf` and `oneOf` inside `allOf`.", location: place)
        }
        result.append(merged)
      }
    }
    return result
  }

  private mutating func expand(_ node: Int) throws(SchemaError) -> [SchemaFacts] {
    if let found = known[node] { return found }
    let entry = program.nodes[node]
    guard case .keywords(let keywords) = entry.body else {
      if case .boolean(false) = entry.body { return [] }
      return [SchemaFacts()]
    }
    // A schema that contains itself on the same value adds nothing that is not there without it.
    guard visiting.insert(node).inserted else { return [] }
    defer { visiting.remove(node) }
    guard visiting.count <= FactsExpander.depthLimit else {
      throw SchemaError(
        SchemaError.tooLarge, "References and combinations are more than \(FactsExpander.depthLimit) levels deep.",
        location: entry.name)
    }
    var facts = SchemaFacts()
    var parts: [[SchemaFacts]] = []
    for keyword in keywords {
      if try !facts.add(keyword, entry.name) { parts.append(try expand(keyword, entry.name)) }
    }
    var alternatives = facts.types.isEmpty ? [] : [facts]
    for part in parts { alternatives = try cross(alternatives, part, entry.name) }
    for index in alternatives.indices { close(&alternatives[index]) }
    if visiting.count == 1 { known[node] = alternatives }
    return alternatives
  }

  /// Turns `unevaluated…` into rules about all that this schema and its parts do not name.
  private func close(_ facts: inout SchemaFacts) {
    if let node = facts.unevaluatedProperties {
      if facts.properties.allSatisfy({ $0.additional == nil }) {
        var rules = PropertyRules()
        for known in facts.properties {
          for name in known.named.keys { rules.named[name] = anything }
          rules.patterns += known.patterns.map { ($0.pattern, anything) }
        }
        rules.additional = node
        facts.properties.append(rules)
      }
      facts.unevaluatedProperties = nil
    }
    if let node = facts.unevaluatedItems {
      if facts.items.allSatisfy({ $0.rest == nil }) {
        let count = facts.items.map(\.prefix.count).max() ?? 0
        facts.items.append(ItemRules(prefix: Array(repeating: anything, count: count), rest: node))
      }
      facts.unevaluatedItems = nil
    }
  }

  private mutating func expand(_ keyword: SchemaKeyword, _ place: String) throws(SchemaError) -> [SchemaFacts] {
    switch keyword {
    case .reference(let node): return try expand(node)
    case .dynamicReference(let name, let anchor, let initial):
      let targets = Set(program.dynamicTargets.filter { $0.key.name == anchor }.values)
      if targets.isSubset(of: [initial]) { return try expand(initial) }
      return [.unsupported(name, place)]
    case .allOf(let nodes): return try expand(nodes)
    case .anyOf(let nodes):
      var alternatives: [SchemaFacts] = []
      for node in nodes { alternatives += try expand(node) }
      return alternatives
    case .oneOf(let nodes):
      var branches: [[SchemaFacts]] = []
      for node in nodes { branches.append(try expand(node)) }
      var alternatives = branches.flatMap { $0 }
      if try !areDisjoint(branches, nodes) {
        let mark = SchemaFacts.Unsupported(keyword: "oneOf", place: place, types: .all)
        for index in alternatives.indices { alternatives[index].unsupported.append(mark) }
      }
      return alternatives
    case .not(let node): return try expandNegation(of: node, place)
    case .condition: return [.unsupported("if", place)]
    default: return [SchemaFacts()]
    }
  }

  /// `not` is exact for types and for schemas that allow all or nothing.
  private mutating func expandNegation(of node: Int, _ place: String) throws(SchemaError) -> [SchemaFacts] {
    switch program.nodes[node].body {
    case .boolean(let value): return value ? [] : [SchemaFacts()]
    case .keywords(let keywords):
      if keywords.isEmpty { return [] }
      if keywords.count == 1, case .types(let types) = keywords[0],
        !types.contains(.integer) || types.contains(.number)
      {
        var facts = SchemaFacts()
        facts.types = JSONTypes.all.subtracting(types.contains(.number) ? types.union(.integer) : types)
        return facts.types.isEmpty ? [] : [facts]
      }
      return [.unsupported("not", place)]
    }
  }

  // MARK: oneOf

  private mutating func areDisjoint(_ branches: [[SchemaFacts]], _ nodes: [Int]) throws(SchemaError) -> Bool {
    for first in branches.indices {
      for second in branches.indices.dropFirst(first + 1) {
        for a in branches[first] {
          for b in branches[second] where try !areDisjoint(a, b, nodes[first], nodes[second], depth: 0) { return false }
        }
      }
    }
    return true
  }

  private mutating func areDisjoint(
    _ a: SchemaFacts, _ b: SchemaFacts, _ nodeA: Int?, _ nodeB: Int?, depth: Int
  ) throws(SchemaError) -> Bool {
    let common = SchemaFacts.intersection(a.types, b.types)
    if common.isEmpty { return true }
    if let node = nodeB, let values = a.choices.first, values.allSatisfy({ !fits(node, $0) }) { return true }
    if let node = nodeA, let values = b.choices.first, values.allSatisfy({ !fits(node, $0) }) { return true }
    if let first = a.choices.first, let second = b.choices.first,
      Set(first.map(CanonicalForm.init)).isDisjoint(with: second.map(CanonicalForm.init))
    {
      return true
    }
    guard common == .object, depth < 4 else { return false }
    for name in Set(a.required + b.required) {
      if a.required.contains(name), b.forbids(name, program) { return true }
      if b.required.contains(name), a.forbids(name, program) { return true }
      guard let first = a.nodes(of: name, program), let second = b.nodes(of: name, program) else { continue }
      if try areExclusive(first, second, depth: depth + 1) { return true }
    }
    return false
  }

  private mutating func areExclusive(_ first: [Int], _ second: [Int], depth: Int) throws(SchemaError) -> Bool {
    // A member on the way round a recursion proves nothing.
    if !visiting.isDisjoint(with: first + second) { return false }
    for a in try expand(first) {
      for b in try expand(second) where try !areDisjoint(a, b, first.first, second.first, depth: depth) {
        return false
      }
    }
    return true
  }

  private func fits(_ node: Int, _ value: JSON) -> Bool {
    var evaluator = Evaluator(program: program, collects: false)
    return evaluator.run(node, value)
  }
}

extension SchemaFacts {
  static func unsupported(_ keyword: String, _ place: String) -> SchemaFacts {
    var facts = SchemaFacts()
    facts.unsupported = [Unsupported(keyword: keyword, place: place, types: .all)]
    return facts
  }

  /// Schemas that a member of this name must fit; nil when it may not be there at all.
  func nodes(of name: String, _ program: SchemaProgram) -> [Int]? {
    var nodes: [Int] = []
    for rules in properties {
      var isKnown = false
      if let node = rules.named[name] {
        nodes.append(node)
        isKnown = true
      }
      for (pattern, node) in rules.patterns where pattern.matches(name) {
        nodes.append(node)
        isKnown = true
      }
      if !isKnown, let node = rules.additional { nodes.append(node) }
    }
    for node in nodes {
      if case .boolean(false) = program.nodes[node].body { return nil }
    }
    return nodes
  }

  func forbids(_ name: String, _ program: SchemaProgram) -> Bool { nodes(of: name, program) == nil }

  /// Adds an assertion; false when the keyword combines schemas and must be multiplied out.
  mutating func add(_ keyword: SchemaKeyword, _ place: String) throws(SchemaError) -> Bool {
    func mark(_ name: String, _ types: JSONTypes) {
      unsupported.append(Unsupported(keyword: name, place: place, types: types))
    }
    switch keyword {
    case .types(let allowed): types = SchemaFacts.intersection(types, allowed)
    case .constant(_, let value): choices.append([value])
    case .enumeration(_, let values): choices.append(values)
    case .bound(let bound): bounds.append(bound)
    case .multipleOf(let divisor): multiples.append(divisor)
    case .minLength(let count): minLength = max(minLength, count)
    case .maxLength(let count): maxLength = min(maxLength ?? count, count)
    case .pattern(let pattern): patterns.append(pattern)
    case .format(let format, _): formats.insert(format.rawValue)
    case .minItems(let count): minItems = max(minItems, count)
    case .maxItems(let count): maxItems = min(maxItems ?? count, count)
    case .items(let rules): items.append(rules)
    case .minProperties(let count): minProperties = max(minProperties, count)
    case .maxProperties(let count): maxProperties = min(maxProperties ?? count, count)
    case .required(let names): for name in names where !required.contains(name) { required.append(name) }
    case .properties(let rules): properties.append(rules)
    case .propertyNames(let node): propertyNames.append(node)
    case .uniqueItems: mark("uniqueItems", .array)
    case .contains: mark("contains", .array)
    case .unevaluatedItems(let node): unevaluatedItems = node
    case .unevaluatedProperties(let node): unevaluatedProperties = node
    case .dependentRequired(let name, let rules):
      for (key, names) in rules {
        dependents.append(Dependent(keyword: name, place: place, key: key, names: names))
      }
    case .dependentSchemas(let name, _): mark(name, .object)
    case .reference, .dynamicReference, .allOf, .anyOf, .oneOf, .not, .condition: return false
    }
    return true
  }
}
