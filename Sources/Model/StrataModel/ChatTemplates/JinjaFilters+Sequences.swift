// Owns the filters over sequences and mappings.

extension JinjaInterpreter {
  func filterSequence(
    _ filter: JinjaFilterName, _ value: JinjaValue, _ arguments: JinjaArguments
  ) throws(TemplateError) -> JinjaValue {
    switch filter {
    case .length, .count: return .int(try length(of: value))
    case .list: return .list(try elements(of: value))
    case .first:
      return try elements(of: value).first
        ?? .undefined(JinjaUndefined(message: "No first item, sequence was empty."))
    case .last:
      if case .generator = value { throw .runtime("'generator' object is not reversible") }
      return try elements(of: value).last
        ?? .undefined(JinjaUndefined(message: "No last item, sequence was empty."))
    case .items:
      if value.isUndefined { return .generator(JinjaList([])) }
      guard case .dict(let dict) = value else { throw .runtime("Can only get item pairs from a mapping.") }
      return .generator(JinjaList(dict.items))
    case .reverse: return try reverse(value)
    case .join: return .string(try join(value, arguments))
    case .sort: return .list(try sort(value, arguments))
    case .dictsort: return .list(try sortDict(value, arguments))
    case .unique: return .generator(JinjaList(try unique(value, arguments)))
    case .min, .max: return try extreme(filter, value, arguments)
    case .sum: return try sum(value, arguments)
    case .map: return .generator(JinjaList(try map(value, arguments)))
    case .select, .reject, .selectattr, .rejectattr:
      return .generator(JinjaList(try select(filter, value, arguments)))
    case .groupby: return .list(try group(value, arguments))
    case .batch: return .generator(JinjaList(try batches(value, arguments)))
    case .slice: return .generator(JinjaList(try slices(value, arguments)))
    default: throw .runtime("No filter named '\(filter.rawValue)' found.")
    }
  }

  private func length(of value: JinjaValue) throws(TemplateError) -> Int {
    switch value {
    case .undefined(let missing):
      if missing.isSecurity { throw missing.error }
      return 0
    case .string(let text), .markup(let text): return text.unicodeScalars.count
    case .list(let list), .tuple(let list), .view(let list, _): return list.elements.count
    case .dict(let dict): return dict.count
    case .range: return try elements(of: value).count
    case .loop(let loop): return try length(loop)
    default: throw .runtime("object of type '\(value.typeName)' has no len()")
    }
  }

  private func reverse(_ value: JinjaValue) throws(TemplateError) -> JinjaValue {
    if let text = value.text {
      return .string(String(String.UnicodeScalarView(text.unicodeScalars.reversed())))
    }
    return .generator(JinjaList(try elements(of: value).reversed()))
  }

  private func join(_ value: JinjaValue, _ arguments: JinjaArguments) throws(TemplateError) -> String {
    try arguments.check("join", ["d", "attribute"])
    var parts: [String] = []
    for element in try elements(of: value) {
      parts.append(try pick(arguments.value(1, "attribute"), element).string)
    }
    return try JinjaMethods.join(parts, arguments.value(0, "d")?.string ?? "")
  }

  // MARK: Attributes

  /// The attribute that a filter argument such as `"a.b.0"` names; the element itself without one.
  private func pick(
    _ path: JinjaValue?, _ element: JinjaValue, default defaultValue: JinjaValue? = nil
  ) throws(TemplateError) -> JinjaValue {
    guard let path, !path.isNone else { return element }
    guard let text = path.text else { return try item(path, of: element) }
    var result = element
    for part in PythonText.split(text, separator: ".") {
      let index: JinjaValue =
        !part.isEmpty && part.utf8.allSatisfy { (48...57).contains($0) } ? .int(Int(part) ?? .max) : .string(part)
      result = try item(index, of: result)
      if result.isUndefined, let defaultValue { result = defaultValue }
    }
    return result
  }

  private func caseFolded(_ value: JinjaValue, _ isCaseSensitive: Bool) -> JinjaValue {
    guard !isCaseSensitive, let text = value.text else { return value }
    return .string(text.lowercased())
  }

  // MARK: Order

