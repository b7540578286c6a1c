// Owns the methods of Python's strings, dicts and lists that templates may call.

/// Methods by type. Those that would change their object exist but are refused, as in jinja2's immutable sandbox.
enum JinjaMethods {
  /// No text built in one go is longer.
  static let textLimit = 64 << 20

  private static let ofText: Set<String> = [
    "strip", "lstrip", "rstrip", "split", "rsplit", "splitlines", "startswith", "endswith", "replace", "upper",
    "lower", "title", "capitalize", "casefold", "swapcase", "join", "find", "rfind", "index", "rindex", "count",
    "format", "isdigit", "isdecimal", "isnumeric", "isalpha", "isalnum", "isupper", "islower", "isspace", "zfill",
    "ljust", "rjust", "center", "removeprefix", "removesuffix", "partition", "rpartition",
  ]
  private static let ofDict: Set<String> = ["get", "items", "keys", "values", "copy"]
  private static let changingDict: Set<String> = ["pop", "popitem", "clear", "update", "setdefault"]
  private static let ofList: Set<String> = ["index", "count", "copy"]
  private static let changingList: Set<String> = [
    "append", "clear", "pop", "reverse", "insert", "sort", "extend", "remove",
  ]

  static func has(_ name: String, of value: JinjaValue) -> Bool {
    switch value {
    case .string, .markup: ofText.contains(name)
    case .dict: ofDict.contains(name) || changingDict.contains(name)
    case .list: ofList.contains(name) || changingList.contains(name)
    case .tuple, .range: name == "index" || name == "count"
    default: false
    }
  }

  static func changes(_ name: String, _ value: JinjaValue) -> Bool {
    switch value {
    case .dict: changingDict.contains(name)
    case .list: changingList.contains(name)
    default: false
    }
  }

  static func call(
    _ name: String, _ receiver: JinjaValue, _ arguments: JinjaArguments
  ) throws(TemplateError) -> JinjaValue {
    switch receiver {
    case .string(let text): return try callText(name, text, arguments)
    case .markup(let text):
      let result = try callText(name, text, arguments)
      if case .string(let text) = result { return .markup(text) }
      return result
    case .dict(let dict): return try callDict(name, dict, arguments)
    case .list(let list), .tuple(let list): return try callList(name, receiver, list.elements, arguments)
    case .loop(let loop): return try callLoop(name, loop, arguments)
    default: throw .runtime("'\(receiver.typeName)' object has no method '\(name)'")
    }
  }

  // MARK: Dicts, lists and loops

  private static func callDict(
    _ name: String, _ dict: JinjaDict, _ arguments: JinjaArguments
  ) throws(TemplateError) -> JinjaValue {
    guard arguments.named.isEmpty else { throw .runtime("dict.\(name)() takes no keyword arguments") }
    switch name {
    case "get":
      guard let key = arguments.positional.first, arguments.positional.count <= 2 else {
        throw .runtime("get expected at least 1 argument, got \(arguments.positional.count)")
      }
      return dict[try key.key] ?? arguments.value(1, "") ?? .none
    case "items": return .view(JinjaList(dict.items), "dict_items")
    case "keys": return .view(JinjaList(dict.keys), "dict_keys")
    case "values": return .view(JinjaList(dict.values), "dict_values")
    default: return .dict(dict)
    }
  }

  private static func callList(
    _ name: String, _ list: JinjaValue, _ elements: [JinjaValue], _ arguments: JinjaArguments
  ) throws(TemplateError) -> JinjaValue {
    if name == "copy" { return list }
    guard let wanted = arguments.positional.first else {
      throw .runtime("\(list.typeName).\(name)() takes exactly one argument (0 given)")
    }
    if name == "count" { return .int(elements.count { $0.equals(wanted) }) }
    guard let index = elements.firstIndex(where: { $0.equals(wanted) }) else {
      throw .runtime("\(wanted.representation) is not in \(list.typeName)")
    }
    return .int(index)
  }

