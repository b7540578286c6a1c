// Owns how entity tables come about: from what chunks give, or from the tables of segments that become one.

/// Collects what chunks give, in order, then sorts it into an ``EntityTable``.
struct EntityTableBuilder {
  private var rows = EntityTable.Rows()
  private var names = Numbering()
  private var predicates = Numbering()

  /// Strings by the order in which they came.
  private struct Numbering {
    var strings: [[UInt8]] = []
    private var numbers: [[UInt8]: UInt32] = [:]

    mutating func number(of string: [UInt8]) -> UInt32 {
      if let known = numbers[string] { return known }
      let number = UInt32(strings.count)
      numbers[string] = number
      strings.append(string)
      return number
    }
  }

  mutating func add(_ chunk: ChunkEntities) {
    for mention in chunk.mentions {
      rows.entities.append(names.number(of: Array(mention.name.utf8)))
      rows.roles.append(mention.role.rawValue)
      rows.counts.append(UInt16(clamping: mention.count))
    }
    for relation in chunk.relations {
      rows.subjects.append(names.number(of: Array(relation.subject.utf8)))
      rows.predicates.append(predicates.number(of: Array(relation.predicate.utf8)))
      rows.objects.append(names.number(of: Array(relation.object.utf8)))
      rows.relationCounts.append(UInt16(clamping: relation.count))
    }
    closeChunk()
  }

  /// Adds the chunks of a table that are in `kept`. Names that only others have are not taken over.
  mutating func add(_ table: EntityTable, kept: [UInt64]) {
    var entityNumbers = [UInt32](repeating: .max, count: table.names.count)
    var predicateNumbers = [UInt32](repeating: .max, count: table.predicates.count)
    func entity(_ old: UInt32) -> UInt32 {
      if entityNumbers[Int(old)] == .max {
        entityNumbers[Int(old)] = names.number(of: table.names.withBytes(Int(old)) { Array($0) })
      }
      return entityNumbers[Int(old)]
    }
    func predicate(_ old: UInt32) -> UInt32 {
      if predicateNumbers[Int(old)] == .max {
        predicateNumbers[Int(old)] = predicates.number(of: table.predicates.withBytes(Int(old)) { Array($0) })
      }
      return predicateNumbers[Int(old)]
    }
    kept.forEachBit { position in
      for row in table.mentions(ofChunk: position) {
        rows.entities.append(entity(table.entities[row]))
        rows.roles.append(table.roles[row])
        rows.counts.append(table.counts[row])
      }
      for row in table.relations(ofChunk: position) {
        rows.subjects.append(entity(table.subjects[row]))
        rows.predicates.append(predicate(table.predicateOf[row]))
        rows.objects.append(entity(table.objects[row]))
        rows.relationCounts.append(table.relationCounts[row])
      }
      closeChunk()
    }
  }

  private mutating func closeChunk() {
    rows.mentionStarts.append(UInt32(rows.entities.count))
    rows.relationStarts.append(UInt32(rows.subjects.count))
  }

  consuming func build() -> EntityTable {
    EntityTable(rows, names: names.strings, predicates: predicates.strings)
  }
}