  private func sort(_ value: JinjaValue, _ arguments: JinjaArguments) throws(TemplateError) -> [JinjaValue] {
    try arguments.check("sort", ["reverse", "case_sensitive", "attribute"])
    let isReversed = arguments.value(0, "reverse")?.isTrue ?? false
    let isCaseSensitive = arguments.value(1, "case_sensitive")?.isTrue ?? false
    var paths: [JinjaValue?] = [nil]
    if let attribute = arguments.value(2, "attribute"), !attribute.isNone {
      paths = attribute.text.map { PythonText.split($0, separator: ",").map { .string($0) } } ?? [attribute]
    }
    var keyed: [(keys: [JinjaValue], value: JinjaValue)] = []
    for element in try elements(of: value) {
      var keys: [JinjaValue] = []
      for path in paths { keys.append(caseFolded(try pick(path, element), isCaseSensitive)) }
      keyed.append((keys, element))
    }
    return try sorted(keyed, isReversed: isReversed)
  }

  private func sortDict(_ value: JinjaValue, _ arguments: JinjaArguments) throws(TemplateError) -> [JinjaValue] {
    try arguments.check("dictsort", ["case_sensitive", "by", "reverse"])
    if case .undefined(let missing) = value { throw missing.error }
    guard case .dict(let dict) = value else {
      throw .undefined("'\(value.objectName)' has no attribute 'items'")
    }
    let isCaseSensitive = arguments.value(0, "case_sensitive")?.isTrue ?? false
    let by = arguments.value(1, "by")?.string ?? "key"
    guard by == "key" || by == "value" else {
      throw .runtime("You can only sort by either \"key\" or \"value\"")
    }
    var keyed: [(keys: [JinjaValue], value: JinjaValue)] = []
    for (key, member) in zip(dict.keys, dict.values) {
      keyed.append(([caseFolded(by == "key" ? key : member, isCaseSensitive)], .tuple([key, member])))
    }
    return try sorted(keyed, isReversed: arguments.value(2, "reverse")?.isTrue ?? false)
  }

  private func sorted(
    _ keyed: [(keys: [JinjaValue], value: JinjaValue)], isReversed: Bool
  ) throws(TemplateError) -> [JinjaValue] {
    let result = try JinjaSort.sorted(keyed) { lhs, rhs throws(TemplateError) in
      try step()
      let (first, second) = isReversed ? (rhs.keys, lhs.keys) : (lhs.keys, rhs.keys)
      for (a, b) in zip(first, second) where !a.equals(b) { return try a.isLess(than: b) }
      return false
    }
    return result.map(\.value)
  }

  private func unique(_ value: JinjaValue, _ arguments: JinjaArguments) throws(TemplateError) -> [JinjaValue] {
    try arguments.check("unique", ["case_sensitive", "attribute"])
    let isCaseSensitive = arguments.value(0, "case_sensitive")?.isTrue ?? false
    var seen: Set<JinjaKey> = []
    var result: [JinjaValue] = []
    for element in try elements(of: value) {
      let key = try caseFolded(try pick(arguments.value(1, "attribute"), element), isCaseSensitive).key
      if seen.insert(key).inserted { result.append(element) }
    }
    return result
  }

  private func extreme(
    _ filter: JinjaFilterName, _ value: JinjaValue, _ arguments: JinjaArguments
  ) throws(TemplateError) -> JinjaValue {
    try arguments.check(filter.rawValue, ["case_sensitive", "attribute"])
    let isCaseSensitive = arguments.value(0, "case_sensitive")?.isTrue ?? false
    var best: (key: JinjaValue, value: JinjaValue)?
    for element in try elements(of: value) {
      let key = caseFolded(try pick(arguments.value(1, "attribute"), element), isCaseSensitive)
      guard let current = best else {
        best = (key, element)
        continue
      }
      let isBetter = filter == .min ? try key.isLess(than: current.key) : try current.key.isLess(than: key)
      if isBetter { best = (key, element) }
    }
    return best?.value ?? .undefined(JinjaUndefined(message: "No aggregated item, sequence was empty."))
  }

  private func sum(_ value: JinjaValue, _ arguments: JinjaArguments) throws(TemplateError) -> JinjaValue {
    try arguments.check("sum", ["attribute", "start"])
    var total = arguments.value(1, "start") ?? .int(0)
    for element in try elements(of: value) {
      total = try checked(try total.arithmetic(.add, try pick(arguments.value(0, "attribute"), element)))
    }
    return total
  }

  // MARK: Choice

