// Owns the way from schema documents to nodes: reads keywords by dialect, resolves references, refuses bad values.

import StrataCore

struct SchemaCompiler {
  /// Subschemas that one program may hold, referred documents included.
  static let nodeLimit = 200_000

  private(set) var registry: SchemaRegistry
  private let assertsFormats: Bool
  private var program = SchemaProgram()
  private var nodeAt: [SchemaLocation: Int] = [:]
  private var pending: [(location: SchemaLocation, resource: Int, node: Int)] = []
  private var dynamicNames: Set<String> = []

  init(registry: SchemaRegistry, assertsFormats: Bool) {
    self.registry = registry
    self.assertsFormats = assertsFormats
  }

  /// Compiles the main document and all that it reaches.
  mutating func compile(root: SchemaLocation, resource: Int) throws(SchemaError) -> SchemaProgram {
    program.root = try node(at: root, resource: resource)
    repeat {
      while let next = pending.popLast() {
        program.nodes[next.node].body = try body(at: next.location, resource: next.resource)
      }
      try addDynamicTargets()
    } while !pending.isEmpty
    return program
  }

  private mutating func addDynamicTargets() throws(SchemaError) {
    for name in dynamicNames {
      for resource in registry.resources.indices {
        guard let location = registry.resources[resource].dynamicAnchors[name] else { continue }
        let key = SchemaProgram.DynamicAnchor(resource: resource, name: name)
        guard program.dynamicTargets[key] == nil else { continue }
        program.dynamicTargets[key] = try node(at: location, resource: resource)
      }
    }
  }

  /// The node of a schema, compiled later if it is new.
  private mutating func node(at location: SchemaLocation, resource parent: Int) throws(SchemaError) -> Int {
    if let known = nodeAt[location] { return known }
    guard program.nodes.count < SchemaCompiler.nodeLimit else {
      throw SchemaError(SchemaError.tooLarge, "The schema has more than \(SchemaCompiler.nodeLimit) subschemas.")
    }
    let resource = registry.resource(of: location, parent: parent)
    let node = program.nodes.count
    program.nodes.append(SchemaNode(name: registry.name(location), resource: resource, body: .boolean(true)))
    nodeAt[location] = node
    pending.append((location, resource, node))
    return node
  }

  private mutating func body(at location: SchemaLocation, resource: Int) throws(SchemaError) -> SchemaNode.Body {
    switch registry.value(at: location) {
    case .bool(let value): return .boolean(value)
    case .object(let members):
      var reader = KeywordReader(members: members, location: location, name: registry.name(location))
      return .keywords(try keywords(&reader, resource: resource))
    default:
      throw SchemaError(
        SchemaError.invalidSchema, "A schema must be an object or a boolean.", location: registry.name(location))
    }
  }

  private mutating func keywords(_ reader: inout KeywordReader, resource: Int) throws(SchemaError) -> [SchemaKeyword] {
    let dialect = registry.resources[resource].dialect
    var result: [SchemaKeyword] = []
    if let reference = try reader.string("$ref") {
      result.append(.reference(try target(reference, reader.location, resource)))
      if dialect.referenceHidesSiblings { return result }
    }
    try addDynamicReference(&reader, dialect, resource, to: &result)
    if dialect.validates { try addAssertions(reader, dialect, to: &result) }
    if let format = try reader.string("format"), let known = StringFormat(rawValue: format) {
      result.append(.format(known, isAsserted: assertsFormats || dialect.assertsFormat))
    }
    try addObjectApplicators(reader, dialect, resource, to: &result)
    try addArrayApplicators(reader, dialect, resource, to: &result)
    try addLogic(reader, resource, to: &result)
    if dialect.appliesUnevaluated, dialect.draft >= .draft2019 {
      if reader.members["unevaluatedItems"] != nil {
        result.append(.unevaluatedItems(try child("unevaluatedItems", reader, resource)))
        program.collectsEvaluated = true
      }
      if reader.members["unevaluatedProperties"] != nil {
        result.append(.unevaluatedProperties(try child("unevaluatedProperties", reader, resource)))
        program.collectsEvaluated = true
      }
    }
    return result
  }

  private mutating func target(_ reference: String, _ location: SchemaLocation, _ resource: Int) throws(SchemaError)
    -> Int
  {
    let found = try registry.resolve(reference, from: resource, at: location)
    return try node(at: found.location, resource: found.resource)
  }

