// Owns typed access to the members of one schema object, with errors that name the keyword.

import StrataCore

struct KeywordReader {
  let members: JSONObject
  let location: SchemaLocation
  let name: String

  func failure(_ keyword: String, _ what: String) -> SchemaError {
    SchemaError(
      SchemaError.invalidSchema, "`\(keyword)` \(what).", location: JSONPointer.appending(keyword, to: name))
  }

  func string(_ keyword: String) throws(SchemaError) -> String? {
    guard let value = members[keyword] else { return nil }
    guard let text = value.stringValue else { throw failure(keyword, "must be a string") }
    return text
  }

  func number(_ keyword: String) throws(SchemaError) -> JSONNumber? {
    guard let value = members[keyword] else { return nil }
    guard let number = value.numberValue else { throw failure(keyword, "must be a number") }
    return number
  }

  /// A count; what exceeds Int is as good as unbounded.
  func count(_ keyword: String) throws(SchemaError) -> Int? {
    guard let number = try number(keyword) else { return nil }
    guard number.isInteger, number >= JSONNumber(0) else { throw failure(keyword, "must be a non-negative integer") }
    return number.intValue ?? Int.max
  }

  func array(_ keyword: String) throws(SchemaError) -> [JSON]? {
    guard let value = members[keyword] else { return nil }
    guard let list = value.arrayValue else { throw failure(keyword, "must be an array") }
    return list
  }

  func map(_ keyword: String) throws(SchemaError) -> JSONObject? {
    guard let value = members[keyword] else { return nil }
    guard let map = value.objectValue else { throw failure(keyword, "must be an object") }
    return map
  }

  func strings(_ keyword: String) throws(SchemaError) -> [String]? {
    guard let value = members[keyword] else { return nil }
    return try strings(value, keyword)
  }

  func strings(_ value: JSON, _ keyword: String) throws(SchemaError) -> [String] {
    guard let list = value.arrayValue else { throw failure(keyword, "must be an array of strings") }
    var texts: [String] = []
    for element in list {
      guard let text = element.stringValue else { throw failure(keyword, "must be an array of strings") }
      texts.append(text)
    }
    return texts
  }

  func types() throws(SchemaError) -> JSONTypes? {
    guard let value = members["type"] else { return nil }
    let names = value.stringValue.map { [$0] } ?? value.arrayValue?.map { $0.stringValue ?? "" }
    guard let names, !names.isEmpty else { throw failure("type", "must be a type name or an array of type names") }
    var types: JSONTypes = []
    for name in names {
      guard let type = JSONTypes(name: name) else {
        let known = JSONTypes.names.map(\.1).joined(separator: ", ")
        throw failure("type", "names no JSON type (\"\(name)\"); known are \(known)")
      }
      types.insert(type)
    }
    return types
  }

  func pattern(_ source: String, _ keyword: String) throws(SchemaError) -> Pattern {
    do throws(SchemaError) {
      return try Pattern(source)
    } catch {
      throw SchemaError(
        error.code, error.message, remedy: error.remedy, location: JSONPointer.appending(keyword, to: name))
    }
  }
}
