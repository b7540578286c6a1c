// Owns the entities and relations of a segment's chunks as columns. Knows nothing about other segments, readers or
// walks.

/// Which chunk mentions which entity, and what it says of whom: from either side.
///
/// Everything is stored per chunk, so a chunk that goes takes with it exactly what it gave: what an entity is known by,
/// and how often, is counted over the chunks that are looked at, never kept as a sum.
struct EntityTable: Sendable {
  /// Names of the entities, in byte order: entity i has name i.
  let names: StringTable
  let predicates: StringTable

  /// Where the mentions of chunk i start; one more than there are chunks.
  let mentionStarts: Column<UInt32>
  /// Entity of each mention, rising within a chunk.
  let entities: Column<UInt32>
  /// See ``ChunkEntities/Role``.
  let roles: Column<UInt8>
  let counts: Column<UInt16>

  /// The same from the other side: where the chunks of entity i start; one more than there are entities.
  let chunkStarts: Column<UInt32>
  /// Rising within an entity.
  let chunks: Column<UInt32>
  let chunkRoles: Column<UInt8>

  /// Where the relations of chunk i start; one more than there are chunks.
  let relationStarts: Column<UInt32>
  let subjects: Column<UInt32>
  let predicateOf: Column<UInt32>
  let objects: Column<UInt32>
  let relationCounts: Column<UInt16>

  /// Where the relations that entity i is an end of start, in `relationsOf`; one more than there are entities.
  let endStarts: Column<UInt32>
  /// Rising within an entity.
  let relationsOf: Column<UInt32>

  /// Of chunks.
  var count: Int { max(0, mentionStarts.count - 1) }
  var relationCount: Int { subjects.count }

  func mentions(ofChunk position: Int) -> Range<Int> {
    Int(mentionStarts[position])..<Int(mentionStarts[position + 1])
  }

  func relations(ofChunk position: Int) -> Range<Int> {
    Int(relationStarts[position])..<Int(relationStarts[position + 1])
  }

  func chunks(ofEntity entity: Int) -> Range<Int> { Int(chunkStarts[entity])..<Int(chunkStarts[entity + 1]) }

  func relations(ofEntity entity: Int) -> Range<Int> { Int(endStarts[entity])..<Int(endStarts[entity + 1]) }

  /// The chunk that a relation stands in.
  func chunk(ofRelation relation: Int) -> Int {
    relationStarts.partitioningIndex { Int($0) > relation } - 1
  }

  /// What was given for a chunk.
  func contribution(_ position: Int) -> ChunkEntities {
    ChunkEntities(
      mentions(ofChunk: position).map { row in
        ChunkEntities.Mention(
          names[Int(entities[row])], ChunkEntities.Role(rawValue: roles[row]), count: Int(counts[row]))
      },
      relations: relations(ofChunk: position).map { row in
        ChunkEntities.Relation(
          names[Int(subjects[row])], predicates[Int(predicateOf[row])], names[Int(objects[row])],
          count: Int(relationCounts[row]))
      })
  }

  // MARK: Making

  /// Mentions and relations chunk by chunk, with entities and predicates by numbers that still have no order.
  struct Rows {
    var mentionStarts: [UInt32] = [0]
    var entities: [UInt32] = []
    var roles: [UInt8] = []
    var counts: [UInt16] = []
    var relationStarts: [UInt32] = [0]
    var subjects: [UInt32] = []
    var predicates: [UInt32] = []
    var objects: [UInt32] = []
    var relationCounts: [UInt16] = []
  }

