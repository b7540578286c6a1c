// Owns how objects and arrays are generated.

import StrataCore

extension GrammarBuilder {
  /// What may stand for a comma, by layout.
  private var separators: [[UInt8]] {
    switch options.layout {
    case .compact: [[0x2C]]
    case .spaced: [[0x2C, 0x20]]
    case .optionalSpace: [[0x2C], [0x2C, 0x20]]
    }
  }

  private var colons: [[UInt8]] {
    switch options.layout {
    case .compact: [[0x3A]]
    case .spaced: [[0x3A, 0x20]]
    case .optionalSpace: [[0x3A], [0x3A, 0x20]]
    }
  }

  // MARK: Arrays

  private static let unrolledItems = 2_048

  mutating func array(_ facts: SchemaFacts, then next: Int) throws(SchemaError) -> Int {
    let prefix = facts.items.map(\.prefix.count).max() ?? 0
    let least = facts.minItems
    // Beyond what is unrolled arrays just end: fewer values, all valid.
    var most = facts.maxItems.map { min($0, max(GrammarBuilder.unrolledItems, least)) }
    guard least <= GrammarBuilder.unrolledItems * 4 else {
      throw SchemaError(SchemaError.tooLarge, "`minItems` \(least) is too large for constrained decoding.")
    }
    if let limit = most, limit < least { return try never() }
    if most == nil, prefix + least > GrammarBuilder.unrolledItems * 4 { most = prefix + least }
    let last = most ?? max(prefix, least, 1)
    // Built from the back: `after` continues after `count` items.
    var after = try never()
    if most == nil {
      // Past the last special position all items are alike and the loop is one instruction.
      let loop = try emit(.split([]))
      let item = try value(itemNodes(facts, at: last), then: loop)
      let ways = [([UInt8(ascii: "]")], next)] + separators.map { ($0, item) }
      redirect(loop, to: try choice(ways))
      after = loop
    } else {
      after = try choice([([UInt8(ascii: "]")], next)])
    }
    if last == 0 { return try choice([(Array("[]".utf8), next)]) }
    for count in stride(from: last - 1, through: 0, by: -1) {
      let item = try value(itemNodes(facts, at: count), then: after)
      if count == 0 {
        var ways = [(text: [UInt8(ascii: "[")], next: item)]
        if least == 0 { ways.append((Array("[]".utf8), next)) }
        return try choice(ways)
      }
      var ways = separators.map { (text: $0, next: item) }
      if count >= least { ways.append(([UInt8(ascii: "]")], next)) }
      after = try choice(ways)
    }
    return after
  }

  private func itemNodes(_ facts: SchemaFacts, at position: Int) -> [Int] {
    facts.items.compactMap { position < $0.prefix.count ? $0.prefix[position] : $0.rest }
  }

  // MARK: Objects

  private struct Member {
    let name: String
    let nodes: [Int]
    let isRequired: Bool
  }

  /// Members come in the order of `properties`, then those that are only required. Others come last, and only when
  /// `additionalProperties` or `patternProperties` say so, or when nothing is said about members at all.
  mutating func object(_ facts: SchemaFacts, _ place: String, then next: Int) throws(SchemaError) -> Int {
    guard let members = try members(of: facts) else { return try never() }
    let required = members.filter(\.isRequired).count
    let others = try otherMembers(facts, members)
    for dependent in facts.dependents where !dependent.names.allSatisfy(facts.required.contains) {
      if others.isEmpty, !members.contains(where: { $0.name == dependent.key }) { continue }
      try refuse(dependent.keyword, at: dependent.place)
    }
    var least = facts.minProperties
    if least > required, !others.isEmpty {
      // A repeated name would be counted twice here and once by validation.
      try refuse("minProperties", at: place)
      least = required
    }
    let counted = max(least > required ? least : 0, facts.maxProperties.map { $0 + 1 } ?? 0)
    var body = ObjectBody(
      members: members, others: others, least: least, most: facts.maxProperties, counted: max(1, counted))
    if (members.count + 1) * (body.counted + 1) > 100_000 {
      throw SchemaError(
        SchemaError.tooLarge, "`minProperties` and `maxProperties` beside so many properties need too many states.")
    }
    // From the back, so that each step finds the next one made.
    for position in stride(from: members.count, through: 0, by: -1) {
      for count in (body.isLarge ? 0 : 1)...max(1, min(position, body.counted)) {
        _ = try object(&body, position: position, count: count, prefix: [], then: next)
      }
    }
    guard body.isLarge else {
      return try object(&body, position: 0, count: 0, prefix: [UInt8(ascii: "{")], then: next)
    }
    let first = try object(&body, position: 0, count: 0, prefix: [], then: next)
    return try literals([[UInt8(ascii: "{")]], then: first)
  }

