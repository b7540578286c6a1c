// Owns the values of typed metadata. Knows nothing about schemas or how an index keeps them.
import Foundation

/// One typed fact about a document, such as its language or its date, that searches can filter by.
public enum FieldValue: Sendable, Hashable {
  case string(String)
  /// NaN is no value: a field with it counts as absent.
  case number(Double)
  case boolean(Bool)
  case date(Date)
  /// Each of them is a value of the field. An empty list counts as absent.
  case strings([String])

  /// Whether there is nothing to find.
  package var isEmpty: Bool {
    switch self {
    case .number(let number): number.isNaN
    case .date(let date): date.timeIntervalSinceReferenceDate.isNaN
    case .strings(let strings): strings.isEmpty
    case .string, .boolean: false
    }
  }

  /// The strings, where it is one or several.
  package var texts: [String]? {
    switch self {
    case .string(let text): [text]
    case .strings(let texts): texts
    case .number, .boolean, .date: nil
    }
  }
}
