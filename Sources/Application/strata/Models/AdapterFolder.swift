// Owns finding adapters in a folder. Knows nothing about their contents.
import Foundation
import StrataCore

/// A folder whose entries are GGUF adapters and PEFT folders.
struct AdapterFolder {
  struct Entry {
    let name: String
    let path: String
    let format: String
  }

  let path: String

  init(_ path: String) { self.path = path }

  /// By name. Files and folders that are no adapters are left out.
  func adapters() throws -> [Entry] {
    guard FileManager.default.fileExists(atPath: path) else { return [] }
    let names: [String]
    do {
      names = try FileManager.default.contentsOfDirectory(atPath: path)
    } catch {
      throw CommandError(
        CommandError.fileUnreadable, "The folder \(path) cannot be read.", remedy: "Check its permissions.",
        cause: error)
    }
    return names.sorted().compactMap { name in
      let full = path + "/" + name
      if name.hasSuffix(".gguf") { return Entry(name: String(name.dropLast(5)), path: full, format: "GGUF") }
      guard FileManager.default.fileExists(atPath: full + "/adapter_config.json") else { return nil }
      return Entry(name: name, path: full, format: "PEFT")
    }
  }

  /// The path that `NAME=PATH` or a bare path of the command line means, and the name.
  static func parse(_ text: String) throws -> (name: String, path: String) {
    if let equals = text.firstIndex(of: "=") {
      let name = String(text[..<equals])
      let path = String(text[text.index(after: equals)...])
      guard !name.isEmpty, !path.isEmpty else {
        throw CommandError(CommandError.usage, "An adapter must be written NAME=PATH.")
      }
      return (name, path)
    }
    return (URL(fileURLWithPath: text).deletingPathExtension().lastPathComponent, text)
  }
}
