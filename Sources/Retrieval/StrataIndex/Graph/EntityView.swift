// Owns looking at the entity graph of a snapshot, one entity at a time, within what somebody may read. Ranks nothing.

/// An entity as the chunks of a ``ChunkBitmap`` tell of it.
public struct EntityView: Sendable, Hashable {
  public struct Passage: Sendable, Hashable {
    public var chunk: Int64
    public var role: ChunkEntities.Role
    /// How often the chunk has the name.
    public var count: Int

    public init(chunk: Int64, role: ChunkEntities.Role, count: Int) {
      self.chunk = chunk
      self.role = role
      self.count = count
    }
  }

  /// Another entity that stands in the same chunks.
  public struct Neighbour: Sendable, Hashable {
    public var name: String
    /// In how many chunks both stand.
    public var chunkCount: Int

    public init(name: String, chunkCount: Int) {
      self.name = name
      self.chunkCount = chunkCount
    }
  }

  public struct Relation: Sendable, Hashable {
    public var subject: String
    public var predicate: String
    public var object: String
    /// How often it is said.
    public var count: Int
    /// Where, rising.
    public var chunks: [Int64]

    public init(subject: String, predicate: String, object: String, count: Int, chunks: [Int64]) {
      self.subject = subject
      self.predicate = predicate
      self.object = object
      self.count = count
      self.chunks = chunks
    }
  }

  public var name: String
  /// Those about it first, then by count.
  public var passages: [Passage]
  /// The commonest first. Parts of longer names count only where some chunk is about them.
  public var neighbours: [Neighbour]
  /// The most often said first.
  public var relations: [Relation]

  public init(name: String, passages: [Passage], neighbours: [Neighbour] = [], relations: [Relation] = []) {
    self.name = name
    self.passages = passages
    self.neighbours = neighbours
    self.relations = relations
  }

  /// How often all passages together have the name.
  public var mentionCount: Int { passages.reduce(0) { $0 + $1.count } }
}

extension IndexSnapshot {
  /// What the readable chunks tell of an entity; nil when none knows it.
  ///
  /// - Parameter name: as the index was given it.
  /// - Complexity: O(chunks of the entity · mentions of each).
  public func entity(_ name: String, within readable: ChunkBitmap) -> EntityView? {
    let graph = ReadableGraph(self, within: readable)
    let utf8 = Array(name.utf8)
    guard let entity = graph.entity(utf8, at: graph.places(of: utf8)), !entity.members.isEmpty else { return nil }
    var passages: [EntityView.Passage] = []
    var neighbours: [String: Int] = [:]
    var subjects: [[UInt8]: Bool] = [:]
    for member in entity.members {
      let table = graph.table(member.place.segment)
      for row in table.mentions(ofChunk: member.place.number) {
        let place = ReadableGraph.Place(segment: member.place.segment, number: Int(table.entities[row]))
        let role = ChunkEntities.Role(rawValue: table.roles[row])
        let other = graph.utf8(place)
        if other == utf8 {
          passages.append(EntityView.Passage(chunk: member.id, role: role, count: Int(table.counts[row])))
          continue
        }
        if role == .part {
          let isSubject = subjects[other] ?? (graph.entity(other, at: graph.places(of: other))?.hasSubject == true)
          subjects[other] = isSubject
          guard isSubject else { continue }
        }
        neighbours[String(decoding: other, as: UTF8.self), default: 0] += 1
      }
    }
    passages.sort {
      let (one, other) = ($0.role.contains(.subject), $1.role.contains(.subject))
      return one != other ? one : $0.count != $1.count ? $0.count > $1.count : $0.chunk < $1.chunk
    }
    return EntityView(
      name: name, passages: passages,
      neighbours: neighbours.map { EntityView.Neighbour(name: $0.key, chunkCount: $0.value) }.sorted {
        $0.chunkCount != $1.chunkCount ? $0.chunkCount > $1.chunkCount : $0.name < $1.name
      },
      relations: Self.relations(of: entity, in: graph))
  }

  private static func relations(of entity: ReadableGraph.Entity, in graph: ReadableGraph) -> [EntityView.Relation] {
    var found: [[String]: EntityView.Relation] = [:]
    for place in entity.places {
      let table = graph.table(place.segment)
      graph.forEachRelation(place) { row, _, count in
        let ends = [table.names[Int(table.subjects[row])], table.names[Int(table.objects[row])]]
        let predicate = table.predicates[Int(table.predicateOf[row])]
        let new = EntityView.Relation(subject: ends[0], predicate: predicate, object: ends[1], count: 0, chunks: [])
        let chunk = ReadableGraph.Place(segment: place.segment, number: table.chunk(ofRelation: row))
        found[[ends[0], predicate, ends[1]], default: new].count += count
        found[[ends[0], predicate, ends[1]], default: new].chunks.append(graph.id(chunk))
      }
    }
    return found.map { _, relation in
      var relation = relation
      relation.chunks.sort()
      return relation
    }.sorted {
      $0.count != $1.count
        ? $0.count > $1.count
        : ($0.subject, $0.predicate, $0.object) < ($1.subject, $1.predicate, $1.object)
    }
  }

  /// Names that begin with `prefix` and that some readable chunk knows, in byte order.
  ///
  /// - Complexity: O(names with the prefix and their chunks), whatever `limit` is.
  public func entityNames(prefix: String = "", within readable: ChunkBitmap, limit: Int = .max) -> [String] {
    let graph = ReadableGraph(self, within: readable)
    var names: Set<[UInt8]> = []
    for segment in graph.segments {
      let table = graph.table(segment)
      for number in table.names.range(ofPrefix: prefix) {
        names.insert(graph.utf8(ReadableGraph.Place(segment: segment, number: number)))
      }
    }
    var found: [String] = []
    for utf8 in names.sorted(by: { $0.lexicographicallyPrecedes($1) }) where found.count < limit {
      if graph.entity(utf8, at: graph.places(of: utf8))?.members.isEmpty == false {
        found.append(String(decoding: utf8, as: UTF8.self))
      }
    }
    return found
  }

  /// What a readable chunk gives to the graph; nil for others.
  public func entities(ofChunk id: Int64, within readable: ChunkBitmap) -> ChunkEntities? {
    let graph = ReadableGraph(self, within: readable)
    return graph.chunk(id).map { graph.table($0.segment).contribution($0.number) }
  }
}
