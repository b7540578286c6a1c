// Owns the state of one walk: which nodes it has met, what they hold, and where their edges lead.
import Foundation

/// Pushes what nodes hold along their edges until no node holds anything worth pushing. Nodes get numbers as they are
/// met, and edges are found once each.
struct GraphWalkState: Sendable {
  private enum Kind: Sendable {
    case chunk(ReadableGraph.Place)
    case entity(ReadableGraph.Entity)
  }

  private struct Edge: Sendable {
    var node: Int
    var weight: Double
  }

  private struct Node: Sendable {
    var kind: Kind
    var residual = 0.0
    /// All that was pushed from here.
    var pushed = 0.0
    var isQueued = false
    /// Nil until they are needed.
    var edges: [Edge]?
    var total = 0.0
  }

  private let graph: ReadableGraph
  private let options: GraphWalk.Options
  private let synonyms: EntitySynonyms?
  private let restart: Double
  private var nodes: [Node] = []
  private var chunkNodes: [ReadableGraph.Place: Int] = [:]
  /// Nil for entities that lead nowhere.
  private var entityNodes: [ReadableGraph.Place: Int?] = [:]
  private var queue: [Int] = []
  private var edgeCount = 0

  init(_ graph: ReadableGraph, _ options: GraphWalk.Options, _ synonyms: EntitySynonyms?) {
    self.graph = graph
    self.options = options
    self.synonyms = synonyms
    restart = min(1, max(0.01, options.restart))
  }

  mutating func start(_ seeds: ArraySlice<(id: Int64, score: Double)>, _ question: ChunkEntities) {
    let seeds = seeds.compactMap { seed in
      seed.score > 0 ? graph.chunk(seed.id).map { (place: $0, score: seed.score) } : nil
    }
    var known: [(node: Int, weight: Double)] = []
    for mention in question.mentions {
      guard let node = entityNode(Array(mention.name.utf8)), case .entity(let entity) = nodes[node].kind,
        mention.role.contains(.named) || entity.hasSubject
      else { continue }
      known.append((node, weight(entity)))
    }
    let entityShare = known.isEmpty ? 0 : seeds.isEmpty ? 1 : options.entityShare
    let sum = seeds.reduce(0) { $0 + $1.score * $1.score }
    for seed in seeds { give(chunkNode(seed.place), (1 - entityShare) * seed.score * seed.score / sum) }
    let total = known.reduce(0) { $0 + $1.weight }
    for (node, weight) in known { give(node, entityShare * weight / total) }
  }

  mutating func run() {
    var next = 0
    while next < queue.count, edgeCount < options.edgeLimit {
      let node = queue[next]
      next += 1
      let amount = nodes[node].residual
      nodes[node].isQueued = false
      nodes[node].residual = 0
      nodes[node].pushed += amount
      findEdges(of: node)
      let edges = nodes[node].edges ?? []
      edgeCount += edges.count
      let share = (1 - restart) * amount / nodes[node].total
      for edge in edges { give(edge.node, share * edge.weight) }
    }
  }

  /// How often the walk came by each chunk.
  var estimates: [(id: Int64, score: Double)] {
    nodes.compactMap { node in
      guard case .chunk(let place) = node.kind, node.pushed > 0 else { return nil }
      return (graph.id(place), restart * node.pushed)
    }
  }

  /// What part of the arrivals at a chunk came from each entity.
  func arrivals(atChunk id: Int64) -> [GraphRanking.Reason] {
    guard let place = graph.chunk(id), let number = chunkNodes[place] else { return [] }
    let chunk = nodes[number]
    return (chunk.edges ?? []).compactMap { edge in
      let neighbour = nodes[edge.node]
      guard case .entity(let entity) = neighbour.kind, neighbour.pushed > 0, neighbour.total > 0, chunk.pushed > 0
      else { return nil }
      // The edge weighs the same from either end.
      let share = (1 - restart) * neighbour.pushed * edge.weight / neighbour.total / chunk.pushed
      return GraphRanking.Reason(entity: entity.name, share: min(1, share))
    }
  }

