// Owns what a template computes with: the values of Python that templates can see. Lists and dicts are values here,
// since templates run in a sandbox that forbids changing them in place.

/// A value during one rendering. Not `Sendable`: namespaces and loops are shared by reference.
package enum JinjaValue {
  case undefined(JinjaUndefined)
  case none
  case bool(Bool)
  case int(Int)
  /// Digits of an integer outside `Int`; it can be printed and compared, not computed with.
  case bigInt(String)
  case double(Double)
  case string(String)
  /// A string marked safe, which escapes strings that are added to it.
  case markup(String)
  case list(JinjaList)
  case tuple(JinjaList)
  /// The result of `map`, `select` and their like: can be walked, not indexed or counted.
  case generator(JinjaList)
  /// `keys()`, `values()` or `items()` of a dict, with Python's name of that type.
  case view(JinjaList, String)
  case range(start: Int, stop: Int, step: Int)
  case dict(JinjaDict)
  case namespace(JinjaNamespace)
  case loop(JinjaLoop)
  indirect case method(of: JinjaValue, String)
  case function(JinjaFunction)
  case macro(JinjaMacro)
}

/// A missing value: prints as nothing, fails when used, and remembers why it is missing.
package struct JinjaUndefined {
  let message: String
  /// Whether use of it is a breach of the sandbox rather than a mistake.
  var isSecurity = false

  var error: TemplateError { isSecurity ? .security(message) : .undefined(message) }
}

package enum JinjaFunction: String {
  case range, dict, namespace, cycler, joiner
  case raiseException = "raise_exception"
  case strftimeNow = "strftime_now"
}

/// Elements of a list, with the depth of containers inside it so that nesting stays bounded.
package struct JinjaList {
  let elements: [JinjaValue]
  let depth: Int

  package init(_ elements: [JinjaValue]) {
    self.elements = elements
    var inner = 0
    for element in elements { inner = max(inner, element.depth) }
    depth = inner + 1
  }
}

/// Members of a dict in order of insertion.
package struct JinjaDict {
  private(set) var keys: [JinjaValue] = []
  private(set) var values: [JinjaValue] = []
  private(set) var depth = 1
  private var positions: [JinjaKey: Int] = [:]

  package init() {}

  var count: Int { keys.count }

  subscript(key: JinjaKey) -> JinjaValue? { positions[key].map { values[$0] } }
  subscript(name: String) -> JinjaValue? { self[.text(JinjaText(name))] }

  mutating func set(_ key: JinjaValue, to value: JinjaValue) throws(TemplateError) {
    let hash = try key.key
    depth = max(depth, value.depth + 1, key.depth + 1)
    if let position = positions[hash] {
      values[position] = value
    } else {
      positions[hash] = keys.count
      keys.append(key)
      values.append(value)
    }
  }

  package mutating func set(_ name: String, to value: JinjaValue) {
    depth = max(depth, value.depth + 1)
    let hash = JinjaKey.text(JinjaText(name))
    if let position = positions[hash] {
      values[position] = value
    } else {
      positions[hash] = keys.count
      keys.append(.string(name))
      values.append(value)
    }
  }

  var items: [JinjaValue] {
    zip(keys, values).map { .tuple(JinjaList([$0, $1])) }
  }
}

/// A string compared byte by byte: Swift's `==` would join canonically equivalent ones.
struct JinjaText: Hashable {
  let text: String
  init(_ text: String) { self.text = text }
  static func == (lhs: Self, rhs: Self) -> Bool { lhs.text.utf8.elementsEqual(rhs.text.utf8) }
  func hash(into hasher: inout Hasher) {
    for byte in text.utf8 { hasher.combine(byte) }
  }
}

/// What a hashable value is in a dict: equal numbers of different types are one key.
enum JinjaKey: Hashable {
  case none
  case undefined
  case int(Int)
  case double(Double)
  case text(JinjaText)
  case tuple([JinjaKey])
  case reference(ObjectIdentifier)
}

/// `namespace(…)`: the one thing that a template may change.
package final class JinjaNamespace {
  var attributes = JinjaDict()
}

/// A macro together with the variables around its definition.
package final class JinjaMacro {
  let node: JinjaMacroNode
  let scope: JinjaScope
  init(node: JinjaMacroNode, scope: JinjaScope) {
    self.node = node
    self.scope = scope
  }
}

/// Variables of one block; names that it lacks are looked up outside.
final class JinjaScope {
  var variables: [String: JinjaValue] = [:]
  let outer: JinjaScope?
  init(outer: JinjaScope?) { self.outer = outer }

  func lookUp(_ name: String) -> JinjaValue? {
    var scope: JinjaScope? = self
    while let current = scope {
      if let value = current.variables[name] { return value }
      scope = current.outer
    }
    return nil
  }
}