  private static func callLoop(
    _ name: String, _ loop: JinjaLoop, _ arguments: JinjaArguments
  ) throws(TemplateError) -> JinjaValue {
    if name == "cycle" {
      guard !arguments.positional.isEmpty else { throw .runtime("no items for cycling given") }
      return arguments.positional[loop.index0 % arguments.positional.count]
    }
    let old = loop.lastChanged
    loop.lastChanged = arguments.positional
    guard let old, old.count == arguments.positional.count else { return .bool(true) }
    return .bool(!zip(old, arguments.positional).allSatisfy { $0.equals($1) })
  }

  // MARK: Strings

  private static func textArgument(
    _ name: String, _ arguments: JinjaArguments, _ index: Int, _ keyword: String = ""
  ) throws(TemplateError) -> String {
    guard let value = arguments.value(index, keyword) else {
      throw .runtime(
        "\(name) expected at least \(index + 1) argument\(index == 0 ? "" : "s"), "
          + "got \(arguments.positional.count)")
    }
    guard let text = value.text else { throw .runtime("\(name) argument must be str, not \(value.typeName)") }
    return text
  }

  private static func integerArgument(
    _ arguments: JinjaArguments, _ index: Int, _ keyword: String
  ) throws(TemplateError) -> Int? {
    guard let value = arguments.value(index, keyword), !value.isNone else { return nil }
    guard let number = value.integer else {
      throw .runtime("'\(value.typeName)' object cannot be interpreted as an integer")
    }
    return number
  }

  private static func callText(
    _ name: String, _ text: String, _ arguments: JinjaArguments
  ) throws(TemplateError) -> JinjaValue {
    switch name {
    case "strip", "lstrip", "rstrip":
      if let value = arguments.positional.first, !value.isNone, value.text == nil {
        throw .runtime("\(name) arg must be None or str")
      }
      return .string(
        PythonText.strip(
          text, characters: arguments.positional.first?.text, left: name != "rstrip", right: name != "lstrip"))
    case "split", "rsplit", "splitlines", "partition", "rpartition": return try split(name, text, arguments)
    case "startswith", "endswith": return .bool(try hasAffix(name, text, arguments))
    case "replace":
      let (old, new) = (try textArgument(name, arguments, 0), try textArgument(name, arguments, 1))
      return .string(try replace(text, old, new, try integerArgument(arguments, 2, "count") ?? -1))
    case "upper": return .string(text.uppercased())
    case "lower", "casefold": return .string(PythonText.lowercased(text))
    case "title": return .string(PythonText.titled(text))
    case "capitalize": return .string(PythonText.capitalized(text))
    case "swapcase":
      return .string(
        text.unicodeScalars.map {
          $0.properties.isUppercase ? $0.properties.lowercaseMapping : $0.properties.uppercaseMapping
        }.joined())
    case "join": return .string(try join(text, arguments))
    case "find", "rfind", "index", "rindex", "count": return .int(try search(name, text, arguments))
    case "format": return .string(try JinjaFormat.braces(text, arguments))
    case "zfill", "ljust", "rjust", "center": return .string(try pad(name, text, arguments))
    case "removeprefix":
      let prefix = try textArgument(name, arguments, 0)
      let matches = text.utf8.starts(with: prefix.utf8)
      return .string(matches ? String(decoding: text.utf8.dropFirst(prefix.utf8.count), as: UTF8.self) : text)
    case "removesuffix":
      let suffix = try textArgument(name, arguments, 0)
      let matches = text.utf8.suffix(suffix.utf8.count).elementsEqual(suffix.utf8)
      return .string(matches ? String(decoding: text.utf8.dropLast(suffix.utf8.count), as: UTF8.self) : text)
    default: return .bool(classify(name, text))
    }
  }