  private mutating func give(_ node: Int, _ amount: Double) {
    nodes[node].residual += amount
    if nodes[node].residual > options.tolerance, !nodes[node].isQueued {
      nodes[node].isQueued = true
      queue.append(node)
    }
  }

  // MARK: Nodes and edges

  private mutating func chunkNode(_ place: ReadableGraph.Place) -> Int {
    if let known = chunkNodes[place] { return known }
    nodes.append(Node(kind: .chunk(place)))
    chunkNodes[place] = nodes.count - 1
    return nodes.count - 1
  }

  private mutating func entityNode(_ utf8: [UInt8]) -> Int? {
    let places = graph.places(of: utf8)
    guard let first = places.first else { return nil }
    if let known = entityNodes[first] { return known }
    // An entity of one chunk leads nowhere else, one of very many everywhere.
    let entity = graph.entity(utf8, at: places, limit: options.hubLimit)
    var number: Int?
    if let entity, entity.members.count >= 2 {
      nodes.append(Node(kind: .entity(entity)))
      number = nodes.count - 1
    }
    for place in places { entityNodes[place] = .some(number) }
    return number
  }

  private mutating func entityNode(_ place: ReadableGraph.Place) -> Int? {
    if let known = entityNodes[place] { return known }
    return entityNode(graph.utf8(place))
  }

  /// How much an entity tells, as words do.
  private func weight(_ entity: ReadableGraph.Entity) -> Double {
    log1p(Double(graph.readableCount) / Double(entity.members.count))
  }

  private func weight(_ entity: ReadableGraph.Entity, isSubject: Bool) -> Double {
    (isSubject ? options.subjectWeight : 1) * weight(entity)
  }

  private mutating func findEdges(of node: Int) {
    guard nodes[node].edges == nil else { return }
    let edges =
      switch nodes[node].kind {
      case .chunk(let place): edges(ofChunk: place)
      case .entity(let entity): edges(of: entity, node)
      }
    nodes[node].total = edges.reduce(0) { $0 + $1.weight }
    nodes[node].edges = edges
  }

  private mutating func edges(ofChunk place: ReadableGraph.Place) -> [Edge] {
    let table = graph.table(place.segment)
    var edges: [Edge] = []
    for row in table.mentions(ofChunk: place.number) {
      let role = ChunkEntities.Role(rawValue: table.roles[row])
      guard let node = entityNode(ReadableGraph.Place(segment: place.segment, number: Int(table.entities[row]))),
        case .entity(let entity) = nodes[node].kind,
        entity.hasSubject || !role.isDisjoint(with: [.named, .subject])
      else { continue }
      edges.append(Edge(node: node, weight: weight(entity, isSubject: role.contains(.subject))))
    }
    return edges
  }

  private mutating func edges(of entity: ReadableGraph.Entity, _ node: Int) -> [Edge] {
    var edges = entity.members.map {
      Edge(node: chunkNode($0.place), weight: weight(entity, isSubject: $0.isSubject))
    }
    var strengths: [Int: Double] = [:]
    if options.relationWeight > 0 {
      var others: [(place: ReadableGraph.Place, count: Int)] = []
      for place in entity.places { graph.forEachRelation(place) { others.append(($1, $2)) } }
      for (place, count) in others {
        if let other = entityNode(place) { strengths[other, default: 0] += options.relationWeight * Double(count) }
      }
    }
    if options.synonymWeight > 0, let synonyms {
      for neighbour in synonyms.neighbours(of: entity.name) {
        if let other = entityNode(Array(neighbour.name.utf8)) {
          strengths[other, default: 0] += options.synonymWeight * neighbour.similarity
        }
      }
    }
    strengths[node] = nil
    // By name: the order must not depend on which segment holds what.
    let related = strengths.compactMap { other, strength -> (name: [UInt8], edge: Edge)? in
      guard case .entity(let end) = nodes[other].kind else { return nil }
      return (end.utf8, Edge(node: other, weight: strength * min(weight(entity), weight(end))))
    }
    edges += related.sorted { $0.name.lexicographicallyPrecedes($1.name) }.map(\.edge)
    return edges
  }
}
