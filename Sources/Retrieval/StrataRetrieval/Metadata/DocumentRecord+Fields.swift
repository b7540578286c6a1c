// Owns which facts of a document version searches can filter by, and their types.
import Foundation
import StrataCore

extension DocumentRecord {
  /// Its metadata, and what is known of every document: `path`, `title`, `type`, `bytes`, `modified`, `ingested`,
  /// `version`, `source`. The latter win where names meet. Objects within metadata become `outer.inner`.
  public var fields: [String: FieldValue] {
    var fields: [String: FieldValue] = [:]
    Self.add(.object(metadata), "", depth: 0, to: &fields)
    fields["path"] = .string(path)
    fields["title"] = .string(title)
    fields["type"] = .string(mediaType)
    fields["bytes"] = .number(Double(byteCount))
    fields["modified"] = .date(modifiedAt)
    fields["ingested"] = .date(ingestedAt)
    fields["version"] = .number(Double(version))
    if let source = provenance.source { fields["source"] = .string(source) }
    return fields
  }

  private static func add(_ value: JSON, _ name: String, depth: Int, to fields: inout [String: FieldValue]) {
    switch value {
    case .null: return
    case .bool(let value): fields[name] = .boolean(value)
    case .number(let number): fields[name] = .number(number.doubleValue)
    case .string(let text): fields[name] = date(text).map(FieldValue.date) ?? .string(text)
    case .array(let values):
      let texts = values.compactMap { value in
        value.stringValue ?? (value.objectValue == nil && value.arrayValue == nil ? value.text() : nil)
      }
      if !texts.isEmpty { fields[name] = .strings(texts) }
    case .object(let members):
      guard depth < 4 else { return }
      for (key, member) in members {
        add(member, name.isEmpty ? key : "\(name).\(key)", depth: depth + 1, to: &fields)
      }
    }
  }

  /// `2024-05-31`, or a time of RFC 3339; other text is text.
  private static func date(_ text: String) -> Date? {
    let bytes = Array(text.utf8)
    guard bytes.count >= 10, bytes.count <= 35, bytes[4] == 45, bytes[7] == 45,
      [0, 1, 2, 3, 5, 6, 8, 9].allSatisfy({ (48...57).contains(bytes[$0]) })
    else { return nil }
    if bytes.count == 10 { return try? Date(text + "T00:00:00Z", strategy: .iso8601) }
    return (try? Date(text, strategy: .iso8601))
      ?? (try? Date(text, strategy: Date.ISO8601FormatStyle(includingFractionalSeconds: true)))
  }
}
