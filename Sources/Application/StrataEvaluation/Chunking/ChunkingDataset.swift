// Owns reading questions whose answers are marked as spans of documents. Cuts and searches nothing.
import Foundation
import StrataCore

/// Corpora, and questions with the places where each answer stands (the layout of Chroma's chunking_evaluation, 2024).
public struct ChunkingDataset: Sendable {
  public struct Corpus: Sendable, Hashable {
    public var id: String
    public var text: String
  }

  public struct Question: Sendable, Hashable {
    public var text: String
    public var corpus: String
    /// Ranges of Unicode scalars in the corpus.
    public var references: [Range<Int>]
  }

  public var name: String
  public var corpora: [Corpus]
  public var questions: [Question]

  /// Loads `questions_df.csv` and `corpora/*.md` from `folder` or its only subfolder.
  /// - Throws: ``EvaluationError`` with file and line.
  public init(folder: String) throws {
    var root = URL(fileURLWithPath: folder, isDirectory: true)
    name = root.lastPathComponent
    let files = FileManager.default
    if !files.fileExists(atPath: root.appendingPathComponent("questions_df.csv").path),
      let inner = (try? files.contentsOfDirectory(atPath: root.path))?.sorted().first(where: {
        files.fileExists(atPath: root.appendingPathComponent("\($0)/questions_df.csv").path)
      })
    {
      root.appendPathComponent(inner)
    }
    let table = root.appendingPathComponent("questions_df.csv")
    let rows = try Self.rows(Self.bytes(table), file: table.path)
    questions = try rows.map { try Self.question($0.fields, location: "\(table.path):\($0.line)") }
    var seen: Set<String> = []
    corpora = try questions.map(\.corpus).filter { seen.insert($0).inserted }.map { id in
      let bytes = try Self.bytes(root.appendingPathComponent("corpora/\(id).md"))
      return Corpus(id: id, text: String(decoding: bytes, as: UTF8.self))
    }
    let lengths = Dictionary(corpora.map { ($0.id, $0.text.unicodeScalars.count) }) { $1 }
    for question in questions
    where question.references.contains(where: { $0.upperBound > lengths[question.corpus] ?? 0 }) {
      throw EvaluationError(
        EvaluationError.malformed, "An answer of `\(question.text)` lies beyond the end of \(question.corpus).",
        remedy: "Check that corpora and questions belong together.", location: table.path)
    }
    guard !questions.isEmpty else {
      throw EvaluationError(EvaluationError.empty, "\(table.path) has no questions.", location: table.path)
    }
  }

  /// Chunks of the corpora that another program made: JSON lines of `{"corpus","start","end"}`, in Unicode scalars.
  /// - Throws: ``EvaluationError`` with file and line.
  public func chunks(file: String) throws -> [(corpus: String, range: Range<Int>, text: String)] {
    let scalars = Dictionary(corpora.map { ($0.id, Array($0.text.unicodeScalars)) }) { $1 }
    let lines = try Self.bytes(URL(fileURLWithPath: file)).split(separator: 10, omittingEmptySubsequences: false)
    return try lines.enumerated().compactMap { number, line in
      guard !line.isEmpty else { return nil }
      guard let json = try? JSON(parsing: Array(line)), let corpus = json["corpus"]?.stringValue,
        let text = scalars[corpus], let start = json["start"]?.intValue, let end = json["end"]?.intValue, start >= 0,
        start < end, end <= text.count
      else {
        throw EvaluationError(
          EvaluationError.malformed, "The line is no span of a known corpus.", location: "\(file):\(number + 1)")
      }
      var slice = String.UnicodeScalarView()
      slice.append(contentsOf: text[start..<end])
      return (corpus, start..<end, String(slice))
    }
  }

  private static func bytes(_ url: URL) throws -> [UInt8] {
    guard let data = FileManager.default.contents(atPath: url.path) else {
      throw EvaluationError(
        EvaluationError.notFound, "There is no readable file \(url.path).",
        remedy: "The folder holds questions_df.csv and corpora/*.md.", location: url.path)
    }
    return [UInt8](data)
  }

  private static func question(_ fields: [String], location: String) throws -> Question {
    guard fields.count >= 3, let json = try? JSON(parsing: fields[1]), let list = json.arrayValue else {
      throw EvaluationError(
        EvaluationError.malformed, "A row is a question, its references as JSON, and a corpus.", location: location)
    }
    let references = try list.map { reference -> Range<Int> in
      guard let start = reference["start_index"]?.intValue, let end = reference["end_index"]?.intValue, start >= 0,
        start < end
      else {
        throw EvaluationError(
          EvaluationError.malformed, "A reference has no range of characters.", location: location)
      }
      return start..<end
    }
    return Question(text: fields[0], corpus: fields[2], references: references)
  }

  /// The rows below the header (RFC 4180: fields may be quoted, and then hold line breaks and doubled quotes).
  private static func rows(_ bytes: [UInt8], file: String) throws -> [(line: Int, fields: [String])] {
    var rows: [(line: Int, fields: [String])] = []
    var fields: [String] = []
    var field: [UInt8] = []
    var isQuoted = false
    var line = 1
    var start = 1
    func closeField() {
      fields.append(String(decoding: field, as: UTF8.self))
      field.removeAll()
    }
    func closeRow() {
      closeField()
      if fields != [""] { rows.append((start, fields)) }
      fields.removeAll()
      start = line + 1
    }
    var index = 0
    while index < bytes.count {
      let byte = bytes[index]
      index += 1
      if isQuoted {
        if byte == UInt8(ascii: "\"") {
          if index < bytes.count, bytes[index] == UInt8(ascii: "\"") {
            field.append(byte)
            index += 1
          } else {
            isQuoted = false
          }
        } else {
          field.append(byte)
        }
      } else {
        switch byte {
        case UInt8(ascii: "\""): isQuoted = true
        case UInt8(ascii: ","): closeField()
        case 10: closeRow()
        case 13: break
        default: field.append(byte)
        }
      }
      if byte == 10 { line += 1 }
    }
    guard !isQuoted else {
      throw EvaluationError(
        EvaluationError.malformed, "A quoted field is not closed.", location: "\(file):\(start)")
    }
    if !field.isEmpty || !fields.isEmpty { closeRow() }
    return Array(rows.dropFirst())
  }
}
