// Owns the public face of validation: a compiled schema and what it says about values.

import StrataCore

/// A compiled JSON Schema: draft 2020-12, or what `$schema` names (2019-09, draft 7, draft 6).
///
/// ```swift
/// let schema = try JSONSchema(["type": "object", "required": ["name"]])
/// schema.validate([:])  // [the value: lacks the required member "name"]
/// ```
/// References resolve among the schema, the `resources` and the meta-schemas of 2020-12 and draft 7; nothing is ever
/// fetched. Patterns run in linear time. Hostile schemas end in an error or an issue, never in a hang.
public struct JSONSchema: Sendable {
  /// Which dialect a schema without `$schema` has, and whether `format` is enforced.
  public struct Options: Sendable, Hashable {
    /// The dialect of schemas that name none.
    public enum Draft: Sendable, Hashable { case draft7, draft2020v12 }
    public var defaultDraft: Draft
    /// By default `format` is an annotation, as the specification has it.
    public var assertsFormats: Bool

    public init(defaultDraft: Draft = .draft2020v12, assertsFormats: Bool = false) {
      self.defaultDraft = defaultDraft
      self.assertsFormats = assertsFormats
    }
  }

  /// The schema as it was given.
  public let source: JSON
  package let resources: [String: JSON]
  package let options: Options
  let program: SchemaProgram
  let registry: SchemaRegistry

  /// Compiles `schema`; `resources` are further documents by absolute URI, which `$ref` may name.
  /// - Throws: ``SchemaError`` for keywords with impossible values, references that lead nowhere, patterns that no
  ///   automaton can run, and schemas beyond the limits.
  /// - Complexity: O(size of all schemas that are reached).
  public init(_ schema: JSON, resources: [String: JSON] = [:], options: Options = Options()) throws(SchemaError) {
    source = schema
    self.resources = resources
    self.options = options
    let dialect = SchemaDialect(draft: options.defaultDraft == .draft7 ? .draft7 : .draft2020)
    let registry = try SchemaRegistry(root: schema, resources: resources, defaultDialect: dialect)
    var compiler = SchemaCompiler(registry: registry, assertsFormats: options.assertsFormats)
    program = try compiler.compile(root: SchemaLocation(document: 0, pointer: ""), resource: 0)
    self.registry = compiler.registry
  }

  /// Everything that is wrong with `value`; empty when it is valid.
  /// - Complexity: linear in the value for ordinary schemas; bounded for all.
  public func validate(_ value: JSON) -> [ValidationIssue] {
    var evaluator = Evaluator(program: program, collects: true)
    let isValid = evaluator.run(value)
    if !isValid, evaluator.issues.isEmpty {
      let message = "the value does not fit the schema"
      return [ValidationIssue(instancePointer: "", schemaPointer: "#", keyword: "", message: message)]
    }
    return isValid ? [] : evaluator.issues
  }

  /// Whether `value` is valid; faster than ``validate(_:)``, since it stops at the first failure.
  public func isValid(_ value: JSON) -> Bool {
    var evaluator = Evaluator(program: program, collects: false)
    return evaluator.run(value)
  }
}
