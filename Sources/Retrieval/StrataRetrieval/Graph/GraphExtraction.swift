// Owns which ways there are of finding entities, and what they are called. Finds none itself.
import StrataCore
import StrataIndex

/// How the entities and relations of a collection's chunks are found.
public enum GraphExtraction: Sendable, Hashable {
  /// Not at all: searches by the graph find what the other legs find.
  case off
  /// By the form of names, see ``EntityExtractor``.
  case patterns
  /// By a model, see ``ModelEntityExtractor``, whose identity this is. What it has not read yet has the entities that
  /// patterns find.
  case model(String)

  /// Part of the identity of an index: another value means that every chunk has to be looked at again.
  static let revision = 1

  /// The store's setting that holds a collection's choice.
  private static let setting = "graph"

  /// Reads `off`, `patterns` or `model:IDENTITY`.
  /// - Throws: ``RetrievalError`` `graph_unknown`.
  public init(_ name: String) throws(RetrievalError) {
    switch name {
    case "off": self = .off
    case "patterns": self = .patterns
    case _ where name.hasPrefix("model:") && name.utf8.count > 6: self = .model(String(name.dropFirst(6)))
    default: throw RetrievalError.unknownGraph(name)
    }
  }

  /// What ``init(_:)`` reads.
  public var name: String {
    switch self {
    case .off: "off"
    case .patterns: "patterns"
    case .model(let identity): "model:\(identity)"
    }
  }

  /// Indexes with equal fingerprints have equal entities.
  var fingerprint: String { "graph \(name) r\(Self.revision)" }

  /// What of a question the walk begins with.
  func entities(ofQuestion text: String) -> ChunkEntities {
    let found = EntityExtractor().entities(in: text)
    guard case .model = self else { return found }
    return ChunkEntities(found.mentions + EntityExtractor.phrases(text).map { ChunkEntities.Mention($0) })
  }

  /// Makes this the collection's choice from the next time that its index is opened.
  public func choose(for collection: String, in store: any DocumentStore) async throws {
    try await store.setSetting(Self.setting, to: self == .patterns ? nil : name, in: collection)
  }

  /// What a collection has chosen, patterns when nothing.
  public static func chosen(for collection: String, in store: any DocumentStore) async throws -> GraphExtraction {
    guard let name = try await store.setting(setting, in: collection) else { return .patterns }
    return try GraphExtraction(name)
  }
}

extension RetrievalError {
  static func unknownGraph(_ name: String) -> RetrievalError {
    RetrievalError(
      ErrorCode("graph_unknown", .invalidInput), "There is no way of finding entities called `\(name)`.",
      remedy: "Choose off, patterns or model: strata collection graph COLLECTION --by patterns")
  }
}
