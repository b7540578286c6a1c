// Owns reading what people write for evaluations. Knows nothing about what is in it.
import Foundation
import StrataContracts

enum EvaluationFile {
  static func text(_ path: String) throws(EvaluationError) -> String {
    guard let data = FileManager.default.contents(atPath: path), let text = String(bytes: data, encoding: .utf8) else {
      throw EvaluationError(
        EvaluationError.notFound, "There is no readable file \(path).", remedy: "Check the path.", location: path)
    }
    return text
  }

  /// - Throws: with file and line.
  static func yaml(_ text: String, path: String) throws(EvaluationError) -> YAMLDocument {
    do { return try YAMLDocument(text) } catch {
      throw EvaluationError(
        EvaluationError.malformed, error.message, remedy: error.remedy,
        location: "\(path), \(error.location ?? "line 1")", cause: error)
    }
  }
}
