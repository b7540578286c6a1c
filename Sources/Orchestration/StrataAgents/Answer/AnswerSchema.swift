// Owns the output schema of one answer: the contract's, specialised to the passages at hand. Builds, never validates.
import StrataCore

/// Constrained decoding can do better than ask for exact quotes: it can make anything else unwritable.
enum AnswerSchema {
  /// - Parameter base: the contract's output schema; its descriptions and other members survive.
  static func specialised(_ base: JSON, passages: [NumberedPassage], settings: AnswerSettings) -> JSON {
    guard var schema = base.objectValue, let members = base["properties"]?.objectValue else { return base }
    var properties = JSONObject()
    for name in settings.order {
      guard let member = members[name] else { continue }
      switch name {
      case "citations": properties[name] = citations(member, passages: passages, settings: settings)
      case "answer":
        var answer = member.objectValue ?? JSONObject()
        if answer["maxLength"] == nil { answer["maxLength"] = .int(settings.maxAnswerLength) }
        properties[name] = .object(answer)
      default: properties[name] = member
      }
    }
    for (name, member) in members where properties[name] == nil { properties[name] = member }
    if settings.citesToAnswer {
      // Asked afterwards, small models call their own right answers unanswerable; to cite or not is the better vote.
      properties["answerable"] = nil
      schema["required"] = .array((base["required"]?.arrayValue ?? []).filter { $0 != "answerable" })
    }
    schema["properties"] = .object(properties)
    return .object(schema)
  }

  private static func citations(_ base: JSON, passages: [NumberedPassage], settings: AnswerSettings) -> JSON {
    var schema = base.objectValue ?? ["type": "array"]
    schema["maxItems"] = .int(settings.maxCitations)
    if settings.minCitations > 0 { schema["minItems"] = .int(settings.minCitations) }
    let quotable = passages.filter { !$0.quotable.isEmpty }
    guard settings.strategy != .plain else {
      if !passages.isEmpty, var item = schema["items"]?.objectValue, var members = item["properties"]?.objectValue {
        members["passage"] = ["type": "integer", "enum": .array(passages.map { .int($0.number) })]
        item["properties"] = .object(members)
        schema["items"] = .object(item)
      }
      return .object(schema)
    }
    guard !quotable.isEmpty else {
      schema["maxItems"] = 0
      schema["minItems"] = nil
      return .object(schema)
    }
    if settings.strategy == .sentenceNumbers {
      schema["items"] = [
        "enum": .array(
          quotable.flatMap { passage in
            passage.quotable.map { .string("\(passage.number).\($0 + 1)") }
          })
      ]
      return .object(schema)
    }
    let branches = quotable.map { passage -> JSON in
      var seen: Set<String> = []
      let quotes = passage.quotable.map { passage.sentences[$0].text }.filter { seen.insert($0).inserted }
      return [
        "type": "object",
        "properties": [
          "passage": ["const": .int(passage.number)], "quote": ["enum": .array(quotes.map(JSON.string))],
        ],
        "required": ["passage", "quote"], "additionalProperties": false,
      ]
    }
    schema["items"] = branches.count == 1 ? branches[0] : ["anyOf": .array(branches)]
    return .object(schema)
  }
}
