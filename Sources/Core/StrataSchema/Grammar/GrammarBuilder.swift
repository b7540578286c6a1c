// Owns the way from schemas to the pushdown automaton: values, alternatives, rules. Objects and arrays are in facets.

import StrataCore

struct GrammarBuilder {
  private(set) var program = GrammarProgram()
  var expander: FactsExpander
  let options: Grammar.Options
  private(set) var approximated: [String] = []
  private var ruleOf: [[Int]: Int] = [:]
  /// Rules whose bodies are still to be made, so that deep schemas need no deep recursion.
  private var pending: [(rule: Int, nodes: [Int])] = []
  private var leafCache: [String: Int] = [:]
  private let end: Int
  private let stringLeaf: Int

  init(schemas: SchemaProgram, options: Grammar.Options) {
    expander = FactsExpander(program: schemas)
    self.options = options
    program.depthLimit = options.depthLimit
    program.code = [.end]
    end = 0
    program.leaves = [.string]
    stringLeaf = 0
  }

  mutating func build(_ nodes: [Int]) throws(SchemaError) -> GrammarProgram {
    program.root = try value(nodes, then: end)
    while let (rule, nodes) = pending.popLast() {
      let alternatives = try expander.expand(nodes)
      program.rules[rule] = try self.alternatives(alternatives, nodes, then: end)
    }
    program.finish()
    guard program.needs[program.root] <= program.depthLimit else {
      throw SchemaError(
        SchemaError.unsatisfiable, "No value of at most \(program.depthLimit) nested levels fits the schema.",
        remedy: "Check for `false` schemas, bounds that exclude each other, and recursion without a way out.")
    }
    return program
  }

  // MARK: Emitting

  mutating func emit(_ instruction: Instruction) throws(SchemaError) -> Int {
    guard program.code.count < GrammarProgram.instructionLimit else {
      throw SchemaError(
        SchemaError.tooLarge, "The grammar needs more than \(GrammarProgram.instructionLimit) instructions.",
        remedy: "Use smaller bounds, or fewer properties and alternatives.")
    }
    program.code.append(instruction)
    return program.code.count - 1
  }

  /// Lets a placeholder go on at `target`.
  mutating func redirect(_ placeholder: Int, to target: Int) { program.code[placeholder] = .split([target]) }

  /// No way on.
  mutating func never() throws(SchemaError) -> Int { try emit(.split([])) }

  mutating func split(_ ways: [Int]) throws(SchemaError) -> Int {
    ways.count == 1 ? ways[0] : try emit(.split(ways))
  }

  mutating func emit(_ leaf: Leaf, start: UInt64, then next: Int) throws(SchemaError) -> Int {
    program.leaves.append(leaf)
    return try emit(.leaf(program.leaves.count - 1, start: start, next: next))
  }

  /// A table that is made once for each key.
  mutating func table(_ key: String, then next: Int, _ make: () throws(SchemaError) -> ByteDFA?) throws(SchemaError)
    -> Int
  {
    if let known = leafCache[key] { return try emit(.leaf(known, start: 0, next: next)) }
    guard let table = try make() else { return try never() }
    program.leaves.append(.table(table))
    leafCache[key] = program.leaves.count - 1
    return try emit(.leaf(program.leaves.count - 1, start: table.start, next: next))
  }

  mutating func string(least: Int, most: Int?, then next: Int) throws(SchemaError) -> Int {
    if let most, most < least { return try never() }
    return try emit(.leaf(stringLeaf, start: StringAutomaton.start(least: least, most: most), next: next))
  }

  mutating func literals(_ texts: some Sequence<[UInt8]>, then next: Int) throws(SchemaError) -> Int {
    var sorted: [[UInt8]] = []
    for text in texts.sorted(by: { ByteOrder.compare($0, $1) < 0 }) where text != sorted.last { sorted.append(text) }
    if sorted.isEmpty { return try never() }
    try check(sorted)
    return try emit(.literals(LiteralSet(sorted: sorted)), start: LiteralSet(sorted: sorted).start, then: next)
  }

  /// Literals with a continuation each; of equal literals the first counts.
  mutating func choice(_ ways: [(text: [UInt8], next: Int)]) throws(SchemaError) -> Int {
    var byText: [[UInt8]: Int] = [:]
    for way in ways where byText[way.text] == nil { byText[way.text] = way.next }
    if byText.isEmpty { return try never() }
    let sorted = byText.sorted { ByteOrder.compare($0.key, $1.key) < 0 }
    try check(sorted.map(\.key))
    let variant = (need: 0, literals: LiteralSet(sorted: sorted.map(\.key)), nexts: sorted.map(\.value))
    program.choices.append(LiteralChoice(variants: [variant]))
    return try emit(.choice(program.choices.count - 1))
  }

