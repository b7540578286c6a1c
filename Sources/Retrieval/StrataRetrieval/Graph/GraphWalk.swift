// Owns walking the entity graph from given places, within what somebody may read. Knows nothing about text.
import Foundation
import StrataCore
import StrataIndex

/// Personalized PageRank over chunks and entities (Gutiérrez et al. 2025, HippoRAG 2: passages are nodes, and what was
/// found by other means seeds the walk), computed by pushing (Andersen, Chung and Lang 2006): only the neighbourhood of
/// the seeds is ever looked at.
///
/// The graph is that of the readable chunks alone. A chunk outside is no node, lends no edge, makes no entity known and
/// counts in no weight: the walk is the one that a graph without it would give.
public struct GraphWalk: Sendable {
  public struct Options: Sendable, Hashable {
    /// How likely each step goes back to a seed.
    public var restart = 0.2
    /// How much more the edge between a chunk and the entity that it is about weighs than one to an entity mentioned.
    public var subjectWeight = 6.0
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

  private enum Node: Hashable {
    case chunk(Int64)
    case entity(String)
  }

  private let graph: EntityGraph
  private let readable: Set<Int64>
  private let options: Options

  public init(_ graph: EntityGraph, within readable: Set<Int64>, options: Options = Options()) {
    self.graph = graph
    self.readable = readable
    self.options = options
  }

  /// Chunks by how often a walk from the seeds comes by, best first.
  /// - Parameters:
  ///   - seeds: chunks found by other means, best first, with scores of at least 0; squared, they share the start.
  ///   - question: entities of the question.
  public func rank(seeds: [(id: Int64, score: Double)], question: EntityMentions, limit: Int) -> [ScoredChunk] {
    var walk = Walk(self)
    walk.start(seeds.prefix(options.seedCount), question)
    walk.run()
    let sorted = walk.estimates.sorted { $0.value != $1.value ? $0.value > $1.value : $0.key < $1.key }
    return sorted.prefix(max(0, limit)).map { ScoredChunk(id: $0.key, score: Float($0.value)) }
  }

  /// Whether one of two readable chunks names what the other is about.
  public func areLinked(_ first: Int64, _ second: Int64) -> Bool {
    guard readable.contains(first), readable.contains(second), let one = graph.contributions[first],
      let other = graph.contributions[second], one.subject != other.subject
    else { return false }
    func names(_ contribution: EntityGraph.Contribution, _ subject: String?) -> Bool {
      guard let subject else { return false }
      return contribution.mentions.names.contains(subject) || contribution.mentions.parts.contains(subject)
    }
    return names(one, other.subject) || names(other, one.subject)
  }

  /// The readable chunks of an entity, and whether it is worth walking over.
  private func chunks(of name: String) -> [Int64]? {
    guard let entity = graph.entities[name] else { return nil }
    let subjects = entity.subjects.filter(readable.contains)
    // A part of a longer name is an entity only where a readable document is about it.
    let parts = subjects.isEmpty ? [] : entity.parts.filter(readable.contains)
    let all = Set(entity.named.filter(readable.contains)).union(parts).union(subjects)
    return all.count >= 2 && all.count <= options.hubLimit ? all.sorted() : nil
  }

  /// The state of one walk.
  private struct Walk {
    private let parent: GraphWalk
    private let restart: Double
    private var residuals: [Node: Double] = [:]
    private var queue: [Node] = []
    private var queued: Set<Node> = []
    private var chunksByEntity: [String: [Int64]?] = [:]
    private var edgesByNode: [Node: [(node: Node, share: Double)]] = [:]
    private var edgeCount = 0
    private(set) var estimates: [Int64: Double] = [:]

    init(_ parent: GraphWalk) {
      self.parent = parent
      restart = min(1, max(0.01, parent.options.restart))
    }

    mutating func start(_ seeds: ArraySlice<(id: Int64, score: Double)>, _ question: EntityMentions) {
      let seeds = seeds.filter { parent.readable.contains($0.id) && $0.score > 0 }
      let names = question.names.union(question.parts).sorted().compactMap { name in
        entityChunks(name).map { (name, weight($0.count)) }
      }
      let known = names.filter { name, _ in
        question.names.contains(name)
          || parent.graph.entities[name]?.subjects.contains(where: parent.readable.contains) == true
      }
      let entityShare = known.isEmpty ? 0 : seeds.isEmpty ? 1 : parent.options.entityShare
      let sum = seeds.reduce(0) { $0 + $1.score * $1.score }
      for seed in seeds { give(.chunk(seed.id), (1 - entityShare) * seed.score * seed.score / sum) }
      let total = known.reduce(0) { $0 + $1.1 }
      for (name, weight) in known { give(.entity(name), entityShare * weight / total) }
    }

    mutating func run() {
      var next = 0
      while next < queue.count, edgeCount < parent.options.edgeLimit {
        let node = queue[next]
        next += 1
        queued.remove(node)
        let amount = residuals[node] ?? 0
        residuals[node] = 0
        if case .chunk(let id) = node { estimates[id, default: 0] += restart * amount }
        let edges = edges(of: node)
        edgeCount += edges.count
        for edge in edges { give(edge.node, (1 - restart) * amount * edge.share) }
      }
    }

    private mutating func give(_ node: Node, _ amount: Double) {
      let held = (residuals[node] ?? 0) + amount
      residuals[node] = held
      if held > parent.options.tolerance, queued.insert(node).inserted { queue.append(node) }
    }

    /// How much an entity of `count` chunks tells, as words do.
    private func weight(_ count: Int) -> Double { log1p(Double(parent.readable.count) / Double(count)) }

    private mutating func entityChunks(_ name: String) -> [Int64]? {
      if let known = chunksByEntity[name] { return known }
      let chunks = parent.chunks(of: name)
      chunksByEntity[name] = .some(chunks)
      return chunks
    }

    /// Where a step from `node` may lead, and how likely.
    private mutating func edges(of node: Node) -> [(node: Node, share: Double)] {
      if let known = edgesByNode[node] { return known }
      var edges: [(node: Node, share: Double)] = []
      switch node {
      case .chunk(let id):
        guard let contribution = parent.graph.contributions[id] else { break }
        let mentions = contribution.mentions
        let names = mentions.names.union(mentions.parts).union(contribution.subject.map { [$0] } ?? [])
        for name in names.sorted() {
          guard let chunks = entityChunks(name), chunks.binarySearch(id) else { continue }
          edges.append((.entity(name), edgeWeight(contribution.subject == name, chunks.count)))
        }
      case .entity(let name):
        guard let chunks = entityChunks(name) else { break }
        for id in chunks {
          edges.append((.chunk(id), edgeWeight(parent.graph.contributions[id]?.subject == name, chunks.count)))
        }
      }
      let total = edges.reduce(0) { $0 + $1.share }
      for index in edges.indices { edges[index].share /= total }
      edgesByNode[node] = edges
      return edges
    }

    private func edgeWeight(_ isSubject: Bool, _ count: Int) -> Double {
      (isSubject ? parent.options.subjectWeight : 1) * weight(count)
    }
  }
}

extension [Int64] {
  fileprivate func binarySearch(_ value: Int64) -> Bool {
    var low = 0
    var high = count
    while low < high {
      let middle = low + (high - low) / 2
      if self[middle] < value { low = middle + 1 } else { high = middle }
    }
    return low < count && self[low] == value
  }
}