  /// Declared members that can be there; nil when a required one cannot.
  private mutating func members(of facts: SchemaFacts) throws(SchemaError) -> [Member]? {
    var names: [String] = []
    var seen: Set<String> = []
    for rules in facts.properties {
      for name in rules.order where seen.insert(name).inserted { names.append(name) }
    }
    for name in facts.required where seen.insert(name).inserted { names.append(name) }
    var members: [Member] = []
    for name in names {
      let isRequired = facts.required.contains(name)
      let isAllowed = try allowsName(name, facts)
      if isAllowed, let nodes = facts.nodes(of: name, expander.program), try isPossible(nodes) {
        members.append(Member(name: name, nodes: nodes, isRequired: isRequired))
      } else if isRequired {
        return nil
      }
    }
    return members
  }

  private func allowsName(_ name: String, _ facts: SchemaFacts) throws(SchemaError) -> Bool {
    facts.propertyNames.allSatisfy { node in
      var evaluator = Evaluator(program: expander.program, collects: false)
      return evaluator.run(node, .string(name))
    }
  }

  private mutating func isPossible(_ nodes: [Int]) throws(SchemaError) -> Bool { try !expander.expand(nodes).isEmpty }

  /// Names that are not declared, as an automaton, with the schemas of their values.
  private struct OtherMembers {
    let name: Leaf
    let start: UInt64
    let nodes: [Int]
  }

  private mutating func otherMembers(_ facts: SchemaFacts, _ members: [Member]) throws(SchemaError) -> [OtherMembers] {
    let rules = facts.properties
    let declared = Set(rules.flatMap { $0.named.keys }).union(facts.required)
    let saysNothing = rules.allSatisfy { $0.named.isEmpty && $0.patterns.isEmpty && $0.additional == nil }
    var result: [OtherMembers] = []
    var patterns: [Pattern] = []
    for (pattern, _) in rules.flatMap(\.patterns) where !patterns.contains(where: { $0.source == pattern.source }) {
      patterns.append(pattern)
    }
    for pattern in patterns {
      guard let nodes = nodes(ofNamesMatching: [pattern.source], rules), try isPossible(nodes) else { continue }
      let others = patterns.filter { $0.source != pattern.source }
      guard let name = try nameLeaf(facts, [pattern.node], others.map(\.node), declared) else { continue }
      result.append(OtherMembers(name: name.leaf, start: name.start, nodes: nodes))
    }
    let isOpen = rules.contains { rule in rule.additional.map { !isFalse($0) } ?? false }
    if isOpen || saysNothing, let nodes = nodes(ofNamesMatching: [], rules), try isPossible(nodes),
      let name = try nameLeaf(facts, [], patterns.map(\.node), declared)
    {
      result.append(OtherMembers(name: name.leaf, start: name.start, nodes: nodes))
    }
    return result
  }

  private func isFalse(_ node: Int) -> Bool {
    if case .boolean(false) = expander.program.nodes[node].body { true } else { false }
  }

  /// Schemas of members whose undeclared names match exactly these patterns; nil when one of them forbids it.
  private func nodes(ofNamesMatching sources: [String], _ rules: [PropertyRules]) -> [Int]? {
    var nodes: [Int] = []
    for rule in rules {
      let matching = rule.patterns.filter { sources.contains($0.pattern.source) }.map(\.node)
      nodes += matching
      if matching.isEmpty, let additional = rule.additional { nodes.append(additional) }
    }
    return nodes.contains(where: isFalse) ? nil : nodes
  }

