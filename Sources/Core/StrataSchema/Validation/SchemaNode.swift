// Owns the compiled form of schemas: nodes that name each other by number. Compiles nothing and evaluates nothing.

import StrataCore

struct JSONTypes: OptionSet, Hashable, Sendable {
  let rawValue: UInt8
  static let null = JSONTypes(rawValue: 1)
  static let boolean = JSONTypes(rawValue: 2)
  static let integer = JSONTypes(rawValue: 4)
  static let number = JSONTypes(rawValue: 8)
  static let string = JSONTypes(rawValue: 16)
  static let array = JSONTypes(rawValue: 32)
  static let object = JSONTypes(rawValue: 64)
  static let all: JSONTypes = [.null, .boolean, .integer, .number, .string, .array, .object]

  static let names: [(JSONTypes, String)] = [
    (.null, "null"), (.boolean, "boolean"), (.integer, "integer"), (.number, "number"), (.string, "string"),
    (.array, "array"), (.object, "object"),
  ]

  init(rawValue: UInt8) { self.rawValue = rawValue }

  init?(name: String) {
    guard let found = JSONTypes.names.first(where: { $0.1 == name }) else { return nil }
    self = found.0
  }

  func admits(_ value: JSON) -> Bool {
    switch value {
    case .null: contains(.null)
    case .bool: contains(.boolean)
    case .number(let number): contains(.number) || (contains(.integer) && number.isInteger)
    case .string: contains(.string)
    case .array: contains(.array)
    case .object: contains(.object)
    }
  }

  var description: String {
    JSONTypes.names.filter { contains($0.0) }.map(\.1).joined(separator: " or ")
  }
}

struct NumberBound: Sendable {
  enum Kind: String, Sendable { case minimum, maximum, exclusiveMinimum, exclusiveMaximum }
  let kind: Kind
  let limit: JSONNumber
  let small: Int?
}

struct PropertyRules: Sendable {
  var named: [String: Int] = [:]
  /// The names as they were written.
  var order: [String] = []
  var patterns: [(pattern: Pattern, node: Int)] = []
  var additional: Int?
}

struct ItemRules: Sendable {
  var prefix: [Int] = []
  var rest: Int?
  /// The keyword that `rest` stands under: `items` or `additionalItems`.
  var restKeyword = "items"
}

struct ContainsRule: Sendable {
  let node: Int
  let least: Int
  let most: Int?
  /// In 2020-12 matching items count as evaluated.
  let marksEvaluated: Bool
}

/// One assertion or applicator.
enum SchemaKeyword: Sendable {
  case types(JSONTypes)
  case constant(CanonicalForm, JSON)
  case enumeration(Set<CanonicalForm>, [JSON])
  case bound(NumberBound)
  case multipleOf(JSONNumber)
  case minLength(Int)
  case maxLength(Int)
  case pattern(Pattern)
  case format(StringFormat, isAsserted: Bool)
  case minItems(Int)
  case maxItems(Int)
  case uniqueItems
  case minProperties(Int)
  case maxProperties(Int)
  case required([String])
  case dependentRequired(String, [(String, [String])])
  case dependentSchemas(String, [(String, Int)])
  case propertyNames(Int)
  case properties(PropertyRules)
  case items(ItemRules)
  case contains(ContainsRule)
  case reference(Int)
  case dynamicReference(keyword: String, anchor: String, initial: Int)
  case allOf([Int])
  case anyOf([Int])
  case oneOf([Int])
  case not(Int)
  case condition(test: Int, then: Int?, otherwise: Int?)
  case unevaluatedItems(Int)
  case unevaluatedProperties(Int)
}

struct SchemaNode: Sendable {
  enum Body: Sendable {
    case boolean(Bool)
    /// In the order of evaluation: `unevaluated…` last.
    case keywords([SchemaKeyword])
  }
  /// For messages.
  let name: String
  let resource: Int
  var body: Body
}

/// Everything that validation needs.
struct SchemaProgram: Sendable {
  var nodes: [SchemaNode] = []
  var root = 0
  /// Node of a dynamic anchor in a resource.
  var dynamicTargets: [DynamicAnchor: Int] = [:]
  /// Whether evaluated properties and items must be collected.
  var collectsEvaluated = false

  struct DynamicAnchor: Hashable, Sendable {
    let resource: Int
    let name: String
  }
}
