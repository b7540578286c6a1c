// Owns the set of contracts of one program: loads files, resolves references. Caches nothing it was not given.
import Foundation
import StrataCore

/// Contracts by name and version.
public struct ContractRegistry: Sendable {
  /// All versions of each name, newest first.
  private var versions: [String: [Contract]] = [:]

  public init() {}

  /// Loads every `.prompty` file below `folder`.
  /// - Throws: ``ContractError`` for the first file that is no contract.
  public init(
    folder: String, variables: [String: String] = [:],
    renderers: [String: any TemplateRenderer] = Contract.defaultRenderers
  ) throws {
    let root = URL(fileURLWithPath: folder, isDirectory: true)
    var isFolder: ObjCBool = false
    guard FileManager.default.fileExists(atPath: root.path, isDirectory: &isFolder), isFolder.boolValue,
      let walker = FileManager.default.enumerator(at: root, includingPropertiesForKeys: nil)
    else {
      throw ContractError(
        ContractError.notFound, "There is no folder \(folder).",
        remedy: "Name the folder that holds the `.prompty` files.",
        location: folder)
    }
    let paths = walker.compactMap { ($0 as? URL)?.path }.filter { $0.hasSuffix(".prompty") }.sorted()
    for path in paths {
      try add(Contract(PromptyDocument(file: path, variables: variables), renderers: renderers))
    }
  }

  /// Loads contracts from text, for example from resources of the program.
  public init(
    texts: [(path: String, text: String)], renderers: [String: any TemplateRenderer] = Contract.defaultRenderers
  ) throws {
    for file in texts { try add(Contract(PromptyDocument(file.text, path: file.path), renderers: renderers)) }
  }

  /// - Throws: ``ContractError/duplicate`` when the name and version are taken.
  public mutating func add(_ contract: Contract) throws(ContractError) {
    if let other = versions[contract.name]?.first(where: { $0.number == contract.number }) {
      throw ContractError(
        ContractError.duplicate, "\(contract.reference) is declared twice: also in \(other.document.path).",
        remedy: "Raise the version of one of them.", location: contract.document.path)
    }
    versions[contract.name, default: []].append(contract)
    versions[contract.name]?.sort { $0.number > $1.number }
  }

  /// Takes over the contracts of `other`; equal name and version: the other's wins.
  public mutating func override(with other: ContractRegistry) {
    for (name, contracts) in other.versions {
      var merged = (versions[name] ?? []).filter { mine in !contracts.contains { $0.number == mine.number } }
      merged += contracts
      versions[name] = merged.sorted { $0.number > $1.number }
    }
  }

  /// Newest first within a name, names in order.
  public var contracts: [Contract] { versions.keys.sorted().flatMap { versions[$0] ?? [] } }

  /// - Parameter reference: `answer` for the newest version, or `answer@1.0.0`, `answer@1.0`, `answer@1`.
  /// - Throws: ``ContractError/notFound`` that says what there is.
  public func contract(_ reference: String) throws(ContractError) -> Contract {
    let parts = reference.split(separator: "@", maxSplits: 1, omittingEmptySubsequences: false).map(String.init)
    guard let candidates = versions[parts.first ?? ""] else {
      let names = versions.keys.sorted().joined(separator: ", ")
      throw ContractError(
        ContractError.notFound, "There is no contract `\(reference)`.",
        remedy: names.isEmpty ? "No contracts are loaded." : "There are: \(names).")
    }
    guard parts.count == 2 else {
      guard let newest = candidates.first else {
        throw ContractError(ContractError.notFound, "There is no contract `\(reference)`.")
      }
      return newest
    }
    let wanted = parts[1].split(separator: ".").map(String.init)
    let match = candidates.first { $0.version.split(separator: ".").map(String.init).starts(with: wanted) }
    guard let match, !wanted.isEmpty else {
      throw ContractError(
        ContractError.notFound, "There is no version \(parts[1]) of `\(parts[0])`.",
        remedy: "There are: \(candidates.map(\.version).joined(separator: ", ")).")
    }
    return match
  }
}
