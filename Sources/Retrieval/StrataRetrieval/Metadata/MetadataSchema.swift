// Owns what a collection demands of its documents' metadata. Knows nothing about where the metadata comes from.
import Foundation
import StrataCore
import StrataSchema

/// The types of a collection's metadata, declared in JSON Schema; a document whose metadata does not fit is not taken in.
///
/// Sources without types, such as `<meta>` of HTML, give text only. So text is read as the number or truth value that
/// the schema wants of a member, if it is one.
public struct MetadataSchema: Sendable {
  /// Where a collection keeps its schema.
  package static let setting = "schema"

  public let json: JSON
  private let schema: JSONSchema
  private let types: [String: Set<String>]

  /// - Throws: `SchemaError` when `json` is no schema.
  public init(_ json: JSON) throws {
    self.json = json
    schema = try JSONSchema(json, options: JSONSchema.Options(assertsFormats: true))
    var types: [String: Set<String>] = [:]
    for (name, member) in json["properties"]?.objectValue ?? [:] {
      let type = member["type"]
      types[name] = Set(type?.arrayValue?.compactMap(\.stringValue) ?? [type?.stringValue].compactMap { $0 })
    }
    self.types = types
  }

  /// Part of how documents are made: another one means looking at all of them again.
  var fingerprint: String { String(SHA256.hash(json.text()).prefix(12)) }

  /// - Returns: the metadata with the types that the schema wants.
  /// - Throws: ``RetrievalError`` `metadata_invalid` with the members at fault.
  public func check(_ metadata: JSONObject, path: String) throws -> JSONObject {
    var typed = metadata
    for (name, wanted) in types where !wanted.contains("string") {
      if let text = metadata[name]?.stringValue, let value = Self.read(text, as: wanted) { typed[name] = value }
    }
    let issues = schema.validate(.object(typed))
    guard issues.isEmpty else {
      let reasons = issues.prefix(3).map(\.description).joined(separator: "; ")
      throw RetrievalError(
        ErrorCode("metadata_invalid", .invalidInput),
        "Its metadata does not fit the collection's schema: \(reasons).",
        remedy: "Correct the document's front matter or columns, or change the schema.", location: path)
    }
    return typed
  }

  private static func read(_ text: String, as types: Set<String>) -> JSON? {
    let text = text.trimmingCharacters(in: .whitespacesAndNewlines)
    if types.contains("integer"), let value = Int(text) { return .int(value) }
    if types.contains("number"), let value = Double(text), value.isFinite { return .double(value) }
    if types.contains("boolean"), let value = ["true": true, "false": false][text.lowercased()] { return .bool(value) }
    if types.contains("array") {
      return .array(
        text.split(separator: ",").map { .string($0.trimmingCharacters(in: .whitespaces)) })
    }
    return nil
  }
}
