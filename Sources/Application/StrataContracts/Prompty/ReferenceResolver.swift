// Owns `${env:NAME:default}` and `${file:PATH}` in front matter. Reads nothing outside the contract's own folder.
import Foundation
import StrataCore

struct ReferenceResolver {
  let environment: PromptyDocument.Environment
  let lines: [String: Int]
  private static let fileByteLimit = 1 << 20

  func resolve(_ value: JSON, pointer: String) throws(ContractError) -> JSON {
    switch value {
    case .string(let text): return try resolve(text, pointer)
    case .array(let values):
      var result: [JSON] = []
      for (index, element) in values.enumerated() {
        result.append(try resolve(element, pointer: "\(pointer)/\(index)"))
      }
      return .array(result)
    case .object(let object):
      var result = JSONObject()
      for (key, element) in object { result[key] = try resolve(element, pointer: "\(pointer)/\(key)") }
      return .object(result)
    default: return value
    }
  }

  private func failure(_ message: String, _ remedy: String, _ pointer: String) -> ContractError {
    ContractError(
      ContractError.reference, message, remedy: remedy, location: lines[pointer].map { "line \($0)" } ?? pointer)
  }

  private func resolve(_ text: String, _ pointer: String) throws(ContractError) -> JSON {
    if text.hasPrefix("${file:"), text.hasSuffix("}") {
      return try file(String(text.dropFirst(7).dropLast()), pointer)
    }
    guard text.contains("${env:") else { return .string(text) }
    var result = ""
    var rest = text[...]
    while let start = rest.firstRange(of: "${env:"), let end = rest[start.upperBound...].firstIndex(of: "}") {
      result += rest[..<start.lowerBound]
      let reference = rest[start.upperBound..<end]
      let name = reference.prefix { $0 != ":" }
      let fallback = reference[name.endIndex...].dropFirst()
      if let value = environment.variables[String(name)] {
        result += value
      } else if reference.contains(":") {
        result += fallback
      } else {
        throw failure(
          "Environment variable '\(name)' not set.", "Set \(name), or write ${env:\(name):DEFAULT}.", pointer)
      }
      rest = rest[rest.index(after: end)...]
    }
    return .string(result + rest)
  }

  private func file(_ path: String, _ pointer: String) throws(ContractError) -> JSON {
    guard let folder = environment.folder else {
      throw failure("A contract that is not a file cannot refer to \(path).", "Write the content out.", pointer)
    }
    let root = URL(fileURLWithPath: folder, isDirectory: true).resolvingSymlinksInPath().standardizedFileURL
    let target = root.appendingPathComponent(path).resolvingSymlinksInPath().standardizedFileURL
    let prefix = root.path.hasSuffix("/") ? root.path : root.path + "/"
    guard !path.hasPrefix("/"), target.path.hasPrefix(prefix) else {
      throw failure("\(path) is outside allowed roots.", "Refer to files below the contract's folder.", pointer)
    }
    let size = (try? FileManager.default.attributesOfItem(atPath: target.path)[.size] as? Int) ?? nil
    guard let size, size <= Self.fileByteLimit, let data = FileManager.default.contents(atPath: target.path),
      let text = String(bytes: data, encoding: .utf8)
    else {
      throw failure("\(path) is no readable text of at most 1 MiB.", "Check the path.", pointer)
    }
    if path.hasSuffix(".json") {
      do { return try JSON(parsing: text) } catch {
        throw ContractError(ContractError.reference, "\(path) is not JSON.", location: path, cause: error)
      }
    }
    return path.hasSuffix(".yaml") || path.hasSuffix(".yml") ? try YAMLDocument(text).json : .string(text)
  }
}
