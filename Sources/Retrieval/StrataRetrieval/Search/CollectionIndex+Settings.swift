// Owns what a collection says of its index: where it lies, what it keeps, how its vectors are searched. Opening it is
// CollectionIndex's business.
import Foundation
import StrataCore
import StrataIndex

extension CollectionIndex {
  /// Where a collection keeps the mark that ties its index to its store.
  private static let identitySetting = "index.identity"
  /// Where a collection keeps its ``HistoryPolicy``, see ``setHistory(_:store:collection:)``.
  private static let historySetting = "index.history"
  /// Where a collection keeps how its vectors are searched, see ``setVectors(_:store:collection:)``.
  private static let vectorsSetting = "index.vectors"

  /// The folder of a collection's index. Letters, digits, `-` and `_` of its name stay; others become hexadecimal.
  public static func indexFolder(_ folder: String, collection: String) -> String {
    let name = collection.utf8.map { byte in
      let character = Character(Unicode.Scalar(byte))
      let isPlain = byte < 128 && (character.isLetter || character.isNumber || byte == 45 || byte == 95)
      return isPlain ? String(character) : "%" + String(byte, radix: 16)
    }.joined()
    return "\(folder)/\(name.isEmpty ? "%" : name)"
  }

  static func identity(store: any DocumentStore, collection: String) async throws -> String {
    if let known = try await store.setting(identitySetting, in: collection) { return known }
    let new = UUID().uuidString
    try await store.setSetting(identitySetting, to: new, in: collection)
    return new
  }

  /// What ``setVectors(_:store:collection:)`` said last.
  public static func vectors(store: any DocumentStore, collection: String = "default") async throws -> VectorOptions {
    guard let text = try await store.setting(vectorsSetting, in: collection), let json = try? JSON(parsing: text)
    else { return .default }
    let isLists = json["structure"]?.stringValue == "lists"
    let lists = VectorListOptions(
      count: json["lists"]?.intValue, partWidth: json["part_width"]?.intValue ?? 2, probes: json["probes"]?.intValue)
    return VectorOptions(structure: isLists ? .lists(lists) : .graph)
  }

  /// Chooses how the collection's vectors are searched. An index that is open goes on as before; the next that is opened
  /// for writing remakes its segments in the background.
  public static func setVectors(
    _ structure: VectorStructure, store: any DocumentStore, collection: String = "default"
  ) async throws {
    var json: JSON = ["structure": "graph"]
    if case .lists(let options) = structure {
      json = [
        "structure": "lists", "part_width": .int(options.partWidth), "lists": options.count.map(JSON.int) ?? .null,
        "probes": options.probes.map(JSON.int) ?? .null,
      ]
    }
    try await store.setSetting(vectorsSetting, to: json.text(), in: collection)
  }

  static func history(store: any DocumentStore, collection: String) async throws -> HistoryPolicy {
    guard let text = try await store.setting(historySetting, in: collection), let json = try? JSON(parsing: text),
      let seconds = json["seconds"]?.intValue, let limit = json["chunks"]?.intValue
    else { return .none }
    return HistoryPolicy(age: .seconds(seconds), chunkLimit: limit)
  }

  /// Says what the collection's index keeps of removed chunks, from the next time it is opened.
  public static func setHistory(
    _ policy: HistoryPolicy, store: any DocumentStore, collection: String = "default"
  ) async throws {
    let json: JSON = ["seconds": .int(Int(policy.age.components.seconds)), "chunks": .int(policy.chunkLimit)]
    try await store.setSetting(historySetting, to: json.text(), in: collection)
  }
}