  private func check(_ literals: [[UInt8]]) throws(SchemaError) {
    let limit = LiteralSet.countLimit - 1
    guard literals.count < limit, literals.allSatisfy({ $0.count < limit }) else {
      throw SchemaError(SchemaError.tooLarge, "An `enum` or a set of names has more than \(limit) values or bytes.")
    }
  }

  /// Refuses a keyword that cannot be enforced, or notes it when the caller allows that.
  mutating func refuse(_ keyword: String, at place: String) throws(SchemaError) {
    guard options.allowsApproximation else {
      throw SchemaError(
        SchemaError.unsupportedKeyword, "Constrained decoding cannot enforce `\(keyword)` here.",
        remedy: "Remove it, or allow over-approximation and validate the finished value.",
        location: JSONPointer.appending(keyword, to: place))
    }
    let name = JSONPointer.appending(keyword, to: place)
    if !approximated.contains(name) { approximated.append(name) }
  }

  // MARK: Values

  /// A value that fits all `nodes`; containers become rules, so that recursion ends.
  mutating func value(_ nodes: [Int], then next: Int) throws(SchemaError) -> Int {
    let key = Array(Set(nodes)).sorted()
    let alternatives = try expander.expand(key)
    let containers = alternatives.contains { facts in
      facts.choices.isEmpty && !facts.types.intersection([.array, .object]).isEmpty
    }
    guard containers else { return try self.alternatives(alternatives, key, then: next) }
    if let rule = ruleOf[key] { return try emit(.call(rule: rule, next: next)) }
    let rule = program.rules.count
    ruleOf[key] = rule
    program.rules.append(end)
    pending.append((rule, key))
    return try emit(.call(rule: rule, next: next))
  }

  private mutating func alternatives(_ alternatives: [SchemaFacts], _ nodes: [Int], then next: Int)
    throws(SchemaError) -> Int
  {
    let place = nodes.last.map { expander.program.nodes[$0].name } ?? "#"
    var ways: [Int] = []
    var words: [[UInt8]] = []
    for facts in alternatives {
      for mark in facts.unsupported where facts.choices.isEmpty && !facts.types.isDisjoint(with: mark.types) {
        try refuse(mark.keyword, at: mark.place)
      }
      if let values = facts.choices.first {
        words += values.filter { fits(nodes, $0) }.map { $0.utf8() }
        continue
      }
      if facts.types.contains(.null) { words.append(Array("null".utf8)) }
      if facts.types.contains(.boolean) { words += [Array("true".utf8), Array("false".utf8)] }
      if facts.types.contains(.number) || facts.types.contains(.integer) {
        ways.append(try number(facts, nodes, then: next))
      }
      if facts.types.contains(.string) { ways.append(try string(facts, then: next)) }
      if facts.types.contains(.array) { ways.append(try array(facts, then: next)) }
      if facts.types.contains(.object) { ways.append(try object(facts, place, then: next)) }
    }
    if !words.isEmpty { ways.insert(try literals(words, then: next), at: 0) }
    return try split(ways)
  }

  /// Finite choices are checked by validation, so that every keyword beside `enum` holds.
  private func fits(_ nodes: [Int], _ value: JSON) -> Bool {
    nodes.allSatisfy { node in
      var evaluator = Evaluator(program: expander.program, collects: false)
      return evaluator.run(node, value)
    }
  }

  // MARK: Scalars