  private mutating func addDynamicReference(
    _ reader: inout KeywordReader, _ dialect: SchemaDialect, _ resource: Int, to result: inout [SchemaKeyword]
  ) throws(SchemaError) {
    if dialect.draft >= .draft2020, let reference = try reader.string("$dynamicRef") {
      let found = try registry.resolve(reference, from: resource, at: reader.location)
      let initial = try node(at: found.location, resource: found.resource)
      if let anchor = found.dynamicAnchor {
        dynamicNames.insert(anchor)
        result.append(.dynamicReference(keyword: "$dynamicRef", anchor: anchor, initial: initial))
      } else {
        result.append(.reference(initial))
      }
    } else if dialect.draft == .draft2019, let reference = try reader.string("$recursiveRef") {
      let found = try registry.resolve(reference, from: resource, at: reader.location)
      let initial = try node(at: found.location, resource: found.resource)
      if registry.resources[found.resource].dynamicAnchors[""] != nil {
        dynamicNames.insert("")
        result.append(.dynamicReference(keyword: "$recursiveRef", anchor: "", initial: initial))
      } else {
        result.append(.reference(initial))
      }
    }
  }

  private func addAssertions(
    _ reader: KeywordReader, _ dialect: SchemaDialect, to result: inout [SchemaKeyword]
  ) throws(SchemaError) {
    if let types = try reader.types() { result.append(.types(types)) }
    if let value = reader.members["const"] { result.append(.constant(CanonicalForm(value), value)) }
    if let values = try reader.array("enum") {
      result.append(.enumeration(Set(values.map(CanonicalForm.init)), values))
    }
    for kind in [NumberBound.Kind.minimum, .maximum, .exclusiveMinimum, .exclusiveMaximum] {
      guard let limit = try reader.number(kind.rawValue) else { continue }
      let small = limit.text.utf8.count <= 18 ? Int(limit.text) : nil
      result.append(.bound(NumberBound(kind: kind, limit: limit, small: small)))
    }
    if let divisor = try reader.number("multipleOf") {
      guard divisor > JSONNumber(0) else { throw reader.failure("multipleOf", "must be greater than 0") }
      result.append(.multipleOf(divisor))
    }
    if let count = try reader.count("minLength") { result.append(.minLength(count)) }
    if let count = try reader.count("maxLength") { result.append(.maxLength(count)) }
    if let pattern = try reader.string("pattern") { result.append(.pattern(try reader.pattern(pattern, "pattern"))) }
    if let count = try reader.count("minItems") { result.append(.minItems(count)) }
    if let count = try reader.count("maxItems") { result.append(.maxItems(count)) }
    if reader.members["uniqueItems"] == .bool(true) { result.append(.uniqueItems) }
    if let count = try reader.count("minProperties") { result.append(.minProperties(count)) }
    if let count = try reader.count("maxProperties") { result.append(.maxProperties(count)) }
    if let names = try reader.strings("required"), !names.isEmpty { result.append(.required(names)) }
    if dialect.draft >= .draft2019, let map = try reader.map("dependentRequired") {
      var rules: [(String, [String])] = []
      for (key, value) in map { rules.append((key, try reader.strings(value, "dependentRequired"))) }
      result.append(.dependentRequired("dependentRequired", rules))
    }
  }

  private mutating func child(_ keyword: String, _ reader: KeywordReader, _ resource: Int) throws(SchemaError) -> Int {
    try node(at: reader.location.child(keyword), resource: resource)
  }

  private mutating func children(_ keyword: String, _ count: Int, _ reader: KeywordReader, _ resource: Int)
    throws(SchemaError) -> [Int]
  {
    var nodes: [Int] = []
    for index in 0..<count {
      nodes.append(try node(at: reader.location.child(keyword, String(index)), resource: resource))
    }
    return nodes
  }

