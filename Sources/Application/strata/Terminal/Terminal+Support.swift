// Owns how verdicts on sentences look in a terminal. Judges nothing.
import Foundation
import StrataCore

extension Terminal {
  /// One verdict, score and interval for each sentence that claims something; nil when none does.
  static func support(_ report: FaithfulnessReport) -> String? {
    let lines = report.sentences.compactMap { sentence -> String? in
      guard let estimate = sentence.estimate else { return nil }
      let numbers = [estimate.score, estimate.low, estimate.high].map { formatted($0, digits: 2) }
      let verdict = estimate.verdict.name
      let head = "\(verdict)\(String(repeating: " ", count: 11 - verdict.count)) \(numbers[0]) "
      // A sentence is recognised by its beginning; the whole of it stands above.
      let text = sentence.text.split(whereSeparator: \.isWhitespace).joined(separator: " ")
      let room = max(20, min(width, 80) - head.count - 14)
      let shown = text.count > room ? text.prefix(room - 1).trimmingCharacters(in: .whitespaces) + "…" : text
      return head + dim("(\(numbers[1])-\(numbers[2]))") + " \(shown)"
    }
    return lines.isEmpty ? nil : lines.joined(separator: "\n")
  }
}
