// Owns search as a tool: a retriever, asked on behalf of the principal. Ranks nothing itself.
import Foundation
import StrataCore

/// Searches the documents that the principal may read.
public struct SearchTool: Tool {
  public static let name = "search"

  /// What a plan may ask for beside the words to look for. What is not offered is no part of the tool's schema.
  public struct Offers: Sendable, Hashable {
    /// Ways of multi-hop search, beside none.
    public var multiHop: [MultiHop]
    /// Fields of documents that conditions may name.
    public var fields: [String]
    /// Whether the collection may be asked for as it was on a day.
    public var asOf: Bool

    public init(multiHop: [MultiHop] = [], fields: [String] = [], asOf: Bool = false) {
      self.multiHop = multiHop.filter { $0 != .off }
      self.fields = fields
      self.asOf = asOf
    }
  }

  private let retriever: any Retriever
  private let spec: QuerySpec
  private let offers: Offers
  private static let filterLimit = 4

  /// - Parameters:
  ///   - spec: how to search; its text is replaced by what is looked for.
  ///   - offers: what a call may change of it.
  public init(_ retriever: any Retriever, spec: QuerySpec = QuerySpec(""), offers: Offers = Offers()) {
    self.retriever = retriever
    self.spec = spec
    self.offers = offers
  }

  public var isIdempotent: Bool { true }

  /// Ways of multi-hop search that calls may ask for, the preferred one first.
  var multiHop: [MultiHop] { offers.multiHop }

  public var definition: ToolDefinition {
    var properties: JSONObject = ["query": ["type": "string", "minLength": 1, "maxLength": .int(Self.queryLimit)]]
    if !offers.multiHop.isEmpty {
      properties["multi_hop"] = [
        "type": "string", "enum": .array(([.off] + offers.multiHop).map { .string($0.rawValue) }),
        "description": "For questions that take several documents together.",
      ]
    }
    if !offers.fields.isEmpty {
      properties["filters"] = [
        "type": "array", "minItems": 1, "maxItems": .int(Self.filterLimit),
        "description": "Conditions on documents, all of which hold; days are written 2026-01-31.",
        "items": [
          "type": "object",
          "properties": [
            "field": ["enum": .array(offers.fields.map(JSON.string))], "equals": Self.value, "from": Self.value,
            "through": Self.value,
          ],
          "required": ["field"], "minProperties": 2, "additionalProperties": false,
        ],
      ]
    }
    if offers.asOf {
      properties["as_of"] = [
        "type": "string", "pattern": "^[0-9]{4}-[0-9]{2}-[0-9]{2}$",
        "description": "The documents as they were on a day.",
      ]
    }
    return ToolDefinition(
      name: Self.name, description: "Searches the documents and returns the best passages.",
      parameters: [
        "type": "object", "properties": .object(properties), "required": ["query"], "additionalProperties": false,
      ])
  }

  private static let value: JSON = ["type": ["string", "number", "boolean"]]
  /// Characters; what a conversation adds to a question has room too.
  static let queryLimit = 1_000

  /// Content: `{"passages": […]}`, best first.
  /// - Throws: ``AgentError/contract`` for a day that the calendar does not have; errors of the retriever.
  public func call(_ arguments: JSON, as principal: Principal) async throws -> ToolResult {
    var query = spec
    query.text = arguments["query"]?.stringValue ?? ""
    if let way = arguments["multi_hop"]?.stringValue.flatMap(MultiHop.init(rawValue:)) { query.multiHop = way }
    if let day = arguments["as_of"]?.stringValue {
      guard let date = Self.day(day) else {
        throw AgentError(AgentError.contract, "`\(day)` is no day.", remedy: "Write days as 2026-01-31.")
      }
      query.asOf = date
    }
    let conditions = (arguments["filters"]?.arrayValue ?? []).flatMap(Self.conditions)
    if !conditions.isEmpty { query.filter = .and((query.filter.map { [$0] } ?? []) + conditions) }
    let passages = try await retriever.search(query, as: principal)
    return ToolResult(content: ["passages": .array(passages.prefix(max(1, spec.limit)).map(\.json))])
  }

  private static func conditions(_ json: JSON) -> [Filter] {
    guard let field = json["field"]?.stringValue else { return [] }
    var conditions: [Filter] = []
    if let value = json["equals"].flatMap(value) { conditions.append(.equals(field, value)) }
    let (from, through) = (json["from"].flatMap(value), json["through"].flatMap(value))
    if from != nil || through != nil { conditions.append(.range(field, FieldRange(from: from, through: through))) }
    return conditions
  }

  private static func value(_ json: JSON) -> FieldValue? {
    if let text = json.stringValue { return day(text).map(FieldValue.date) ?? .string(text) }
    if let flag = json.boolValue { return .boolean(flag) }
    return json.doubleValue.map(FieldValue.number)
  }

  private static func day(_ text: String) -> Date? {
    guard text.utf8.count == 10 else { return nil }
    return try? Date.ISO8601FormatStyle().year().month().day().parse(text)
  }
}
