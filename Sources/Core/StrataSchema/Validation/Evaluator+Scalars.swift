// Owns the keywords that look at one value without looking inside it.

import StrataCore

extension Evaluator {
  mutating func evaluateAny(_ keyword: SchemaKeyword, _ node: SchemaNode, _ value: JSON) -> Bool {
    switch keyword {
    case .types(let types):
      if types.admits(value) { return true }
      report(node, "type", "expected \(types.description), found \(value.typeName) \(Evaluator.brief(value))")
    case .constant(let form, let wanted):
      if CanonicalForm(value) == form { return true }
      report(node, "const", "must be \(Evaluator.brief(wanted)), found \(Evaluator.brief(value))")
    case .enumeration(let forms, let values):
      if forms.contains(CanonicalForm(value)) { return true }
      let list = values.prefix(8).map(Evaluator.brief).joined(separator: ", ") + (values.count > 8 ? ", …" : "")
      report(node, "enum", "must be one of \(list); found \(Evaluator.brief(value))")
    default: return true
    }
    return false
  }

  mutating func evaluateNumber(_ keyword: SchemaKeyword, _ node: SchemaNode, _ value: JSON) -> Bool {
    guard case .number(let number) = value else { return true }
    switch keyword {
    case .bound(let bound):
      let order = number.compares(to: bound.limit, small: bound.small)
      let (isValid, words) =
        switch bound.kind {
        case .minimum: (order >= 0, "at least")
        case .maximum: (order <= 0, "at most")
        case .exclusiveMinimum: (order > 0, "greater than")
        case .exclusiveMaximum: (order < 0, "less than")
        }
      if isValid { return true }
      report(node, bound.kind.rawValue, "must be \(words) \(bound.limit), found \(number)")
    case .multipleOf(let divisor):
      if number.isMultiple(of: divisor) { return true }
      report(node, "multipleOf", "must be a multiple of \(divisor), found \(number)")
    default: return true
    }
    return false
  }

  mutating func evaluateString(_ keyword: SchemaKeyword, _ node: SchemaNode, _ value: JSON) -> Bool {
    guard case .string(let text) = value else { return true }
    switch keyword {
    case .minLength(let least):
      let count = text.unicodeScalars.count
      if count >= least { return true }
      report(node, "minLength", "must have at least \(least) characters, has \(count): \(Evaluator.brief(value))")
    case .maxLength(let most):
      // Bytes are at least as many as scalars.
      if text.utf8.count <= most { return true }
      let count = text.unicodeScalars.count
      if count <= most { return true }
      report(node, "maxLength", "must have at most \(most) characters, has \(count): \(Evaluator.brief(value))")
    case .pattern(let pattern):
      if pattern.matches(text) { return true }
      report(node, "pattern", "must match the pattern \(pattern.source); found \(Evaluator.brief(value))")
    case .format(let format, let isAsserted):
      if !isAsserted || format.accepts(text) { return true }
      report(node, "format", "is no valid \(format.rawValue): \(Evaluator.brief(value))")
    default: return true
    }
    return false
  }
}
