// Owns conditions on typed metadata and what they mean. Knows nothing about how an index evaluates them.
import Foundation

/// A condition on the fields of a document. A field that a document does not have satisfies nothing, so only `not`
/// finds documents without it; values of another kind than the condition's are no match and no error.
///
/// Strings compare byte by byte in UTF-8: `a` and `A` differ, `ab` comes before `b`.
public indirect enum Filter: Sendable, Hashable {
  /// All of them; every document when there are none.
  case and([Filter])
  /// At least one of them; no document when there are none.
  case or([Filter])
  case not(Filter)
  /// The field has the value; of a list, any element counts. `.strings` asks for all of its elements.
  case equals(String, FieldValue)
  /// The field has one of the values.
  case `in`(String, [FieldValue])
  case range(String, FieldRange)
  /// The field has any value.
  case exists(String)
  /// The field is a string, or a list with one, that begins like this.
  case prefix(String, String)

  /// Whether a document with these fields satisfies the condition: the definition that every index has to follow.
  public func matches(_ fields: [String: FieldValue]) -> Bool {
    switch self {
    case .and(let filters): filters.allSatisfy { $0.matches(fields) }
    case .or(let filters): filters.contains { $0.matches(fields) }
    case .not(let filter): !filter.matches(fields)
    case .equals(let name, let value): Self.equal(fields[name], value)
    case .in(let name, let values): values.contains { Self.equal(fields[name], $0) }
    case .range(let name, let range): fields[name].map(range.contains) ?? false
    case .exists(let name): fields[name].map { !$0.isEmpty } ?? false
    case .prefix(let name, let prefix):
      fields[name]?.texts?.contains { $0.utf8.starts(with: prefix.utf8) } ?? false
    }
  }

  private static func equal(_ field: FieldValue?, _ value: FieldValue) -> Bool {
    guard let field else { return false }
    switch (field, value) {
    case (.number(let left), .number(let right)): return left == right
    case (.boolean(let left), .boolean(let right)): return left == right
    case (.date(let left), .date(let right)): return left == right
    default:
      guard let texts = field.texts, let wanted = value.texts, !wanted.isEmpty else { return false }
      return wanted.allSatisfy { text in texts.contains { $0.utf8.elementsEqual(text.utf8) } }
    }
  }
}

/// From one value to another of the same kind: numbers, dates or strings. A missing end is open.
public struct FieldRange: Sendable, Hashable {
  public var lower: FieldValue?
  public var upper: FieldValue?
  public var includesLower: Bool
  public var includesUpper: Bool

  public init(
    from lower: FieldValue? = nil, through upper: FieldValue? = nil, includesLower: Bool = true,
    includesUpper: Bool = true
  ) {
    self.lower = lower
    self.upper = upper
    self.includesLower = includesLower
    self.includesUpper = includesUpper
  }

  /// Whether the value, or an element of the list, lies inside. A range without ends contains nothing.
  public func contains(_ value: FieldValue) -> Bool {
    guard lower != nil || upper != nil, !value.isEmpty, lower?.isEmpty != true, upper?.isEmpty != true else {
      return false
    }
    switch value {
    case .number(let number): return contains(number, { if case .number(let end) = $0 { end } else { nil } }, <)
    case .date(let date): return contains(date, { if case .date(let end) = $0 { end } else { nil } }, <)
    case .boolean: return false
    case .string, .strings:
      return value.texts?.contains { text in
        contains(text, { if case .string(let end) = $0 { end } else { nil } }) {
          $0.utf8.lexicographicallyPrecedes($1.utf8)
        }
      } ?? false
    }
  }

  private func contains<T>(
    _ value: T, _ end: (FieldValue) -> T?, _ precedes: (T, T) -> Bool
  ) -> Bool {
    if let lower {
      guard let bound = end(lower), precedes(bound, value) || includesLower && !precedes(value, bound) else {
        return false
      }
    }
    if let upper {
      guard let bound = end(upper), precedes(value, bound) || includesUpper && !precedes(bound, value) else {
        return false
      }
    }
    return true
  }
}