  /// `str.replace`, refused when the result would be too long.
  static func replace(_ text: String, _ old: String, _ new: String, _ limit: Int) throws(TemplateError) -> String {
    let limit = limit < 0 ? Int.max : limit
    let matches =
      old.isEmpty
      ? min(text.unicodeScalars.count + 1, limit)
      : PythonText.offsets(of: Array(old.utf8), in: Array(text.utf8), limit: limit).count
    let (growth, overflow) = matches.multipliedReportingOverflow(by: new.utf8.count)
    guard !overflow, growth <= textLimit else { throw .limit("The result of replace() is too long.") }
    return matches == 0 ? text : PythonText.replace(text, old, with: new, limit: limit)
  }

  private static func split(
    _ name: String, _ text: String, _ arguments: JinjaArguments
  ) throws(TemplateError) -> JinjaValue {
    if name == "splitlines" {
      let keepsEnds = arguments.value(0, "keepends")?.isTrue ?? false
      return .list(PythonText.splitLines(text, keepEnds: keepsEnds).map { .string($0) })
    }
    if name == "partition" || name == "rpartition" {
      let separator = try textArgument(name, arguments, 0)
      guard !separator.isEmpty else { throw .runtime("empty separator") }
      let parts =
        name == "partition"
        ? PythonText.split(text, separator: separator, limit: 1)
        : PythonText.splitFromRight(text, separator: separator, limit: 1)
      let whole = name == "partition" ? [text, "", ""] : ["", "", text]
      return .tuple((parts.count == 2 ? [parts[0], separator, parts[1]] : whole).map { .string($0) })
    }
    let limit = try integerArgument(arguments, 1, "maxsplit") ?? -1
    let bound = limit < 0 ? Int.max : limit
    let parts: [String]
    if let value = arguments.value(0, "sep"), !value.isNone {
      guard let separator = value.text else { throw .runtime("must be str or None, not \(value.typeName)") }
      guard !separator.isEmpty else { throw .runtime("empty separator") }
      parts =
        name == "split"
        ? PythonText.split(text, separator: separator, limit: bound)
        : PythonText.splitFromRight(text, separator: separator, limit: bound)
    } else {
      parts =
        name == "split"
        ? PythonText.splitOnSpace(text, limit: bound) : PythonText.splitOnSpaceFromRight(text, limit: bound)
    }
    return .list(parts.map { .string($0) })
  }

  private static func hasAffix(
    _ name: String, _ text: String, _ arguments: JinjaArguments
  ) throws(TemplateError) -> Bool {
    var candidates: [JinjaValue] = arguments.positional.first.map { [$0] } ?? []
    if case .tuple(let list) = arguments.positional.first { candidates = list.elements }
    let start = try integerArgument(arguments, 1, "start")
    let end = try integerArgument(arguments, 2, "end")
    var subject = text
    if start != nil || end != nil {
      let scalars = Array(text.unicodeScalars)
      let picked = JinjaSlice.indices(count: scalars.count, start: start, stop: end, step: 1).map { scalars[$0] }
      subject = String(String.UnicodeScalarView(picked))
    }
    for candidate in candidates {
      guard let affix = candidate.text else {
        throw .runtime("\(name) first arg must be str or a tuple of str, not \(candidate.typeName)")
      }
      let matches =
        name == "startswith"
        ? subject.utf8.starts(with: affix.utf8)
        : subject.utf8.suffix(affix.utf8.count).elementsEqual(affix.utf8)
      if matches { return true }
    }
    return false
  }

  private static func join(_ separator: String, _ arguments: JinjaArguments) throws(TemplateError) -> String {
    guard let iterable = arguments.positional.first else {
      throw .runtime("str.join() takes exactly one argument (0 given)")
    }
    var parts: [String] = []
    switch iterable {
    case .list(let list), .tuple(let list), .generator(let list), .view(let list, _):
      for (index, element) in list.elements.enumerated() {
        guard let text = element.text else {
          throw .runtime("sequence item \(index): expected str instance, \(element.typeName) found")
        }
        parts.append(text)
      }
    case .dict(let dict): parts = dict.keys.map(\.string)
    case .string(let text), .markup(let text): parts = text.unicodeScalars.map { String($0) }
    default: throw .runtime("can only join an iterable")
    }
    return try join(parts, separator)
  }