  private mutating func number(_ facts: SchemaFacts, _ nodes: [Int], then next: Int) throws(SchemaError) -> Int {
    let place = nodes.last.map { expander.program.nodes[$0].name } ?? "#"
    var low: (limit: JSONNumber, isExclusive: Bool)?
    var high: (limit: JSONNumber, isExclusive: Bool)?
    for bound in facts.bounds {
      let isExclusive = bound.kind == .exclusiveMinimum || bound.kind == .exclusiveMaximum
      if bound.kind == .minimum || bound.kind == .exclusiveMinimum {
        if low.map({ bound.limit > $0.limit || (bound.limit == $0.limit && isExclusive) }) ?? true {
          low = (bound.limit, isExclusive)
        }
      } else if high.map({ bound.limit < $0.limit || (bound.limit == $0.limit && isExclusive) }) ?? true {
        high = (bound.limit, isExclusive)
      }
    }
    let from = low.flatMap { NumberPatterns.Bound($0.limit, isExclusive: $0.isExclusive) }
    let to = high.flatMap { NumberPatterns.Bound($0.limit, isExclusive: $0.isExclusive) }
    if (low != nil && from == nil) || (high != nil && to == nil) { try refuse("minimum and maximum", at: place) }
    var isInteger = !facts.types.contains(.number)
    var places: Int?
    for divisor in facts.multiples {
      let form = divisor.canonical
      if form.digits == "1", form.exponent == 0 {
        isInteger = true
      } else if form.digits == "1", form.exponent < 0, low == nil, high == nil, -form.exponent <= 17 {
        places = min(places ?? 17, -form.exponent)
      } else if let low, let high, let values = multiples(of: divisor, low.limit, high.limit, isInteger: isInteger) {
        return try literals(values.filter { fits(nodes, $0) }.map { $0.utf8() }, then: next)
      } else {
        try refuse("multipleOf", at: place)
      }
    }
    if let places, !isInteger {
      return try table("places \(places)", then: next) { () throws(SchemaError) in
        try GrammarBuilder.plain(NumberPatterns.decimals(places: places), place)
      }
    }
    let key = "\(isInteger) \(low.map { "\($0)" } ?? "") \(high.map { "\($0)" } ?? "")"
    return try table("number " + key, then: next) { () throws(SchemaError) in
      let node =
        isInteger ? NumberPatterns.integer(low: from, high: to) : NumberPatterns.number(low: from, high: to)
      return try GrammarBuilder.plain(node, place)
    }
  }

  /// The multiples between two limits, when they are few enough to be listed.
  private func multiples(of divisor: JSONNumber, _ low: JSONNumber, _ high: JSONNumber, isInteger: Bool) -> [JSON]? {
    guard let step = divisor.intValue, let from = Int(low.doubleValue.rounded(.down).text18),
      let to = Int(high.doubleValue.rounded(.up).text18), from <= to, (to - from) / step < 20_000
    else { return nil }
    var value = from - ((from % step) + step) % step
    var result: [JSON] = []
    while value <= to {
      result.append(.int(value))
      value += step
    }
    return result
  }

  private static func plain(_ node: PatternNode, _ place: String) throws(SchemaError) -> ByteDFA? {
    guard let automaton = try CharacterDFA(TextRules(patterns: [node]), name: place) else { return nil }
    return try ByteDFABuilder.plain(automaton, name: place)
  }

  private mutating func string(_ facts: SchemaFacts, then next: Int) throws(SchemaError) -> Int {
    let formats = facts.formats.compactMap { FormatPatterns.sources[$0] }.sorted()
    if facts.patterns.isEmpty, formats.isEmpty {
      return try string(least: facts.minLength, most: facts.maxLength, then: next)
    }
    let sources = formats + facts.patterns.map(\.source)
    let rules = TextRules(patterns: try textPatterns(sources), least: facts.minLength, most: facts.maxLength)
    return try table("string \(sources) \(facts.minLength) \(facts.maxLength ?? -1)", then: next) {
      () throws(SchemaError) in try GrammarBuilder.quoted(rules)
    }
  }

  private func textPatterns(_ sources: [String]) throws(SchemaError) -> [PatternNode] {
    var nodes: [PatternNode] = []
    for source in sources { nodes.append(try PatternParser.parse(source)) }
    return nodes
  }

  static func quoted(_ rules: TextRules) throws(SchemaError) -> ByteDFA? {
    guard let automaton = try CharacterDFA(rules, name: "pattern") else { return nil }
    return try ByteDFABuilder.quoted(automaton, name: "pattern")
  }
}

extension Double {
  /// The digits of an integral value below 10^18; otherwise no number.
  fileprivate var text18: String { abs(self) < 1e18 ? String(Int64(self)) : "" }
}

/// Formats that are enforced while decoding, as patterns that are at least as strict as the checks.
enum FormatPatterns {
  private static let leapDay =
    #"([0-9]{2}(0[48]|[2468][048]|[13579][26])|([02468][048]|[13579][26])00)-02-29"#
  private static let day =
    #"(0[13578]|1[02])-(0[1-9]|[12][0-9]|3[01])|(0[469]|11)-(0[1-9]|[12][0-9]|30)|02-(0[1-9]|1[0-9]|2[0-8])"#
  private static let date = "([0-9]{4}-(" + day + ")|" + leapDay + ")"
  private static let time =
    #"([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](\.[0-9]{1,9})?(Z|[+-]([01][0-9]|2[0-3]):[0-5][0-9])"#

  static let sources: [String: String] = [
    "date": "^" + date + "$", "time": "^" + time + "$", "date-time": "^" + date + "T" + time + "$",
    "uuid": "^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$",
    "ipv4": #"^((25[0-5]|(2[0-4]|1[0-9]|[1-9])?[0-9])\.){3}(25[0-5]|(2[0-4]|1[0-9]|[1-9])?[0-9])$"#,
  ]
}
