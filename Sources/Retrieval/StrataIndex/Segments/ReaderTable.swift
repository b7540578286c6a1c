// Owns who may read each chunk of a segment, as it was when the segment was made. Knows nothing about principals.
import StrataCore

/// Few distinct lists of readers, and for each chunk the number of its list.
struct ReaderTable: Sendable {
  /// List of each chunk.
  private let listOf: Column<UInt32>
  /// Where list i starts in `members`; one more than there are lists.
  private let listStarts: Column<UInt32>
  /// Numbers of readers.
  private let members: Column<UInt32>
  /// Readers as text.
  private let names: StringTable

  var count: Int { listOf.count }

  init(_ rows: [[Reader]]) {
    let names = StringTable(Set(rows.joined()).map(\.description))
    let numbers = Dictionary((0..<names.count).map { (names[$0], UInt32($0)) }) { first, _ in first }
    var known: [[UInt32]: UInt32] = [:]
    var (listStarts, members, listOf): ([UInt32], [UInt32], [UInt32]) = ([0], [], [])
    // Chunks of a document share its list, one after the other.
    var last: (readers: [Reader], list: UInt32)?
    for readers in rows {
      if let last, last.readers == readers {
        listOf.append(last.list)
        continue
      }
      let key = Set(readers).compactMap { numbers[$0.description] }.sorted()
      let list = known[key] ?? UInt32(known.count)
      if known.updateValue(list, forKey: key) == nil {
        members += key
        listStarts.append(UInt32(members.count))
      }
      listOf.append(list)
      last = (readers, list)
    }
    self.names = names
    self.listOf = Column(listOf)
    self.listStarts = Column(listStarts)
    self.members = Column(members)
  }

  /// Readers of a chunk. A reader that cannot be understood is left out, which hides and never shows.
  subscript(position: Int) -> [Reader] { list(Int(listOf[position])) }

  private func list(_ index: Int) -> [Reader] {
    (Int(listStarts[index])..<Int(listStarts[index + 1])).compactMap { Reader(names[Int(members[$0])]) }
  }

  /// The chunks of each reader.
  func positionSets() -> [Reader: PositionSet] {
    let lists = (0..<max(0, listStarts.count - 1)).map(list)
    var positions: [Reader: [UInt32]] = [:]
    for (position, number) in listOf.enumerated() {
      for reader in lists[Int(number)] { positions[reader, default: []].append(UInt32(position)) }
    }
    return positions.mapValues { PositionSet($0, capacity: count) }
  }

  // MARK: Files

  func encode(into writer: inout SegmentWriter, prefix: String) {
    writer.add("\(prefix).listOf", listOf)
    writer.add("\(prefix).listStarts", listStarts)
    writer.add("\(prefix).members", members)
    names.encode(into: &writer, prefix: "\(prefix).names")
  }

  init(_ file: SegmentFile, prefix: String) throws(IndexError) {
    listOf = try file.column("\(prefix).listOf", of: UInt32.self)
    listStarts = try file.column("\(prefix).listStarts", of: UInt32.self)
    members = try file.column("\(prefix).members", of: UInt32.self)
    names = try StringTable(file, prefix: "\(prefix).names")
    let (listCount, nameCount) = (listStarts.count - 1, names.count)
    try file.check(
      prefix,
      isOffsets(listStarts, into: members.count) && members.allSatisfy { $0 < nameCount }
        && listOf.allSatisfy { $0 < listCount })
  }
}
