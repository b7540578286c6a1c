// Owns the written form of queries and filters. Knows nothing about how they are answered.
import Foundation
import StrataCore
import StrataSchema

extension QuerySpec {
  /// The JSON Schema (2020-12) of the written form.
  public static func schema() throws -> JSON { try JSON(parsing: PackageResources.query_schema_json) }

  /// Reads `{"text": …, "k": 8, "legs": […], "filter": {…}, …}`; what is missing has its default.
  /// - Throws: ``RetrievalError`` `query_invalid`, naming each member that does not fit the schema.
  public init(json: JSON) throws {
    let issues = try JSONSchema(Self.schema()).validate(json)
    guard issues.isEmpty, let text = json["text"]?.stringValue else {
      throw RetrievalError.invalidQuery(issues.prefix(5).map(\.description).joined(separator: "; "))
    }
    self.init(text, carried: json["carried"]?.stringValue ?? "")
    if let limit = json["k"]?.intValue { self.limit = limit }
    if let legs = json["legs"]?.arrayValue {
      self.legs = Set(legs.compactMap { $0.stringValue.flatMap(RetrievalLeg.init(rawValue:)) })
    }
    filter = try json["filter"].map { try Filter(json: $0, depth: 0) }
    changedFrom = try json["changed"]?["from"].map(Filter.time)
    changedThrough = try json["changed"]?["through"].map(Filter.time)
    asOf = try json["as_of"].map(Filter.time)
    fusion = json["fusion"].map(Self.fusion)
    rerank = json["rerank"]?["method"]?.stringValue.flatMap(RerankMethod.init(rawValue:)) ?? RerankMethod.none
    if let depth = json["rerank"]?["depth"]?.intValue { rerankDepth = depth }
    feedback = json["feedback"]?.boolValue ?? false
    multiHop = json["multi_hop"]?.stringValue.flatMap(MultiHop.init(rawValue:)) ?? MultiHop.off
    if let hops = json["hops"]?.intValue { hopLimit = hops }
    budget = Budget(
      time: json["budget"]?["milliseconds"]?.intValue.map { .milliseconds($0) },
      tokens: json["budget"]?["tokens"]?.intValue)
    context = json["context"].map(Self.context)
    explains = json["explain"]?.boolValue ?? false
  }

  private static func context(_ json: JSON) -> ContextOptions {
    ContextOptions(
      neighbours: json["neighbours"]?.intValue ?? 0, perDocument: json["per_document"]?.intValue,
      order: json["order"]?.stringValue.flatMap(ContextOrder.init(rawValue:)) ?? .bestFirst)
  }

  private static func fusion(_ json: JSON) -> RankFusion {
    var weights = LegWeights()
    weights.lexical = json["weights"]?["lexical"]?.doubleValue ?? weights.lexical
    weights.dense = json["weights"]?["dense"]?.doubleValue ?? weights.dense
    weights.graph = json["weights"]?["graph"]?.doubleValue ?? weights.graph
    if json["method"]?.stringValue == "convex" {
      let normalization = json["normalization"]?.stringValue.flatMap(ScoreNormalization.init(rawValue:))
      return .convex(normalization ?? .minMax, weights: weights)
    }
    return .reciprocalRank(k: json["k"]?.doubleValue ?? 60, weights: weights)
  }
}

extension Filter {
  /// Conditions nest at most this deep.
  private static let depthLimit = 32

  /// Reads `{"and": […]}`, `{"or": […]}`, `{"not": …}` or `{"field": NAME, …}` with `equals`, `in`, `from`, `through`,
  /// `after`, `before`, `exists` and `prefix`, all of which have to hold. A date is written `{"date": "2026-01-31"}`.
  /// - Throws: ``RetrievalError`` `query_invalid`.
  public init(json: JSON) throws { try self.init(json: json, depth: 0) }

  fileprivate init(json: JSON, depth: Int) throws {
    guard depth < Self.depthLimit else {
      throw RetrievalError.invalidQuery("The filter nests more than \(Self.depthLimit) deep.")
    }
    func all(_ filters: [JSON]) throws -> [Filter] { try filters.map { try Filter(json: $0, depth: depth + 1) } }
    if let filters = json["and"]?.arrayValue {
      self = .and(try all(filters))
    } else if let filters = json["or"]?.arrayValue {
      self = .or(try all(filters))
    } else if let filter = json["not"] {
      self = .not(try Filter(json: filter, depth: depth + 1))
    } else if let field = json["field"]?.stringValue {
      let conditions = try Self.conditions(json, on: field)
      guard !conditions.isEmpty else { throw RetrievalError.invalidQuery("The field \(field) has no condition.") }
      self = conditions.count == 1 ? conditions[0] : .and(conditions)
    } else {
      throw RetrievalError.invalidQuery("A filter is `and`, `or`, `not` or a condition on a `field`.")
    }
  }

  private static func conditions(_ json: JSON, on field: String) throws -> [Filter] {
    var conditions: [Filter] = []
    if let value = json["equals"] { conditions.append(.equals(field, try self.value(value))) }
    if let values = json["in"]?.arrayValue { conditions.append(.in(field, try values.map(value))) }
    let lower = try (json["after"] ?? json["from"]).map(value)
    let upper = try (json["before"] ?? json["through"]).map(value)
    if lower != nil || upper != nil {
      conditions.append(
        .range(
          field,
          FieldRange(
            from: lower, through: upper, includesLower: json["after"] == nil, includesUpper: json["before"] == nil)))
    }
    if let exists = json["exists"]?.boolValue { conditions.append(exists ? .exists(field) : .not(.exists(field))) }
    if let prefix = json["prefix"]?.stringValue { conditions.append(.prefix(field, prefix)) }
    return conditions
  }

  private static func value(_ json: JSON) throws -> FieldValue {
    if let text = json.stringValue { return .string(text) }
    if let flag = json.boolValue { return .boolean(flag) }
    if let number = json.doubleValue { return .number(number) }
    if let date = json["date"] { return .date(try time(date)) }
    if let texts = json.arrayValue { return .strings(texts.compactMap(\.stringValue)) }
    throw RetrievalError.invalidQuery("\(json.text()) is no value that fields have.")
  }

  /// A day or a moment in ISO 8601.
  fileprivate static func time(_ json: JSON) throws -> Date {
    let text = json.stringValue ?? ""
    let styles: [Date.ISO8601FormatStyle] = [
      .iso8601, Date.ISO8601FormatStyle(includingFractionalSeconds: true),
      Date.ISO8601FormatStyle().year().month().day(),
    ]
    for style in styles { if let date = try? style.parse(text) { return date } }
    throw RetrievalError.invalidQuery("`\(text)` is no day or moment in ISO 8601.")
  }
}
