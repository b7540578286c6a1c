// Owns reading the public test collections for measuring. Absent data skips a test.
import Foundation
import StrataCore
import StrataIndex
import Testing

extension Tag {
  @Tag static var slow: Self
  @Tag static var golden: Self
}

/// A retrieval test collection with its relevance judgements.
struct TestCollection {
  var documents: [(id: String, title: String, text: String)] = []
  var queries: [(id: String, text: String)] = []
  /// Query → document → grade.
  var judgements: [String: [String: Int]] = [:]

  static let folder =
    ProcessInfo.processInfo.environment["STRATA_DATA"].map { URL(fileURLWithPath: $0) }
    ?? URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
    .deletingLastPathComponent().deletingLastPathComponent().appending(path: "shared/data")

  static func has(_ path: String) -> Bool {
    FileManager.default.fileExists(atPath: folder.appending(path: path).path)
  }

  static func sciFact() throws -> TestCollection {
    let root = folder.appending(path: "retrieval/scifact")
    var collection = TestCollection()
    for line in try String(contentsOf: root.appending(path: "corpus.jsonl"), encoding: .utf8).split(
      whereSeparator: \.isNewline)
    {
      let value = try JSON(parsing: String(line))
      collection.documents.append(
        (value["_id"]?.stringValue ?? "", value["title"]?.stringValue ?? "", value["text"]?.stringValue ?? ""))
    }
    for line in try String(contentsOf: root.appending(path: "qrels_test.tsv"), encoding: .utf8).split(
      whereSeparator: \.isNewline
    )
    .dropFirst() {
      let parts = line.split(whereSeparator: \.isWhitespace).map(String.init)
      guard parts.count == 3, let grade = Int(parts[2]) else { continue }
      collection.judgements[parts[0], default: [:]][parts[1]] = grade
    }
    for line in try String(contentsOf: root.appending(path: "queries.jsonl"), encoding: .utf8).split(
      whereSeparator: \.isNewline)
    {
      let value = try JSON(parsing: String(line))
      guard let id = value["_id"]?.stringValue, collection.judgements[id] != nil else { continue }
      collection.queries.append((id, value["text"]?.stringValue ?? ""))
    }
    return collection
  }

  /// Cranfield's judgements run from 1 (complete answer) to 4 (minimal interest), 5 and -1 for none; as gains here.
  static func cranfield() throws -> TestCollection {
    let root = folder.appending(path: "retrieval/cranfield")
    var collection = TestCollection()
    for record in try records(root.appending(path: "cran.all.1400")) {
      collection.documents.append((record.id, record.fields["T"] ?? "", record.fields["W"] ?? ""))
    }
    // Judgements number the queries by position, whatever their labels say.
    for (index, record) in try records(root.appending(path: "cran.qry")).enumerated() {
      collection.queries.append((String(index + 1), record.fields["W"] ?? ""))
    }
    for line in try String(contentsOf: root.appending(path: "cranqrel"), encoding: .utf8).split(
      whereSeparator: \.isNewline)
    {
      let parts = line.split(whereSeparator: \.isWhitespace).map(String.init)
      guard parts.count == 3, let grade = Int(parts[2]) else { continue }
      collection.judgements[parts[0], default: [:]][parts[1]] = (1...4).contains(grade) ? 5 - grade : 0
    }
    return collection
  }

  private static func records(_ file: URL) throws -> [(id: String, fields: [String: String])] {
    var records: [(id: String, fields: [String: String])] = []
    var field = ""
    for line in try String(contentsOf: file, encoding: .utf8).split(
      omittingEmptySubsequences: false, whereSeparator: \.isNewline)
    {
      if line.hasPrefix(".I ") {
        records.append((String(Int(line.dropFirst(3).trimmingPrefix(" ")) ?? 0), [:]))
      } else if line.count == 2, line.hasPrefix(".") {
        field = String(line.dropFirst())
      } else if !records.isEmpty {
        records[records.count - 1].fields[field, default: ""] += line + "\n"
      }
    }
    return records
  }

  /// Mean normalized discounted cumulative gain of the first ten, over the judged queries.
  func nDCG10(_ search: (String) -> [String]) -> Double {
    var sum = 0.0
    for query in queries {
      let grades = judgements[query.id] ?? [:]
      func gain(_ grades: [Int]) -> Double {
        grades.prefix(10).enumerated().reduce(0) { $0 + Double($1.element) / log2(Double($1.offset) + 2) }
      }
      let ideal = gain(grades.values.sorted(by: >))
      if ideal > 0 { sum += gain(search(query.text).map { grades[$0] ?? 0 }) / ideal }
    }
    return sum / Double(queries.count)
  }
}
