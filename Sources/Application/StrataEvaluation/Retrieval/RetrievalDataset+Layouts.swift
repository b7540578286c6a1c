// Owns reading test collections that have layouts of their own: Cranfield, HotpotQA. Searches nothing.
import Foundation
import StrataCore

extension RetrievalDataset {
  // MARK: Cranfield

  static func isCranfield(_ root: URL) -> Bool {
    FileManager.default.fileExists(atPath: root.appendingPathComponent("cran.all.1400").path)
  }

  /// Reads `cran.all.1400`, `cran.qry` and `cranqrel`. Queries count from 1 in the order of their file, as the
  /// judgements do; grade 1 is best there, so the gain of grade g is 5 - g for 1 to 4, and nothing else is relevant.
  init(cranfield root: URL) throws {
    let documents = try Self.records(root.appendingPathComponent("cran.all.1400")).map { record in
      Document(id: record.id, title: record.fields["T"] ?? "", text: record.fields["W"] ?? "")
    }
    var judgements: [String: [String: Int]] = [:]
    for line in try Self.text(root.appendingPathComponent("cranqrel")).split(whereSeparator: \.isNewline) {
      let fields = line.split(separator: " ").map(String.init)
      guard fields.count >= 3, let grade = Int(fields[2]), (1...4).contains(grade) else { continue }
      judgements[fields[0], default: [:]][fields[1]] = 5 - grade
    }
    let queries = try Self.records(root.appendingPathComponent("cran.qry")).enumerated().map { index, record in
      Query(id: String(index + 1), text: record.fields["W"] ?? "")
    }
    self.init(
      name: "cranfield", documents: documents, queries: queries.filter { judgements[$0.id] != nil },
      judgements: judgements)
  }

  /// Records of `.I number` and fields `.T`, `.W` and others, white space made single.
  private static func records(_ file: URL) throws -> [(id: String, fields: [String: String])] {
    var records: [(id: String, fields: [String: String])] = []
    var field = ""
    for line in try text(file).split(omittingEmptySubsequences: false, whereSeparator: \.isNewline) {
      if line.hasPrefix(".I ") {
        records.append((line.dropFirst(3).trimmingCharacters(in: .whitespaces), [:]))
        field = ""
      } else if line.count == 2, line.hasPrefix("."), line.last?.isUppercase == true {
        field = String(line.dropFirst())
      } else if !records.isEmpty, !field.isEmpty {
        let words = line.split(separator: " ").joined(separator: " ")
        let known = records[records.count - 1].fields[field] ?? ""
        records[records.count - 1].fields[field] = known.isEmpty || words.isEmpty ? known + words : known + " " + words
      }
    }
    return records
  }

  // MARK: HotpotQA

  /// Questions (an array with `question` and `supporting_facts`) and the passages by title (an object of sentences).
  static func hotpotFiles(_ root: URL) -> (questions: URL, corpus: URL)? {
    let names = ((try? FileManager.default.contentsOfDirectory(atPath: root.path)) ?? []).sorted()
    guard let corpus = names.first(where: { $0.hasSuffix("_corpus.json") }),
      let questions = names.first(where: { $0 == corpus.replacingOccurrences(of: "_corpus.json", with: ".json") })
    else { return nil }
    return (root.appendingPathComponent(questions), root.appendingPathComponent(corpus))
  }

  /// A passage is judged relevant when a question names it among its supporting facts.
  init(hotpot files: (questions: URL, corpus: URL), name: String) throws {
    let corpus = try Self.json(files.corpus)
    guard let passages = corpus.objectValue, let questions = try Self.json(files.questions).arrayValue else {
      throw EvaluationError(
        EvaluationError.malformed, "The corpus is an object of passages, the questions are an array.",
        location: files.corpus.path)
    }
    var queries: [Query] = []
    var judgements: [String: [String: Int]] = [:]
    for (index, entry) in questions.enumerated() {
      let titles = (entry["supporting_facts"]?.arrayValue ?? []).compactMap { $0.arrayValue?.first?.stringValue }
      guard let text = entry["question"]?.stringValue, !titles.isEmpty else { continue }
      queries.append(Query(id: String(index), text: text))
      judgements[String(index)] = Dictionary(titles.map { ($0, 1) }) { $1 }
    }
    let documents = passages.map { title, sentences in
      Document(
        id: title, title: title, text: (sentences.arrayValue ?? []).compactMap(\.stringValue).joined())
    }
    self.init(name: name, documents: documents, queries: queries, judgements: judgements)
  }

  // MARK: Files

  private static func json(_ file: URL) throws -> JSON {
    do { return try JSON(parsing: Array(try bytes(file))) } catch let error as EvaluationError { throw error } catch {
      throw EvaluationError(EvaluationError.malformed, "The file is not JSON.", location: file.path, cause: error)
    }
  }

  private static func text(_ file: URL) throws -> String { String(decoding: try bytes(file), as: UTF8.self) }

  private static func bytes(_ file: URL) throws -> Data {
    guard let data = FileManager.default.contents(atPath: file.path) else {
      throw EvaluationError(
        EvaluationError.notFound, "There is no readable file \(file.path).",
        remedy: "Give the folder that holds all files of the collection.", location: file.path)
    }
    return data
  }
}
