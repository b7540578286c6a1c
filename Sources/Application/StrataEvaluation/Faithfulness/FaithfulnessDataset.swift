// Owns reading claims whose support by evidence people have judged. Judges nothing.
import Foundation
import StrataCore

/// Claims with evidence and a label each (WiCE, Kamoi et al. 2023).
public struct FaithfulnessDataset: Sendable {
  public struct Claim: Sendable, Hashable {
    public var text: String
    /// Sentences, in order.
    public var evidence: [String]
    /// 0 not supported, 1 partially, 2 supported.
    public var label: Int
  }

  public static let labels = ["not_supported", "partially_supported", "supported"]

  public var name: String
  public var claims: [Claim]

  /// Loads the file, or `entailment_retrieval_claim_*.jsonl` of a folder.
  /// - Throws: ``EvaluationError`` with file and line.
  public init(path: String) throws {
    var file = path
    var isFolder: ObjCBool = false
    if FileManager.default.fileExists(atPath: path, isDirectory: &isFolder), isFolder.boolValue {
      let names = ((try? FileManager.default.contentsOfDirectory(atPath: path)) ?? []).sorted()
      file = path + "/" + (names.first { $0.hasPrefix("entailment_retrieval_claim") } ?? "claims.jsonl")
    }
    guard let data = FileManager.default.contents(atPath: file) else {
      throw EvaluationError(
        EvaluationError.notFound, "There is no readable file \(file).",
        remedy: "Give a file of WiCE, one JSON object with claim, evidence and label on each line.", location: file)
    }
    name = URL(fileURLWithPath: file).lastPathComponent
    claims = try [UInt8](data).split(separator: 0x0A, omittingEmptySubsequences: false).enumerated().compactMap {
      number, line in
      guard !line.isEmpty else { return nil }
      guard let json = try? JSON(parsing: Array(line)), let text = json["claim"]?.stringValue,
        let evidence = json["evidence"]?.arrayValue?.compactMap(\.stringValue),
        let label = json["label"]?.stringValue.flatMap({ Self.labels.firstIndex(of: $0) })
      else {
        throw EvaluationError(
          EvaluationError.malformed, "The line is no claim with evidence and a known label.",
          location: "\(file):\(number + 1)")
      }
      return Claim(text: text, evidence: evidence, label: label)
    }
    guard !claims.isEmpty else {
      throw EvaluationError(EvaluationError.empty, "\(file) has no claims.", location: file)
    }
  }
}