/// A running `for` loop. Elements that pass its condition are found one by one, as the body may change the answer.
package final class JinjaLoop {
  let node: JinjaLoopNode
  let scope: JinjaScope
  let elements: [JinjaValue]
  let depth0: Int
  /// Next element to try.
  var cursor = 0
  var index0 = -1
  var previous: JinjaValue?
  var current: JinjaValue?
  /// The element after the current one, when it was asked for already.
  var upcoming: JinjaValue?
  var lastChanged: [JinjaValue]?

  init(node: JinjaLoopNode, scope: JinjaScope, elements: [JinjaValue], depth0: Int) {
    self.node = node
    self.scope = scope
    self.elements = elements
    self.depth0 = depth0
  }
}

extension JinjaValue {
  static func list(_ elements: [JinjaValue]) -> JinjaValue { .list(JinjaList(elements)) }
  static func tuple(_ elements: [JinjaValue]) -> JinjaValue { .tuple(JinjaList(elements)) }

  /// Containers inside this value, itself included; references count nothing, they are released one by one.
  var depth: Int {
    switch self {
    case .list(let list), .tuple(let list), .generator(let list), .view(let list, _): list.depth
    case .dict(let dict): dict.depth
    case .method(let receiver, _): receiver.depth
    default: 0
    }
  }

  /// The text of a string, marked safe or not.
  var text: String? {
    switch self {
    case .string(let text), .markup(let text): text
    default: nil
    }
  }

  var isUndefined: Bool { if case .undefined = self { true } else { false } }
  var isNone: Bool { if case .none = self { true } else { false } }
  var isMarkup: Bool { if case .markup = self { true } else { false } }

  /// The value as Python's `int` would see it in arithmetic; a Bool counts.
  var integer: Int? {
    switch self {
    case .int(let value): value
    case .bool(let value): value ? 1 : 0
    default: nil
    }
  }

  var double: Double? {
    switch self {
    case .int(let value): Double(value)
    case .bool(let value): value ? 1 : 0
    case .bigInt(let digits): Double(digits)
    case .double(let value): value
    default: nil
    }
  }

  var isTrue: Bool {
    switch self {
    case .undefined, .none: false
    case .bool(let value): value
    case .int(let value): value != 0
    case .double(let value): value != 0
    case .string(let text), .markup(let text): !text.isEmpty
    case .list(let list), .tuple(let list), .view(let list, _): !list.elements.isEmpty
    case .dict(let dict): dict.count > 0
    case .range(let start, let stop, let step): step > 0 ? start < stop : start > stop
    case .bigInt, .generator, .namespace, .loop, .method, .function, .macro: true
    }
  }

  /// Python's name of the type, for messages.
  var typeName: String {
    switch self {
    case .undefined: "Undefined"
    case .none: "NoneType"
    case .bool: "bool"
    case .int, .bigInt: "int"
    case .double: "float"
    case .string: "str"
    case .markup: "Markup"
    case .list: "list"
    case .tuple: "tuple"
    case .generator: "generator"
    case .view(_, let name): name
    case .range: "range"
    case .dict: "dict"
    case .namespace: "Namespace"
    case .loop: "LoopContext"
    case .method: "builtin_function_or_method"
    case .function: "function"
    case .macro: "Macro"
    }
  }

  /// How messages about a missing attribute name the object.
  var objectName: String {
    switch self {
    case .none: "None"
    case .namespace: "jinja2.utils.Namespace object"
    case .loop: "jinja2.runtime.LoopContext object"
    case .macro: "jinja2.runtime.Macro object"
    case .markup: "markupsafe.Markup object"
    default: "\(typeName) object"
    }
  }

  /// The value as the key of a dict.
  var key: JinjaKey {
    get throws(TemplateError) {
      switch self {
      case .none: return .none
      case .undefined: return .undefined
      case .bool(let value): return .int(value ? 1 : 0)
      case .int(let value): return .int(value)
      case .bigInt(let digits): return .text(JinjaText(digits))
      case .double(let value): return Int(exactly: value).map(JinjaKey.int) ?? .double(value)
      case .string(let text), .markup(let text): return .text(JinjaText(text))
      case .tuple(let list):
        var keys: [JinjaKey] = []
        for element in list.elements { keys.append(try element.key) }
        return .tuple(keys)
      case .namespace(let object): return .reference(ObjectIdentifier(object))
      case .loop(let object): return .reference(ObjectIdentifier(object))
      case .macro(let object): return .reference(ObjectIdentifier(object))
      default: throw .runtime("unhashable type: '\(typeName)'")
      }
    }
  }
}
