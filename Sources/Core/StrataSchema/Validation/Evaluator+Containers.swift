// Owns the keywords that look inside arrays and objects.

import StrataCore

extension Evaluator {
  mutating func evaluateArray(
    _ keyword: SchemaKeyword, _ node: SchemaNode, _ value: JSON, _ evaluated: inout Evaluated
  ) -> Bool {
    guard case .array(let items) = value else { return true }
    switch keyword {
    case .minItems(let least):
      if items.count >= least { return true }
      report(node, "minItems", "must have at least \(least) items, has \(items.count)")
    case .maxItems(let most):
      if items.count <= most { return true }
      report(node, "maxItems", "must have at most \(most) items, has \(items.count)")
    case .uniqueItems:
      var seen: [CanonicalForm: Int] = [:]
      for (index, item) in items.enumerated() {
        guard let first = seen.updateValue(index, forKey: CanonicalForm(item)) else { continue }
        report(node, "uniqueItems", "items \(first) and \(index) are equal: \(Evaluator.brief(item))")
        return false
      }
      return true
    case .items(let rules): return evaluateItems(rules, items, &evaluated)
    case .contains(let rule): return evaluateContains(rule, node, items, &evaluated)
    case .unevaluatedItems(let index):
      var isValid = true
      for (position, item) in items.enumerated()
      where position >= evaluated.itemCount && !evaluated.items.contains(position) {
        if !evaluate(index, child: String(position), item) { isValid = false }
        if !isValid, !collects { return false }
      }
      evaluated.itemCount = items.count
      return isValid
    default: return true
    }
    return false
  }

  private mutating func evaluateItems(_ rules: ItemRules, _ items: [JSON], _ evaluated: inout Evaluated) -> Bool {
    var isValid = true
    for (position, item) in items.enumerated() {
      guard let index = position < rules.prefix.count ? rules.prefix[position] : rules.rest else { break }
      if !evaluate(index, child: String(position), item) { isValid = false }
      if !isValid, !collects { return false }
    }
    let count = rules.rest == nil ? min(rules.prefix.count, items.count) : items.count
    evaluated.itemCount = max(evaluated.itemCount, count)
    return isValid
  }

  private mutating func evaluateContains(
    _ rule: ContainsRule, _ node: SchemaNode, _ items: [JSON], _ evaluated: inout Evaluated
  ) -> Bool {
    var count = 0
    for (position, item) in items.enumerated() {
      var inner = Evaluated()
      guard probe(rule.node, item, &inner).isValid else { continue }
      count += 1
      if rule.marksEvaluated { evaluated.items.insert(position) }
      if !program.collectsEvaluated, count >= rule.least, rule.most == nil { return true }
    }
    if count < rule.least {
      let keyword = rule.least == 1 ? "contains" : "minContains"
      report(node, keyword, "must contain at least \(rule.least) items of the wanted kind, has \(count)")
      return false
    }
    if let most = rule.most, count > most {
      report(node, "maxContains", "must contain at most \(most) items of the wanted kind, has \(count)")
      return false
    }
    return true
  }

  mutating func evaluateObject(
    _ keyword: SchemaKeyword, _ node: SchemaNode, _ value: JSON, _ evaluated: inout Evaluated
  ) -> Bool {
    guard case .object(let members) = value else { return true }
    switch keyword {
    case .minProperties(let least):
      if members.count >= least { return true }
      report(node, "minProperties", "must have at least \(least) members, has \(members.count)")
    case .maxProperties(let most):
      if members.count <= most { return true }
      report(node, "maxProperties", "must have at most \(most) members, has \(members.count)")
    case .required(let names):
      let missing = names.filter { members[$0] == nil }
      if missing.isEmpty { return true }
      report(node, "required", "lacks the required \(Evaluator.list(missing))")
    case .dependentRequired(let name, let rules):
      var isValid = true
      for (key, wanted) in rules where members[key] != nil {
        let missing = wanted.filter { members[$0] == nil }
        if missing.isEmpty { continue }
        report(node, name, "has \"\(key)\", so that it also needs the \(Evaluator.list(missing))")
        isValid = false
      }
      return isValid
    case .dependentSchemas(_, let schemas):
      var isValid = true
      for (key, index) in schemas where members[key] != nil && !evaluate(index, value, &evaluated) { isValid = false }
      return isValid
    case .propertyNames(let index):
      var isValid = true
      for member in members where !evaluate(index, child: member.key, .string(member.key)) { isValid = false }
      return isValid
    case .properties(let rules): return evaluateProperties(rules, members, &evaluated)
    case .unevaluatedProperties(let index):
      var isValid = true
      for member in members where !evaluated.properties.contains(member.key) {
        if !evaluate(index, child: member.key, member.value) { isValid = false }
      }
      evaluated.properties.formUnion(members.keys)
      return isValid
    default: return true
    }
    return false
  }

  private mutating func evaluateProperties(
    _ rules: PropertyRules, _ members: JSONObject, _ evaluated: inout Evaluated
  ) -> Bool {
    var isValid = true
    for member in members {
      var isKnown = false
      if let index = rules.named[member.key] {
        isKnown = true
        if !evaluate(index, child: member.key, member.value) { isValid = false }
      }
      for (pattern, index) in rules.patterns where pattern.matches(member.key) {
        isKnown = true
        if !evaluate(index, child: member.key, member.value) { isValid = false }
      }
      if !isKnown, let index = rules.additional {
        isKnown = true
        if !evaluate(index, child: member.key, member.value) { isValid = false }
      }
      if !isValid, !collects { return false }
      if isKnown, program.collectsEvaluated { evaluated.properties.insert(member.key) }
    }
    return isValid
  }

  private static func list(_ names: [String]) -> String {
    let quoted = names.map { "\"\($0)\"" }
    return (names.count == 1 ? "member " : "members ") + quoted.joined(separator: ", ")
  }
}
