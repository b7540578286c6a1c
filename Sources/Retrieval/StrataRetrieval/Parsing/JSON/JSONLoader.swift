// Owns JSON and JSON Lines: each record one part of the text, its members as `key.path: value`.
import StrataCore

struct JSONLoader {
  private static let depthLimit = 64
  /// A string longer than this is prose and gets a block of its own, which is cut between sentences.
  private static let proseByteCount = 300
  /// An object up to this size is one block; a larger one is cut at its members.
  private static let recordByteCount = 2_000

  /// - Parameter isLines: one value a line; a line that is none is kept as it is.
  func load(_ text: String, path: String, isLines: Bool) throws -> ParsedDocument {
    var writer = CanonicalTextWriter()
    var title: String?
    if isLines {
      let bytes = Array(text.utf8)
      let start = bytes.starts(with: [0xEF, 0xBB, 0xBF]) ? 3 : 0
      for (number, line) in bytes.lineRanges(from: start).enumerated() {
        let trimmed = bytes.trimmed(line)
        guard !trimmed.isEmpty else { continue }
        if let value = try? JSON(parsing: Array(bytes[trimmed]), depthLimit: Self.depthLimit) {
          write(value, at: "[\(number)]", to: &writer)
        } else {
          writer.add(.code, bytes.text(trimmed))
        }
        if number % 1024 == 0 { try Task.checkCancellation() }
      }
    } else {
      let value: JSON
      do {
        value = try JSON(parsing: text, depthLimit: Self.depthLimit)
      } catch {
        // Several values one after the other are JSON Lines by another name.
        let first = text.split(whereSeparator: \.isNewline).first { !$0.allSatisfy(\.isWhitespace) }
        if let first, (try? JSON(parsing: String(first), depthLimit: Self.depthLimit))?.objectValue != nil {
          return try load(text, path: path, isLines: true)
        }
        throw RetrievalError.parserFailed(
          "The file is no JSON: \(error.message) (byte \(error.offset)).",
          remedy: "Correct it, or name it .txt to take it as text.", path: path)
      }
      title = (value["title"] ?? value["name"])?.stringValue
      write(value, at: "", to: &writer)
    }
    return try writer.document(
      title: title, mediaType: isLines ? "application/jsonl" : "application/json", path: path)
  }

  private struct Member {
    var path: String
    var text: String
  }

  /// Writes a value as one record, or as several when it is a list of them or too large.
  private func write(_ value: JSON, at path: String, to writer: inout CanonicalTextWriter) {
    switch value {
    case .array(let values) where values.contains(where: { $0.objectValue != nil || $0.arrayValue != nil }):
      for (index, element) in values.enumerated() { write(element, at: "\(path)[\(index)]", to: &writer) }
    case .object(let object):
      var members: [Member] = []
      var size = 0
      func flush() {
        writer.add(.entry(path: path), members.map { "\($0.path): \($0.text)" }.joined(separator: "\n"))
        members = []
        size = 0
      }
      for (key, member) in object {
        if let flat = flattened(member, at: key, budget: Self.recordByteCount) {
          let length = flat.reduce(0) { $0 + $1.path.utf8.count + $1.text.utf8.count }
          if size + length > Self.recordByteCount { flush() }
          members += flat
          size += length
        } else if let text = member.stringValue {
          flush()
          writer.add(.paragraph, "\(key): \(text)")
        } else {
          flush()
          write(member, at: path.isEmpty ? key : "\(path).\(key)", to: &writer)
        }
      }
      flush()
    default:
      let text = plain(value)
      writer.add(text.utf8.count > Self.proseByteCount ? .paragraph : .entry(path: path), text)
    }
  }

  /// The members below a value with their paths; nil when they are too large for one record, or prose.
  private func flattened(_ value: JSON, at path: String, budget: Int) -> [Member]? {
    switch value {
    case .string(let text):
      return text.utf8.count > Self.proseByteCount
        ? nil : [Member(path: path, text: CanonicalTextWriter.onOneLine(text))]
    case .array(let values):
      if values.allSatisfy({ $0.objectValue == nil && $0.arrayValue == nil }) {
        let text = values.map(plain).joined(separator: ", ")
        return text.utf8.count > budget ? nil : [Member(path: path, text: text)]
      }
      var all: [Member] = []
      var size = 0
      for (index, element) in values.enumerated() {
        guard let inner = flattened(element, at: "\(path)[\(index)]", budget: budget - size) else { return nil }
        size += inner.reduce(0) { $0 + $1.path.utf8.count + $1.text.utf8.count }
        guard size <= budget else { return nil }
        all += inner
      }
      return all
    case .object(let object):
      var all: [Member] = []
      var size = 0
      for (key, member) in object {
        guard let inner = flattened(member, at: "\(path).\(key)", budget: budget - size) else { return nil }
        size += inner.reduce(0) { $0 + $1.path.utf8.count + $1.text.utf8.count }
        guard size <= budget else { return nil }
        all += inner
      }
      return all
    default: return [Member(path: path, text: plain(value))]
    }
  }

  private func plain(_ value: JSON) -> String {
    switch value {
    case .string(let text): text
    case .array(let values): values.map(plain).joined(separator: ", ")
    default: value.text()
    }
  }
}