  static func join(_ parts: [String], _ separator: String) throws(TemplateError) -> String {
    var total = 0
    for part in parts {
      total += part.utf8.count + separator.utf8.count
      guard total <= textLimit else { throw .limit("The result of join() is too long.") }
    }
    return parts.joined(separator: separator)
  }

  private static func search(
    _ name: String, _ text: String, _ arguments: JinjaArguments
  ) throws(TemplateError) -> Int {
    let needle = Array(try textArgument(name, arguments, 0).unicodeScalars)
    let scalars = Array(text.unicodeScalars)
    let start = try integerArgument(arguments, 1, "start") ?? 0
    let end = try integerArgument(arguments, 2, "end") ?? scalars.count
    let window = JinjaSlice.indices(count: scalars.count, start: start, stop: end, step: 1)
    let lower = window.first ?? min(max(start < 0 ? start + scalars.count : start, 0), scalars.count)
    let upper = window.last.map { $0 + 1 } ?? lower
    var found: [Int] = []
    var index = lower
    while index + needle.count <= upper {
      if scalars[index..<index + needle.count].elementsEqual(needle) {
        found.append(index)
        index += name == "count" ? max(needle.count, 1) : 1
        if name == "find" || name == "index" { break }
      } else {
        index += 1
      }
    }
    if name == "count" { return found.count }
    if let result = name.hasPrefix("r") ? found.last : found.first { return result }
    if name.hasSuffix("find") { return -1 }
    throw .runtime("substring not found")
  }

  private static func pad(
    _ name: String, _ text: String, _ arguments: JinjaArguments
  ) throws(TemplateError) -> String {
    guard let width = try integerArgument(arguments, 0, "width") else {
      throw .runtime("\(name) expected at least 1 argument, got 0")
    }
    guard width <= 1 << 20 else { throw .limit("\(name)() is asked for too wide a text.") }
    if name == "zfill" {
      let sign = text.hasPrefix("-") || text.hasPrefix("+") ? 1 : 0
      let missing = max(0, width - text.unicodeScalars.count)
      return String(text.prefix(sign)) + String(repeating: "0", count: missing) + text.dropFirst(sign)
    }
    let fill = arguments.value(1, "fillchar")?.text ?? " "
    guard let scalar = fill.unicodeScalars.first, fill.unicodeScalars.count == 1 else {
      throw .runtime("The fill character must be exactly one character long")
    }
    return PythonText.pad(text, to: width, with: scalar, left: name == "ljust" ? 0 : name == "rjust" ? 1 : 2)
  }

  static func classify(_ name: String, _ text: String) -> Bool {
    let scalars = text.unicodeScalars
    let numeric: (Unicode.Scalar) -> Unicode.NumericType? = { $0.properties.numericType }
    switch name {
    case "isdigit": return !text.isEmpty && scalars.allSatisfy { numeric($0) == .decimal || numeric($0) == .digit }
    case "isdecimal": return !text.isEmpty && scalars.allSatisfy { numeric($0) == .decimal }
    case "isnumeric": return !text.isEmpty && scalars.allSatisfy { numeric($0) != nil }
    case "isalpha": return !text.isEmpty && scalars.allSatisfy(\.isPythonAlpha)
    case "isalnum": return !text.isEmpty && scalars.allSatisfy { $0.isPythonAlpha || numeric($0) != nil }
    case "isspace": return !text.isEmpty && scalars.allSatisfy(\.isPythonSpace)
    case "isupper":
      return scalars.contains { $0.properties.isUppercase }
        && !scalars.contains { $0.properties.isLowercase || $0.properties.generalCategory == .titlecaseLetter }
    default:
      return scalars.contains { $0.properties.isLowercase }
        && !scalars.contains { $0.properties.isUppercase || $0.properties.generalCategory == .titlecaseLetter }
    }
  }
}
