// Owns the keywords that combine schemas on the same value.

import StrataCore

extension Evaluator {
  mutating func evaluateLogic(
    _ keyword: SchemaKeyword, _ node: SchemaNode, _ value: JSON, _ evaluated: inout Evaluated
  ) -> Bool {
    switch keyword {
    case .reference(let index): return evaluate(index, value, &evaluated)
    case .dynamicReference(_, let anchor, let initial):
      return evaluate(dynamicTarget(anchor, initial: initial), value, &evaluated)
    case .allOf(let nodes):
      var isValid = true
      for index in nodes where !evaluate(index, value, &evaluated) {
        isValid = false
        if !collects { return false }
      }
      return isValid
    case .anyOf(let nodes): return evaluateAlternatives(nodes, node, value, &evaluated, isExclusive: false)
    case .oneOf(let nodes): return evaluateAlternatives(nodes, node, value, &evaluated, isExclusive: true)
    case .not(let index):
      var inner = Evaluated()
      guard probe(index, value, &inner).isValid else { return true }
      report(node, "not", "must not be what `not` describes; found \(Evaluator.brief(value))")
      return false
    case .condition(let test, let then, let otherwise):
      var inner = Evaluated()
      if probe(test, value, &inner).isValid {
        evaluated.merge(inner)
        return then.map { evaluate($0, value, &evaluated) } ?? true
      }
      return otherwise.map { evaluate($0, value, &evaluated) } ?? true
    default: return true
    }
  }

  private mutating func evaluateAlternatives(
    _ nodes: [Int], _ node: SchemaNode, _ value: JSON, _ evaluated: inout Evaluated, isExclusive: Bool
  ) -> Bool {
    var matching: [Int] = []
    var failures: [[ValidationIssue]] = []
    for (position, index) in nodes.enumerated() {
      var inner = Evaluated()
      let (isValid, found) = probe(index, value, &inner)
      guard isValid else {
        failures.append(found)
        continue
      }
      matching.append(position)
      if isExclusive, matching.count > 1, !collects { return false }
      if !isExclusive, !program.collectsEvaluated { return true }
      if !isExclusive || matching.count == 1 { evaluated.merge(inner) }
    }
    if matching.count == 1 || (!isExclusive && !matching.isEmpty) { return true }
    let keyword = isExclusive ? "oneOf" : "anyOf"
    if matching.isEmpty {
      report(node, keyword, "fits none of the \(nodes.count) alternatives; the nearest one's issues follow")
      issues += nearest(failures)
    } else {
      let list = matching.map(String.init).joined(separator: ", ")
      report(node, keyword, "must fit exactly one alternative, but fits \(matching.count): \(list)")
    }
    return false
  }

  /// The issues of the alternative that was probably meant: the type is right and the least is wrong.
  private func nearest(_ failures: [[ValidationIssue]]) -> [ValidationIssue] {
    let here = path.reduce("") { JSONPointer.appending($1, to: $0) }
    func distance(_ issues: [ValidationIssue]) -> Int {
      issues.reduce(0) { sum, issue in
        let isMismatch = ["type", "const", "enum", "false"].contains(issue.keyword) && issue.instancePointer == here
        return sum + (isMismatch ? 1_000 : 1)
      }
    }
    return failures.min { distance($0) < distance($1) } ?? []
  }
}
