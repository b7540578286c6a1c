// Owns which keywords a `$schema` switches on. Knows no instances.

import StrataCore

/// The rules by which one schema resource is read.
struct SchemaDialect: Hashable, Sendable {
  enum Draft: Int, Comparable, Sendable {
    case draft6, draft7, draft2019, draft2020
    static func < (lhs: Self, rhs: Self) -> Bool { lhs.rawValue < rhs.rawValue }
  }

  var draft: Draft
  /// Keywords such as `type` and `minimum` are assertions.
  var validates = true
  /// `format` is an assertion.
  var assertsFormat = false
  var appliesUnevaluated = true

  static let latest = SchemaDialect(draft: .draft2020)

  /// The dialect named by a meta-schema URI that everybody knows.
  init?(uri: String) {
    var name = uri[...]
    if name.hasSuffix("#") { name = name.dropLast() }
    for scheme in ["http://", "https://"] where name.hasPrefix(scheme) { name = name.dropFirst(scheme.count) }
    switch name {
    case "json-schema.org/draft/2020-12/schema": draft = .draft2020
    case "json-schema.org/draft/2019-09/schema": draft = .draft2019
    case "json-schema.org/draft-07/schema": draft = .draft7
    case "json-schema.org/draft-06/schema": draft = .draft6
    default: return nil
    }
  }

  init(draft: Draft) { self.draft = draft }

  /// The dialect that a custom meta-schema declares with `$vocabulary`.
  init(metaSchema: JSON, base: SchemaDialect) {
    self = base
    guard let vocabularies = metaSchema["$vocabulary"]?.objectValue else { return }
    func has(_ name: String) -> Bool { vocabularies.keys.contains { $0.hasSuffix("/vocab/" + name) } }
    validates = has("validation")
    assertsFormat = has("format-assertion")
    appliesUnevaluated = has("unevaluated") || (draft == .draft2019 && has("applicator"))
  }

  /// In drafts up to 7 a `$ref` hides every keyword beside it.
  var referenceHidesSiblings: Bool { draft <= .draft7 }
}

/// Where schemas stand inside a schema.
enum SchemaChildren {
  static let single: Set<String> = [
    "additionalProperties", "not", "if", "then", "else", "contains", "propertyNames", "unevaluatedProperties",
    "unevaluatedItems", "contentSchema", "items", "additionalItems",
  ]
  static let list: Set<String> = ["allOf", "anyOf", "oneOf", "prefixItems", "items"]
  static let map: Set<String> = [
    "properties", "patternProperties", "$defs", "definitions", "dependentSchemas", "dependencies",
  ]
}