  private func map(_ value: JinjaValue, _ arguments: JinjaArguments) throws(TemplateError) -> [JinjaValue] {
    var result: [JinjaValue] = []
    if arguments.positional.isEmpty, let path = arguments.named.first(where: { $0.name == "attribute" })?.value {
      let defaultValue = arguments.named.first { $0.name == "default" }?.value
      for element in try elements(of: value) { result.append(try pick(path, element, default: defaultValue)) }
      return result
    }
    let elements = try elements(of: value)
    guard let name = arguments.positional.first?.text else {
      if elements.isEmpty { return [] }
      throw .runtime("map requires a filter argument")
    }
    let rest = JinjaArguments(positional: Array(arguments.positional.dropFirst()), named: arguments.named)
    for element in elements {
      try step()
      result.append(try checked(try filter(name, element, rest)))
    }
    return result
  }

  private func select(
    _ filter: JinjaFilterName, _ value: JinjaValue, _ arguments: JinjaArguments
  ) throws(TemplateError) -> [JinjaValue] {
    guard value.isTrue else { return [] }
    var rest = arguments
    var path: JinjaValue?
    if filter == .selectattr || filter == .rejectattr {
      guard let attribute = rest.positional.first else { throw .runtime("Missing parameter for attribute name") }
      path = attribute
      rest.positional.removeFirst()
    }
    let name = rest.positional.first
    if name != nil { rest.positional.removeFirst() }
    let keeps = filter == .select || filter == .selectattr
    var result: [JinjaValue] = []
    for element in try elements(of: value) {
      try step()
      let subject = try pick(path, element)
      let passes = try name.map { name throws(TemplateError) in try test(name.string, subject, rest) } ?? subject.isTrue
      if passes == keeps { result.append(element) }
    }
    return result
  }

  // MARK: Groups

  private func group(_ value: JinjaValue, _ arguments: JinjaArguments) throws(TemplateError) -> [JinjaValue] {
    try arguments.check("groupby", ["attribute", "default", "case_sensitive"])
    let isCaseSensitive = arguments.value(2, "case_sensitive")?.isTrue ?? false
    var keyed: [(keys: [JinjaValue], value: JinjaValue)] = []
    for element in try elements(of: value) {
      let key = try pick(arguments.value(0, "attribute"), element, default: arguments.value(1, "default"))
      keyed.append(([caseFolded(key, isCaseSensitive)], .tuple([key, element])))
    }
    var groups: [(key: JinjaValue, grouper: JinjaValue, members: [JinjaValue])] = []
    for pair in try sorted(keyed, isReversed: false) {
      guard case .tuple(let list) = pair, list.elements.count == 2 else { continue }
      let key = caseFolded(list.elements[0], isCaseSensitive)
      if let last = groups.last, last.key.equals(key) {
        groups[groups.count - 1].members.append(list.elements[1])
      } else {
        groups.append((key, list.elements[0], [list.elements[1]]))
      }
    }
    return groups.map { .tuple([$0.grouper, .list($0.members)]) }
  }

  private func batches(_ value: JinjaValue, _ arguments: JinjaArguments) throws(TemplateError) -> [JinjaValue] {
    try arguments.check("batch", ["linecount", "fill_with"])
    guard let size = arguments.value(0, "linecount")?.integer, size > 0, size <= 100_000 else {
      throw .runtime("batch() needs a count")
    }
    let elements = try elements(of: value)
    return stride(from: 0, to: elements.count, by: size).map { start in
      var batch = Array(elements[start..<Swift.min(start + size, elements.count)])
      if let fill = arguments.value(1, "fill_with"), !fill.isNone {
        batch += Array(repeating: fill, count: size - batch.count)
      }
      return .list(batch)
    }
  }

  private func slices(_ value: JinjaValue, _ arguments: JinjaArguments) throws(TemplateError) -> [JinjaValue] {
    try arguments.check("slice", ["slices", "fill_with"])
    guard let count = arguments.value(0, "slices")?.integer, count > 0, count <= 100_000 else {
      throw .runtime("slice() needs a count")
    }
    let elements = try elements(of: value)
    let (size, longer) = elements.count.quotientAndRemainder(dividingBy: count)
    var result: [JinjaValue] = []
    var offset = 0
    for index in 0..<count {
      let end = offset + size + (index < longer ? 1 : 0)
      var slice = Array(elements[offset..<end])
      if index >= longer, let fill = arguments.value(1, "fill_with"), !fill.isNone { slice.append(fill) }
      result.append(.list(slice))
      offset = end
    }
    return result
  }
}
