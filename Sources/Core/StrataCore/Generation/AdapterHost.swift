// Owns the protocol through which a server manages the adapters of a model. Knows nothing about what an adapter is.

/// An adapter that a model knows by name.
public struct AdapterInfo: Sendable, Hashable {
  public var name: String
  /// Where it was loaded from.
  public var path: String
  /// Bytes of memory held; 0 while it is not in memory.
  public var byteCount: Int
  /// Ranks that occur in it, ascending; empty until it has been in memory once.
  public var ranks: [Int]
  /// Generations that use it now.
  public var useCount: Int

  public init(name: String, path: String, byteCount: Int = 0, ranks: [Int] = [], useCount: Int = 0) {
    self.name = name
    self.path = path
    self.byteCount = byteCount
    self.ranks = ranks
    self.useCount = useCount
  }

  public var isInMemory: Bool { byteCount > 0 }
}

/// A model that can run with adapters, which come and go while it serves. A request names one in
/// ``GenerationRequest/adapter``.
public protocol AdapterHost: LanguageModel {
  /// By name, ascending.
  var adapters: [AdapterInfo] { get }

  /// Reads an adapter and makes it known; requests may name it afterwards.
  /// - Parameter replaces: whether another one of that name is forgotten; sequences that run with it end with it.
  /// - Throws: a ``StrataError`` for a damaged, unsupported or mismatching file, a name that is taken, or no memory.
  func loadAdapter(_ name: String, from path: String, replaces: Bool) async throws

  /// Forgets an adapter. Sequences that run with it end with it, and its memory goes with the last of them.
  /// - Throws: a ``StrataError`` when there is none of that name.
  func unloadAdapter(_ name: String) throws
}
