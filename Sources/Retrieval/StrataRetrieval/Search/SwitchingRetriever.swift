// Owns which retriever answers while a collection changes its embedder. Searches nothing itself.
import StrataCore
import Synchronization

/// Searches a collection by the embedder that it has at the moment.
///
/// When the store says that another embedder has taken over, a retriever for it is made and filled in the background;
/// until it is ready, searches go on with the one before, by whose vectors the index was filled.
public final class SwitchingRetriever: Retriever {
  /// A retriever, and the embedder that it asks.
  public struct Generation: Sendable {
    public let embedder: (any Embedder)?
    public let retriever: HybridRetriever

    public init(embedder: (any Embedder)?, retriever: HybridRetriever) {
      self.embedder = embedder
      self.retriever = retriever
    }
  }

  private struct State {
    var current: Generation
    /// The embedder that a retriever is being made for.
    var coming: String?
    var failure: (any Error)?
  }

  private let store: any DocumentStore
  private let collection: String
  private let make: @Sendable (String) async throws -> Generation
  private let state: Mutex<State>

  /// - Parameter make: finds the embedder with an identity, and makes a retriever for it.
  public init(
    _ first: Generation, store: any DocumentStore, collection: String,
    make: @escaping @Sendable (String) async throws -> Generation
  ) {
    self.store = store
    self.collection = collection
    self.make = make
    state = Mutex(State(current: first))
  }

  public var current: Generation { state.withLock { $0.current } }

  /// Why the retriever for a new embedder could not be made, if so; searches go on with the old one.
  public var failure: (any Error)? { state.withLock { $0.failure } }

  /// - Returns: how many chunks there are.
  @discardableResult
  public func load() async throws -> Int { try await current.retriever.load() }

  public func search(_ query: QuerySpec, as principal: Principal) async throws -> [Passage] {
    let wanted = try await store.embedders(of: collection).current
    let current = current
    if let wanted, let known = current.embedder?.id, wanted != known { prepare(wanted) }
    return try await current.retriever.search(query, as: principal)
  }

  private func prepare(_ embedder: String) {
    let isFirst = state.withLock { state in
      guard state.coming != embedder else { return false }
      state.coming = embedder
      return true
    }
    guard isFirst else { return }
    // Outlives the search that noticed the change: the next ones want it too.
    Task {
      do {
        let next = try await make(embedder)
        try await next.retriever.load()
        state.withLock { state in
          state.current = next
          state.failure = nil
          state.coming = nil
        }
      } catch {
        // The same embedder is not tried again: its model is not there.
        state.withLock { $0.failure = error }
      }
    }
  }
}
