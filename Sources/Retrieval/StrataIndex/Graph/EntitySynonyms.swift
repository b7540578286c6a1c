// Owns which names mean nearly the same by their vectors. Knows nothing about who made the vectors.

/// Names of entities and those most similar to each, as in HippoRAG (Gutiérrez et al. 2024, section 2.3): edges between
/// them let a walk pass from `wave tank` to `wave tanks`.
public struct EntitySynonyms: Sendable {
  public struct Neighbour: Sendable, Hashable {
    public var name: String
    /// Cosine.
    public var similarity: Double
  }

  private let neighboursByName: [String: [Neighbour]]

  /// Most neighbours of a name.
  private static let limit = 32

  /// - Parameters:
  ///   - vectors: of the names, each normalized to length 1.
  ///   - threshold: least similarity of neighbours.
  /// - Throws: when vectors differ in length or are not finite.
  /// - Complexity: O(names²) while they are few, then O(names · log names).
  public init(names: [String], vectors: [[Float]], threshold: Float) throws(IndexError) {
    let index = HybridIndex(dimension: vectors.first?.count)
    try index.apply(
      adding: zip(names, vectors).enumerated().map { number, pair in
        IndexEntry(id: Int64(number), document: "", body: "", vector: pair.1, readers: [.everyone])
      })
    let snapshot = index.snapshot()
    let all = snapshot.readable(by: .anonymous)
    var neighbours: [String: [Neighbour]] = [:]
    for (number, vector) in vectors.prefix(names.count).enumerated() {
      for found in try snapshot.dense(vector, limit: Self.limit + 1, within: all)
      where found.score >= threshold && Int(found.id) != number {
        // From both sides, so that an edge is one whichever end found the other.
        let (one, other) = (names[number], names[Int(found.id)])
        neighbours[one, default: []].append(Neighbour(name: other, similarity: Double(found.score)))
        neighbours[other, default: []].append(Neighbour(name: one, similarity: Double(found.score)))
      }
    }
    neighboursByName = neighbours.mapValues { list in
      Dictionary(list.map { ($0.name, $0) }) { $0.similarity >= $1.similarity ? $0 : $1 }.values
        .sorted { $0.similarity != $1.similarity ? $0.similarity > $1.similarity : $0.name < $1.name }
    }
  }

  /// Most similar first; none for a name that is not known.
  public func neighbours(of name: String) -> [Neighbour] { neighboursByName[name] ?? [] }

  public var pairCount: Int { neighboursByName.values.reduce(0) { $0 + $1.count } / 2 }
}
