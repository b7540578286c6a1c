// Owns what templates can call by name: the globals of jinja2 and of Hugging Face transformers.

import Foundation

extension JinjaInterpreter {
  @inline(never)
  func call(_ function: JinjaValue, _ arguments: JinjaArguments) throws(TemplateError) -> JinjaValue {
    try enter()
    switch function {
    case .undefined(let missing): throw missing.error
    case .macro(let macro): return try invoke(macro, arguments)
    case .function(let function): return try callGlobal(function, arguments)
    case .method(let receiver, let name): return try JinjaMethods.call(name, receiver, arguments)
    case .loop(let loop):
      guard loop.node.isRecursive else {
        throw .runtime("The loop must have the 'recursive' marker to be called recursively.")
      }
      guard let iterable = arguments.positional.first else { throw .runtime("loop() misses its iterable") }
      let elements = try elements(of: iterable)
      return .string(try captured { () throws(TemplateError) in try runLoop(loop.node, elements, loop.scope) })
    default: throw .runtime("'\(function.typeName)' object is not callable")
    }
  }

  private func callGlobal(
    _ function: JinjaFunction, _ arguments: JinjaArguments
  ) throws(TemplateError) -> JinjaValue {
    switch function {
    case .range: return try makeRange(arguments)
    case .dict: return .dict(try makeDict(arguments))
    case .namespace:
      let namespace = makeNamespace()
      namespace.attributes = try makeDict(arguments)
      for key in namespace.attributes.keys where key.string.hasPrefix("_") {
        throw .security(
          "Chat templates cannot store underscore-prefixed attributes on a namespace, but got "
            + "\(key.representation). Please rename the attribute.")
      }
      return .namespace(namespace)
    case .raiseException:
      try arguments.check("raise_exception", ["message"])
      let message = arguments.value(0, "message")?.string ?? ""
      throw TemplateError(code: TemplateError.raised, message: message, line: line)
    case .strftimeNow:
      guard let format = arguments.value(0, "format")?.text else { throw .runtime("strftime_now() needs a format") }
      return .string(JinjaFormat.time(now, format))
    case .cycler, .joiner: throw .runtime("'\(function.rawValue)' is not supported in chat templates")
    }
  }

  private func makeRange(_ arguments: JinjaArguments) throws(TemplateError) -> JinjaValue {
    var bounds: [Int] = []
    for value in arguments.positional {
      if case .undefined(let missing) = value { throw missing.error }
      guard let number = value.integer else {
        throw .runtime("'\(value.typeName)' object cannot be interpreted as an integer")
      }
      bounds.append(number)
    }
    guard (1...3).contains(bounds.count), arguments.named.isEmpty else {
      throw .runtime("range expected 1 to 3 arguments, got \(bounds.count)")
    }
    let (start, stop) = bounds.count == 1 ? (0, bounds[0]) : (bounds[0], bounds[1])
    let step = bounds.count == 3 ? bounds[2] : 1
    guard step != 0 else { throw .runtime("range() arg 3 must not be zero") }
    let width = step > 0 ? stop.subtractingReportingOverflow(start) : start.subtractingReportingOverflow(stop)
    if width.overflow || width.partialValue / Int(clamping: step.magnitude) > 100_000 {
      throw .runtime("Range too big. The sandbox blocks ranges larger than MAX_RANGE (100000).")
    }
    return .range(start: start, stop: stop, step: step)
  }

  private func makeDict(_ arguments: JinjaArguments) throws(TemplateError) -> JinjaDict {
    var dict = JinjaDict()
    if let source = arguments.positional.first {
      if case .dict(let other) = source {
        dict = other
      } else {
        for pair in try elements(of: source) {
          let parts = try elements(of: pair)
          guard parts.count == 2 else { throw .runtime("dictionary update sequence needs pairs") }
          try dict.set(parts[0], to: parts[1])
        }
      }
    }
    guard arguments.positional.count <= 1 else { throw .runtime("dict expected at most 1 argument") }
    for (name, value) in arguments.named { dict.set(name, to: value) }
    return dict
  }
}
