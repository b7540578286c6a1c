// Owns which ways there are of finding entities, and what they are called. Finds none itself.
import StrataCore

/// How the entities and relations of a collection's chunks are found.
public enum GraphExtraction: Sendable, Hashable {
  /// Not at all: searches by the graph find what the other legs find.
  case off
  /// By the form of names, see ``EntityExtractor``.
  case patterns

  /// Part of the identity of an index: another value means that every chunk has to be looked at again.
  static let revision = 1

  /// The store's setting that holds a collection's choice.
  package static let setting = "graph"

  /// Reads `off` or `patterns`.
  /// - Throws: ``RetrievalError`` `graph_unknown`.
  public init(_ name: String) throws(RetrievalError) {
    switch name {
    case "off": self = .off
    case "patterns": self = .patterns
    default: throw RetrievalError.unknownGraph(name)
    }
  }

  /// What ``init(_:)`` reads.
  public var name: String {
    switch self {
    case .off: "off"
    case .patterns: "patterns"
    }
  }

  /// Indexes with equal fingerprints have equal entities.
  var fingerprint: String { "graph \(name) r\(Self.revision)" }

  /// What a collection has chosen, patterns when nothing.
  package static func chosen(for collection: String, in store: any DocumentStore) async throws -> GraphExtraction {
    guard let name = try await store.setting(setting, in: collection) else { return .patterns }
    return try GraphExtraction(name)
  }
}

extension RetrievalError {
  static func unknownGraph(_ name: String) -> RetrievalError {
    RetrievalError(
      ErrorCode("graph_unknown", .invalidInput), "There is no way of finding entities called `\(name)`.",
      remedy: "Use off or patterns.")
  }
}
