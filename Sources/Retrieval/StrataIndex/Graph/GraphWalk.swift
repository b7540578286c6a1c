// Owns walking the entity graph of a snapshot from given places, within what somebody may read. Knows nothing about text.
import Foundation

/// Personalized PageRank over chunks and entities (Gutiérrez et al. 2025, HippoRAG 2: passages are nodes, and what was
/// found by other means seeds the walk), computed by pushing (Andersen, Chung and Lang 2006): only the neighbourhood of
/// the seeds is ever looked at.
///
/// The graph is that of the readable chunks of one snapshot alone. A chunk outside is no node, lends no edge, makes no
/// entity known and counts in no weight: the walk is the one that an index without it would give.
public struct GraphWalk: Sendable {
  public struct Options: Sendable, Hashable {
    /// How likely each step goes back to a seed.
    public var restart = 0.2
    /// How much more the edge between a chunk and the entity that it is about weighs than one to an entity mentioned.
    public var subjectWeight = 6.0
    /// What the edge between two entities of a relation weighs, for each time that a readable chunk says it, beside the
    /// edge between a chunk and the commoner of them; 0 walks over chunks only.
    public var relationWeight = 0.0
    /// What the edge between two entities of like names weighs, times their similarity, likewise; it needs synonyms.
    public var synonymWeight = 1.0
    /// What share of the seeds are the entities of the question.
    public var entityShare = 0.3
    /// Best chunks that seed the walk.
    public var seedCount = 20
    /// Entities in more chunks than this say nothing.
    public var hubLimit = 2000
    /// The walk ends when no node holds more than this, relative to its edges.
    public var tolerance = 1e-7
    /// Most edges that are followed.
    public var edgeLimit = 4_000_000

    public init() {}
  }

  let graph: ReadableGraph
  let options: Options
  private let synonyms: EntitySynonyms?

  /// - Parameter readable: of this snapshot; another one's leaves nothing to walk over.
  public init(
    _ snapshot: IndexSnapshot, within readable: ChunkBitmap, options: Options = Options(),
    synonyms: EntitySynonyms? = nil
  ) {
    graph = ReadableGraph(snapshot, within: readable)
    self.options = options
    self.synonyms = synonyms
  }

  /// Chunks by how often a walk from the seeds comes by, best first.
  /// - Parameters:
  ///   - seeds: chunks found by other means, best first, with scores of at least 0; squared, they share the start.
  ///   - question: entities of the question. Its relations are not looked at.
  public func rank(
    seeds: [(id: Int64, score: Double)], question: ChunkEntities = .none, limit: Int
  ) -> GraphRanking {
    var state = GraphWalkState(graph, options, synonyms)
    state.start(seeds.prefix(options.seedCount), question)
    state.run()
    return GraphRanking(state, limit: limit)
  }

  /// Whether one of two readable chunks names what the other is about.
  public func areLinked(_ first: Int64, _ second: Int64) -> Bool {
    guard let one = graph.chunk(first), let other = graph.chunk(second) else { return false }
    let subjects = (subject(one), subject(other))
    guard subjects.0 != subjects.1 else { return false }
    return mentions(one, subjects.1) || mentions(other, subjects.0)
  }

  private func subject(_ chunk: ReadableGraph.Place) -> [UInt8]? {
    let table = graph.table(chunk.segment)
    let row = table.mentions(ofChunk: chunk.number).first {
      ChunkEntities.Role(rawValue: table.roles[$0]).contains(.subject)
    }
    return row.map { graph.utf8(ReadableGraph.Place(segment: chunk.segment, number: Int(table.entities[$0]))) }
  }

  private func mentions(_ chunk: ReadableGraph.Place, _ name: [UInt8]?) -> Bool {
    let table = graph.table(chunk.segment)
    guard let name, let entity = table.names.index(ofUTF8: name),
      let row = table.mentions(ofChunk: chunk.number).first(where: { Int(table.entities[$0]) == entity })
    else { return false }
    return !ChunkEntities.Role(rawValue: table.roles[row]).isDisjoint(with: [.named, .part])
  }
}

/// Where a walk came by.
public struct GraphRanking: Sendable {
  /// Best first.
  public let chunks: [ScoredChunk]
  private let state: GraphWalkState

  /// An entity over which a walk came to a chunk.
  public struct Reason: Sendable, Hashable {
    public var entity: String
    /// Part of all arrivals at the chunk, 0…1. Where they do not add up to 1, the rest are starts.
    public var share: Double
  }

  init(_ state: GraphWalkState, limit: Int) {
    self.state = state
    let sorted = state.estimates.sorted { $0.score != $1.score ? $0.score > $1.score : $0.id < $1.id }
    chunks = sorted.prefix(max(0, limit)).map { ScoredChunk(id: $0.id, score: Float($0.score)) }
  }

  /// Over which entities the walk came to a chunk, most often first; none for a chunk that it never met.
  public func reasons(ofChunk id: Int64, limit: Int = 3) -> [Reason] {
    Array(
      state.arrivals(atChunk: id).sorted { $0.share != $1.share ? $0.share > $1.share : $0.entity < $1.entity }
        .prefix(limit))
  }
}