  private mutating func addObjectApplicators(
    _ reader: KeywordReader, _ dialect: SchemaDialect, _ resource: Int, to result: inout [SchemaKeyword]
  ) throws(SchemaError) {
    var rules = PropertyRules()
    for (key, _) in try reader.map("properties") ?? JSONObject() {
      rules.named[key] = try node(at: reader.location.child("properties", key), resource: resource)
      rules.order.append(key)
    }
    for (key, _) in try reader.map("patternProperties") ?? JSONObject() {
      let pattern = try reader.pattern(key, "patternProperties")
      rules.patterns.append(
        (pattern, try node(at: reader.location.child("patternProperties", key), resource: resource)))
    }
    if reader.members["additionalProperties"] != nil {
      rules.additional = try child("additionalProperties", reader, resource)
    }
    if !rules.named.isEmpty || !rules.patterns.isEmpty || rules.additional != nil { result.append(.properties(rules)) }
    if reader.members["propertyNames"] != nil {
      result.append(.propertyNames(try child("propertyNames", reader, resource)))
    }
    if dialect.draft >= .draft2019, let map = try reader.map("dependentSchemas") {
      var schemas: [(String, Int)] = []
      for (key, _) in map {
        schemas.append((key, try node(at: reader.location.child("dependentSchemas", key), resource: resource)))
      }
      result.append(.dependentSchemas("dependentSchemas", schemas))
    }
    try addDependencies(reader, resource, to: &result)
  }

  /// `dependencies` of draft 7, which mixes names and schemas; later drafts may still read it.
  private mutating func addDependencies(
    _ reader: KeywordReader, _ resource: Int, to result: inout [SchemaKeyword]
  ) throws(SchemaError) {
    guard let map = try reader.map("dependencies") else { return }
    var names: [(String, [String])] = []
    var schemas: [(String, Int)] = []
    for (key, value) in map {
      if value.arrayValue != nil {
        names.append((key, try reader.strings(value, "dependencies")))
      } else {
        schemas.append((key, try node(at: reader.location.child("dependencies", key), resource: resource)))
      }
    }
    if !names.isEmpty { result.append(.dependentRequired("dependencies", names)) }
    if !schemas.isEmpty { result.append(.dependentSchemas("dependencies", schemas)) }
  }

  private mutating func addArrayApplicators(
    _ reader: KeywordReader, _ dialect: SchemaDialect, _ resource: Int, to result: inout [SchemaKeyword]
  ) throws(SchemaError) {
    var rules = ItemRules()
    if dialect.draft >= .draft2020 {
      if let prefix = try reader.array("prefixItems") {
        rules.prefix = try children("prefixItems", prefix.count, reader, resource)
      }
      if reader.members["items"] != nil { rules.rest = try child("items", reader, resource) }
    } else if case .array(let prefix) = reader.members["items"] {
      rules.prefix = try children("items", prefix.count, reader, resource)
      if reader.members["additionalItems"] != nil {
        rules.rest = try child("additionalItems", reader, resource)
        rules.restKeyword = "additionalItems"
      }
    } else if reader.members["items"] != nil {
      rules.rest = try child("items", reader, resource)
    }
    if !rules.prefix.isEmpty || rules.rest != nil { result.append(.items(rules)) }
    if reader.members["contains"] != nil {
      let counts = dialect.draft >= .draft2019 && dialect.validates
      result.append(
        .contains(
          ContainsRule(
            node: try child("contains", reader, resource),
            least: counts ? try reader.count("minContains") ?? 1 : 1,
            most: counts ? try reader.count("maxContains") : nil,
            marksEvaluated: dialect.draft >= .draft2020)))
    }
  }

  private mutating func addLogic(_ reader: KeywordReader, _ resource: Int, to result: inout [SchemaKeyword])
    throws(SchemaError)
  {
    if let list = try reader.array("allOf") {
      result.append(.allOf(try children("allOf", list.count, reader, resource)))
    }
    if let list = try reader.array("anyOf") {
      result.append(.anyOf(try children("anyOf", list.count, reader, resource)))
    }
    if let list = try reader.array("oneOf") {
      result.append(.oneOf(try children("oneOf", list.count, reader, resource)))
    }
    if reader.members["not"] != nil { result.append(.not(try child("not", reader, resource))) }
    guard reader.members["if"] != nil else { return }
    let then = reader.members["then"] == nil ? nil : try child("then", reader, resource)
    let otherwise = reader.members["else"] == nil ? nil : try child("else", reader, resource)
    result.append(.condition(test: try child("if", reader, resource), then: then, otherwise: otherwise))
  }
}