  private mutating func nameLeaf(
    _ facts: SchemaFacts, _ wanted: [PatternNode], _ excluded: [PatternNode], _ declared: Set<String>
  ) throws(SchemaError) -> (leaf: Leaf, start: UInt64)? {
    var rules = TextRules(patterns: wanted, excludedPatterns: excluded)
    for node in facts.propertyNames {
      let alternatives = try expander.expand([node])
      guard alternatives.count == 1, let names = alternatives.first, names.types.contains(.string) else {
        if alternatives.allSatisfy({ !$0.types.contains(.string) }) { return nil }
        try refuse("propertyNames", at: expander.program.nodes[node].name)
        continue
      }
      if let values = names.choices.first {
        let texts = values.compactMap(\.stringValue).filter { !declared.contains($0) }
        if texts.isEmpty { return nil }
        rules.patterns.append(.sequence([.start, .choice(texts.map(PatternNode.text)), .end]))
      }
      for mark in names.unsupported where names.choices.isEmpty { try refuse(mark.keyword, at: mark.place) }
      rules.patterns += names.patterns.map(\.node)
      rules.least = max(rules.least, names.minLength)
      if let most = names.maxLength { rules.most = min(rules.most ?? most, most) }
    }
    if rules == TextRules() {
      let quoted = declared.map { JSON.string($0).utf8() }.sorted { $0.lexicographicallyPrecedes($1) }
      guard quoted.count < NameAutomaton.countLimit, quoted.allSatisfy({ $0.count < NameAutomaton.lengthLimit }) else {
        throw SchemaError(SchemaError.tooLarge, "There are too many or too long names beside additional members.")
      }
      let name = NameAutomaton(excluded: quoted.isEmpty ? nil : LiteralSet(sorted: quoted))
      return (.name(name), name.start)
    }
    rules.excludedTexts = declared.sorted()
    guard let table = try GrammarBuilder.quoted(rules) else { return nil }
    return (.table(table), table.start)
  }

  private struct ObjectBody {
    let members: [Member]
    let others: [OtherMembers]
    let least: Int
    let most: Int?
    /// Members beyond this many are all the same.
    let counted: Int
    var known: [Int: Int] = [:]
    var loops: [Int: Int] = [:]

    /// Each choice of names holds all that may come next, which is quadratic; large objects go name by name.
    var isLarge: Bool { members.count > 64 }

    func key(_ position: Int, _ count: Int) -> Int { position * (counted + 1) + count }
    func canAdd(_ count: Int) -> Bool { most.map { count < $0 } ?? true }
  }

  /// What may follow after `position` declared members were passed and `count` were written.
  private mutating func object(
    _ body: inout ObjectBody, position: Int, count: Int, prefix: [UInt8], then next: Int
  ) throws(SchemaError) -> Int {
    if prefix.isEmpty, let known = body.known[body.key(position, count)] { return known }
    let separators = count == 0 ? [prefix] : self.separators
    var ways: [(text: [UInt8], next: Int)] = []
    var reachesEnd = true
    var entries: [Int] = []
    for index in position..<body.members.count {
      let member = body.members[index]
      if body.canAdd(count) {
        let rest = try object(
          &body, position: index + 1, count: min(count + 1, body.counted), prefix: [], then: next)
        let value = try value(member.nodes, then: rest)
        let name = JSON.string(member.name).utf8()
        for separator in separators {
          for colon in colons { ways.append((separator + name + colon, value)) }
        }
      }
      if member.isRequired {
        reachesEnd = false
        break
      }
      if body.isLarge {
        reachesEnd = false
        entries.append(try object(&body, position: index + 1, count: count, prefix: [], then: next))
        break
      }
    }
    if reachesEnd {
      if count >= body.least { ways.append((prefix + [UInt8(ascii: "}")], next)) }
      entries += try others(&body, count: count, separators: separators, then: next)
    }
    if !ways.isEmpty { entries.insert(try choice(ways), at: 0) }
    let entry = try split(entries)
    if prefix.isEmpty { body.known[body.key(position, count)] = entry }
    return entry
  }

  private mutating func others(
    _ body: inout ObjectBody, count: Int, separators: [[UInt8]], then next: Int
  ) throws(SchemaError) -> [Int] {
    guard body.canAdd(count), !body.others.isEmpty else { return [] }
    let after = try afterOther(&body, count: min(count + 1, body.counted), then: next)
    var entries: [Int] = []
    for other in body.others {
      let value = try value(other.nodes, then: after)
      let colon = try literals(colons, then: value)
      let name = try emit(other.name, start: other.start, then: colon)
      entries.append(try literals(separators, then: name))
    }
    return entries
  }

  /// What may follow an undeclared member: another one, or the end.
  private mutating func afterOther(_ body: inout ObjectBody, count: Int, then next: Int) throws(SchemaError) -> Int {
    if let known = body.loops[count] { return known }
    let entry = try emit(.split([]))
    body.loops[count] = entry
    var entries = try others(&body, count: count, separators: separators, then: next)
    if count >= body.least { entries.append(try literals([[UInt8(ascii: "}")]], then: next)) }
    redirect(entry, to: try split(entries))
    return entry
  }
}