  /// - Parameters:
  ///   - names: of the entities by their numbers in `rows`, distinct.
  ///   - predicates: likewise.
  init(_ rows: Rows, names: [[UInt8]], predicates: [[UInt8]]) {
    let (sortedNames, entityPlaces) = Self.sorted(names)
    let (sortedPredicates, predicatePlaces) = Self.sorted(predicates)
    self.names = StringTable(sorted: sortedNames)
    self.predicates = StringTable(sorted: sortedPredicates)

    let mentionCount = rows.entities.count
    var (entities, roles, counts) = ([UInt32](), [UInt8](), [UInt16]())
    entities.reserveCapacity(mentionCount)
    roles.reserveCapacity(mentionCount)
    counts.reserveCapacity(mentionCount)
    var order: [(entity: UInt32, row: Int)] = []
    for position in 0..<rows.mentionStarts.count - 1 {
      order.removeAll(keepingCapacity: true)
      for row in Int(rows.mentionStarts[position])..<Int(rows.mentionStarts[position + 1]) {
        order.append((entityPlaces[Int(rows.entities[row])], row))
      }
      order.sort { $0.entity < $1.entity }
      for (entity, row) in order {
        entities.append(entity)
        roles.append(rows.roles[row])
        counts.append(rows.counts[row])
      }
    }
    let subjects = rows.subjects.map { entityPlaces[Int($0)] }
    let objects = rows.objects.map { entityPlaces[Int($0)] }
    (chunkStarts, chunks, chunkRoles) = Self.inverted(
      entities, roles, starts: rows.mentionStarts, entityCount: names.count)
    (endStarts, relationsOf) = Self.ends(subjects, objects, entityCount: names.count)
    mentionStarts = Column(rows.mentionStarts)
    self.entities = Column(entities)
    self.roles = Column(roles)
    self.counts = Column(counts)
    relationStarts = Column(rows.relationStarts)
    self.subjects = Column(subjects)
    predicateOf = Column(rows.predicates.map { predicatePlaces[Int($0)] })
    self.objects = Column(objects)
    relationCounts = Column(rows.relationCounts)
  }

  /// The strings in order, and for each number of before its place.
  private static func sorted(_ strings: [[UInt8]]) -> (sorted: [[UInt8]], places: [UInt32]) {
    let order = strings.indices.sorted { strings[$0].lexicographicallyPrecedes(strings[$1]) }
    var places = [UInt32](repeating: 0, count: strings.count)
    for (place, number) in order.enumerated() { places[number] = UInt32(place) }
    return (order.map { strings[$0] }, places)
  }

  private static func inverted(
    _ entities: [UInt32], _ roles: [UInt8], starts: [UInt32], entityCount: Int
  ) -> (starts: Column<UInt32>, chunks: Column<UInt32>, roles: Column<UInt8>) {
    let (chunkStarts, places) = slots(entities, count: entityCount)
    var chunks = [UInt32](repeating: 0, count: entities.count)
    var chunkRoles = [UInt8](repeating: 0, count: entities.count)
    for position in 0..<starts.count - 1 {
      for row in Int(starts[position])..<Int(starts[position + 1]) {
        chunks[places[row]] = UInt32(position)
        chunkRoles[places[row]] = roles[row]
      }
    }
    return (Column(chunkStarts), Column(chunks), Column(chunkRoles))
  }

  /// A relation of an entity with itself has one end.
  private static func ends(
    _ subjects: [UInt32], _ objects: [UInt32], entityCount: Int
  ) -> (starts: Column<UInt32>, relations: Column<UInt32>) {
    var ends: [UInt32] = []
    var rows: [UInt32] = []
    for row in subjects.indices {
      for end in subjects[row] == objects[row] ? [subjects[row]] : [subjects[row], objects[row]] {
        ends.append(end)
        rows.append(UInt32(row))
      }
    }
    let (starts, places) = slots(ends, count: entityCount)
    var relations = [UInt32](repeating: 0, count: ends.count)
    for (index, place) in places.enumerated() { relations[place] = rows[index] }
    return (Column(starts), Column(relations))
  }

  /// Where each number's run starts when the numbers are sorted, and the place of each in that order.
  private static func slots(_ numbers: [UInt32], count: Int) -> (starts: [UInt32], places: [Int]) {
    var starts = [UInt32](repeating: 0, count: count + 1)
    for number in numbers { starts[Int(number) + 1] += 1 }
    for number in 0..<count { starts[number + 1] += starts[number] }
    var next = starts
    let places = numbers.map { number in
      defer { next[Int(number)] += 1 }
      return Int(next[Int(number)])
    }
    return (starts, places)
  }
}
