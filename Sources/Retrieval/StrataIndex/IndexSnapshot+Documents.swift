// Owns confining a search to documents that somebody else has chosen. Knows nothing about why.
import StrataCore

extension IndexSnapshot {
  /// Which state this is: no two states of any index in this process have the same.
  package var state: UInt64 { generation }

  /// The chunks of these documents, whoever their readers are: for callers that have decided who may read them.
  ///
  /// - Parameter filter: when given, only chunks whose fields satisfy it.
  /// - Complexity: O(documents · segments).
  public func chunks(ofDocuments documents: Set<String>, matching filter: Filter? = nil) -> ChunkBitmap {
    let segments = views.map { view in
      var words = [UInt64](repeating: 0, count: view.live.count)
      for path in documents {
        for position in view.segment.chunks.positions(ofDocument: path) { words.setBit(Int(position)) }
      }
      words.formIntersection(view.live)
      if let filter { words.formIntersection(view.segment.fields.matches(filter)) }
      return words
    }
    return ChunkBitmap(snapshot: generation, segments: segments)
  }
}
