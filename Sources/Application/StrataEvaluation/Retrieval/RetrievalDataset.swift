// Owns retrieval test collections: those in the layout of BEIR (Thakur et al. 2021) here, others in extensions. Searches
// nothing.
import Foundation
import StrataCore

/// A corpus, queries and graded judgements.
public struct RetrievalDataset: Sendable {
  public struct Document: Sendable, Hashable {
    public var id: String
    public var title: String
    public var text: String
  }

  public struct Query: Sendable, Hashable {
    public var id: String
    public var text: String
  }

  public var name: String
  public var documents: [Document]
  /// Only those with judgements, in the order of the file.
  public var queries: [Query]
  /// Query → document → grade; grades of 0 and less are not relevant.
  public var judgements: [String: [String: Int]]

  public init(name: String, documents: [Document], queries: [Query], judgements: [String: [String: Int]]) {
    self.name = name
    self.documents = documents
    self.queries = queries
    self.judgements = judgements
  }

  /// Loads a folder in BEIR's layout, the Cranfield collection (`cran.all.1400`), or HotpotQA with its corpus, by the
  /// files that are there.
  /// - Throws: ``EvaluationError`` with file and line.
  public init(folder: String, split: String = "test") throws {
    let root = URL(fileURLWithPath: folder, isDirectory: true)
    if Self.isCranfield(root) {
      try self.init(cranfield: root)
    } else if let files = Self.hotpotFiles(root) {
      try self.init(hotpot: files, name: root.lastPathComponent)
    } else {
      try self.init(beir: root, split: split)
    }
    guard !documents.isEmpty, !queries.isEmpty else {
      throw EvaluationError(
        EvaluationError.empty, "\(folder) has \(documents.count) documents and \(queries.count) judged queries.",
        remedy: "Check that the judgements belong to the queries.", location: folder)
    }
  }

  /// Reads `corpus.jsonl`, `queries.jsonl` and `qrels/SPLIT.tsv` or `qrels_SPLIT.tsv`.
  private init(beir root: URL, split: String) throws {
    name = root.lastPathComponent
    documents = try Self.lines(root.appendingPathComponent("corpus.jsonl")).map { line in
      let json = try line.json()
      return Document(
        id: try line.text(json, "_id"), title: json["title"]?.stringValue ?? "", text: try line.text(json, "text"))
    }
    let qrels = [root.appendingPathComponent("qrels/\(split).tsv"), root.appendingPathComponent("qrels_\(split).tsv")]
    let file = qrels.first { FileManager.default.fileExists(atPath: $0.path) } ?? qrels[0]
    var judgements: [String: [String: Int]] = [:]
    for line in try Self.lines(file) {
      let fields = line.bytes.split(separator: 0x09).map { String(decoding: $0, as: UTF8.self) }
      if line.number == 1, fields.last.flatMap({ Int($0) }) == nil { continue }
      guard fields.count >= 3, let grade = Int(fields[fields.count - 1]) else {
        throw line.malformed("A judgement is query, document and grade, separated by tabs.")
      }
      judgements[fields[0], default: [:]][fields[fields.count - 2]] = grade
    }
    self.judgements = judgements
    queries = try Self.lines(root.appendingPathComponent("queries.jsonl")).compactMap { line in
      let json = try line.json()
      let id = try line.text(json, "_id")
      return judgements[id]?.values.contains { $0 > 0 } == true ? Query(id: id, text: try line.text(json, "text")) : nil
    }
  }

  private struct Line {
    let file: String
    let number: Int
    let bytes: ArraySlice<UInt8>

    func malformed(_ message: String, cause: (any Error)? = nil) -> EvaluationError {
      EvaluationError(EvaluationError.malformed, message, location: "\(file):\(number)", cause: cause)
    }

    func json() throws -> JSON {
      do { return try JSON(parsing: Array(bytes)) } catch { throw malformed("The line is not JSON.", cause: error) }
    }

    func text(_ json: JSON, _ member: String) throws -> String {
      guard let value = json[member] else { throw malformed("The line has no member `\(member)`.") }
      return value.stringValue ?? value.text()
    }
  }

  private static func lines(_ url: URL) throws -> [Line] {
    guard let data = FileManager.default.contents(atPath: url.path) else {
      throw EvaluationError(
        EvaluationError.notFound, "There is no readable file \(url.path).",
        remedy: "A BEIR folder holds corpus.jsonl, queries.jsonl and qrels/test.tsv.", location: url.path)
    }
    var number = 0
    return [UInt8](data).split(separator: 0x0A, omittingEmptySubsequences: false).compactMap { bytes in
      number += 1
      let line = bytes.last == 0x0D ? bytes.dropLast() : bytes
      return line.isEmpty ? nil : Line(file: url.path, number: number, bytes: line)
    }
  }
}
