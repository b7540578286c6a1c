// Owns taking several indexes of one store at one moment. Knows nothing about what is in them.
import StrataCore
import StrataIndex

extension CollectionIndex {
  /// States of indexes that follow the same store, all as the store was at one moment.
  ///
  /// Each state is taken after its index has said up to which change it goes. When afterwards none of the sources has a
  /// newer change, no source changed between the first state and the last, since change tokens only grow: so all are the
  /// store's state at that moment, and nobody had to be kept from writing.
  ///
  /// - Throws: ``RetrievalError`` `index_unsettled` when the store changes faster than it can be followed.
  package static func snapshots(of indexes: [CollectionIndex]) async throws -> [IndexSnapshot] {
    for _ in 0..<100 {
      for index in indexes { try await index.refresh() }
      let states = indexes.map { (token: $0.index.token, snapshot: $0.index.snapshot()) }
      var isSettled = true
      for (index, state) in zip(indexes, states) where isSettled {
        if let newest = try await index.source.token(), newest != state.token { isSettled = false }
      }
      if isSettled { return states.map(\.snapshot) }
    }
    throw RetrievalError(
      ErrorCode("index_unsettled", .unavailable),
      "The store changes all the time, so that no moment of it can be seen.",
      remedy: "Ask again when less is being written.", location: indexes.map(\.collection).joined(separator: ", "))
  }
}
