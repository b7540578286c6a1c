// Owns how a parsed document looks to machines: what `strata parse` prints.
import StrataCore

extension ParsedDocument {
  /// Title, media type and blocks, each with kind, byte range, page and text.
  public var json: JSON {
    let bytes = Array(canonicalText.utf8)
    return [
      "title": .string(title), "media_type": .string(mediaType), "bytes": .int(bytes.count),
      "blocks": .array(
        blocks.map { block in
          var value = block.kind.json
          value["start"] = .int(block.range.lowerBound)
          value["end"] = .int(block.range.upperBound)
          if let page = block.page { value["page"] = .int(page) }
          value["text"] = .string(bytes.text(block.range))
          return .object(value)
        }),
    ]
  }
}

extension DocumentBlock.Kind {
  fileprivate var json: JSONObject {
    switch self {
    case .heading(let level, let title): ["kind": "heading", "level": .int(level), "title": .string(title)]
    case .paragraph: ["kind": "paragraph"]
    case .listItem: ["kind": "list_item"]
    case .code: ["kind": "code"]
    case .quote: ["kind": "quote"]
    case .entry(let path): ["kind": "entry", "path": .string(path)]
    case .tableHeader: ["kind": "table_header"]
    case .tableRow(let header): ["kind": "table_row", "columns": .string(header)]
    }
  }
}
