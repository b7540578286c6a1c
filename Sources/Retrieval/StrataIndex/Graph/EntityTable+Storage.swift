// Owns how an entity table lies in a segment file, and refusing one that contradicts itself.

extension EntityTable {
  func encode(into writer: inout SegmentWriter, prefix: String) {
    names.encode(into: &writer, prefix: "\(prefix).names")
    predicates.encode(into: &writer, prefix: "\(prefix).predicates")
    writer.add("\(prefix).mentionStarts", mentionStarts)
    writer.add("\(prefix).entities", entities)
    writer.add("\(prefix).roles", roles)
    writer.add("\(prefix).counts", counts)
    writer.add("\(prefix).chunkStarts", chunkStarts)
    writer.add("\(prefix).chunks", chunks)
    writer.add("\(prefix).chunkRoles", chunkRoles)
    writer.add("\(prefix).relationStarts", relationStarts)
    writer.add("\(prefix).subjects", subjects)
    writer.add("\(prefix).predicateOf", predicateOf)
    writer.add("\(prefix).objects", objects)
    writer.add("\(prefix).relationCounts", relationCounts)
    writer.add("\(prefix).endStarts", endStarts)
    writer.add("\(prefix).relationsOf", relationsOf)
  }

  /// - Throws: when a number leads out of its column, or the two sides tell different things.
  init(_ file: SegmentFile, prefix: String) throws(IndexError) {
    names = try StringTable(file, prefix: "\(prefix).names")
    predicates = try StringTable(file, prefix: "\(prefix).predicates")
    mentionStarts = try file.column("\(prefix).mentionStarts", of: UInt32.self)
    entities = try file.column("\(prefix).entities", of: UInt32.self)
    roles = try file.column("\(prefix).roles", of: UInt8.self)
    counts = try file.column("\(prefix).counts", of: UInt16.self)
    chunkStarts = try file.column("\(prefix).chunkStarts", of: UInt32.self)
    chunks = try file.column("\(prefix).chunks", of: UInt32.self)
    chunkRoles = try file.column("\(prefix).chunkRoles", of: UInt8.self)
    relationStarts = try file.column("\(prefix).relationStarts", of: UInt32.self)
    subjects = try file.column("\(prefix).subjects", of: UInt32.self)
    predicateOf = try file.column("\(prefix).predicateOf", of: UInt32.self)
    objects = try file.column("\(prefix).objects", of: UInt32.self)
    relationCounts = try file.column("\(prefix).relationCounts", of: UInt16.self)
    endStarts = try file.column("\(prefix).endStarts", of: UInt32.self)
    relationsOf = try file.column("\(prefix).relationsOf", of: UInt32.self)

    let (nameCount, predicateCount) = (names.count, predicates.count)
    try file.check("\(prefix).names", names.isRising && predicates.isRising)
    try file.check(
      "\(prefix).entities",
      isOffsets(mentionStarts, into: entities.count) && roles.count == entities.count
        && counts.count == entities.count && entities.allSatisfy { $0 < nameCount }
        && roles.allSatisfy { $0 > 0 && $0 <= ChunkEntities.Role.all.rawValue } && counts.allSatisfy { $0 > 0 })
    try file.check(
      "\(prefix).chunks",
      chunkStarts.count == nameCount + 1 && isOffsets(chunkStarts, into: chunks.count)
        && chunks.count == entities.count && chunkRoles.count == entities.count && sidesAgree)
    try file.check(
      "\(prefix).subjects",
      relationStarts.count == mentionStarts.count && isOffsets(relationStarts, into: subjects.count)
        && objects.count == subjects.count && predicateOf.count == subjects.count
        && relationCounts.count == subjects.count && subjects.allSatisfy { $0 < nameCount }
        && objects.allSatisfy { $0 < nameCount } && predicateOf.allSatisfy { $0 < predicateCount }
        && relationCounts.allSatisfy { $0 > 0 })
    try file.check(
      "\(prefix).relationsOf",
      endStarts.count == nameCount + 1 && isOffsets(endStarts, into: relationsOf.count) && endsAgree)
  }

  /// Whether the chunks of each entity are those that mention it, in order, in the same role.
  private var sidesAgree: Bool {
    var next = Array(chunkStarts)
    for position in 0..<count {
      var last: UInt32?
      for row in mentions(ofChunk: position) {
        let entity = entities[row]
        let place = next[Int(entity)]
        guard last.map({ $0 < entity }) ?? true, place < chunkStarts[Int(entity) + 1],
          chunks[Int(place)] == position, chunkRoles[Int(place)] == roles[row]
        else { return false }
        next[Int(entity)] += 1
        last = entity
      }
    }
    // As many on either side, and none beyond its entity's: each has its counterpart.
    return true
  }

  private var endsAgree: Bool {
    var next = Array(endStarts)
    var total = 0
    for row in 0..<subjects.count {
      for end in subjects[row] == objects[row] ? [subjects[row]] : [subjects[row], objects[row]] {
        let place = next[Int(end)]
        guard place < endStarts[Int(end) + 1], relationsOf[Int(place)] == row else { return false }
        next[Int(end)] += 1
        total += 1
      }
    }
    return total == relationsOf.count
  }
}

extension StringTable {
  /// Whether each string comes before the next, as lookups need.
  fileprivate var isRising: Bool {
    (1..<max(1, count)).allSatisfy { index in
      withBytes(index - 1) { before in withBytes(index) { before.lexicographicallyPrecedes($0) } }
    }
  }
}
