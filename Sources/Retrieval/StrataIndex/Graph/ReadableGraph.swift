// Owns the entity graph as one asker sees it: over all segments of a snapshot, and of the readable chunks alone. Knows
// nothing about ranking.

/// The graph of the chunks in a ``ChunkBitmap``. A chunk outside is no node, lends no edge, makes no entity known and
/// counts in nothing: everything here is what an index without it would say.
struct ReadableGraph: Sendable {
  /// A chunk or an entity by its number in a segment. The same entity may have one in each.
  struct Place: Sendable, Hashable {
    var segment: Int
    var number: Int
  }

  /// A readable chunk of an entity.
  struct Member: Sendable {
    var place: Place
    var id: Int64
    var isSubject: Bool
  }

  /// An entity with its readable chunks.
  struct Entity: Sendable {
    var places: [Place]
    var utf8: [UInt8]
    /// In rising order of ids.
    var members: [Member]
    /// Whether some readable chunk is about it.
    var hasSubject: Bool

    var name: String { String(decoding: utf8, as: UTF8.self) }
  }

  private let views: [SegmentView]
  private let allowed: [[UInt64]]
  let readableCount: Int

  /// Empty when the bitmap is one of another snapshot.
  init(_ snapshot: IndexSnapshot, within readable: ChunkBitmap) {
    let isOurs = readable.snapshot == snapshot.generation
    views = isOurs ? snapshot.views : []
    allowed = isOurs ? readable.segments : []
    readableCount = isOurs ? readable.count : 0
  }

  var segments: Range<Int> { views.indices }
  func table(_ segment: Int) -> EntityTable { views[segment].segment.entities }
  func mayRead(_ segment: Int, _ position: Int) -> Bool { allowed[segment].testBit(position) }
  func id(_ chunk: Place) -> Int64 { views[chunk.segment].segment.ids[chunk.number] }

  func chunk(_ id: Int64) -> Place? {
    for segment in segments {
      if let position = views[segment].position(of: id) {
        return mayRead(segment, position) ? Place(segment: segment, number: position) : nil
      }
    }
    return nil
  }

  func forEachChunk(_ body: (Place) -> Void) {
    for segment in segments { allowed[segment].forEachBit { body(Place(segment: segment, number: $0)) } }
  }

  /// Where each segment has the name.
  /// - Complexity: O(segments · log names).
  func places(of utf8: [UInt8]) -> [Place] {
    segments.compactMap { segment in
      table(segment).names.index(ofUTF8: utf8).map { Place(segment: segment, number: $0) }
    }
  }

  func utf8(_ entity: Place) -> [UInt8] { table(entity.segment).names.withBytes(entity.number) { Array($0) } }

  /// The entity at these places, all of one name.
  ///
  /// - Parameter limit: nil comes back for an entity that more chunks name than this.
  /// - Complexity: O(chunks that mention it).
  func entity(_ utf8: [UInt8], at places: [Place], limit: Int = .max) -> Entity? {
    var members: [Member] = []
    var parts: [Member] = []
    var hasSubject = false
    for place in places {
      let table = table(place.segment)
      for row in table.chunks(ofEntity: place.number) {
        let position = Int(table.chunks[row])
        guard mayRead(place.segment, position) else { continue }
        let role = ChunkEntities.Role(rawValue: table.chunkRoles[row])
        let chunk = Place(segment: place.segment, number: position)
        let member = Member(place: chunk, id: id(chunk), isSubject: role.contains(.subject))
        if role.isDisjoint(with: [.named, .subject]) {
          parts.append(member)
          continue
        }
        hasSubject = hasSubject || member.isSubject
        members.append(member)
        if members.count > limit { return nil }
      }
    }
    if hasSubject { members += parts }
    guard members.count <= limit else { return nil }
    members.sort { $0.id < $1.id }
    return Entity(places: places, utf8: utf8, members: members, hasSubject: hasSubject)
  }

  /// Calls `body` with each readable relation that an entity is an end of: the other end, in the same segment, and how
  /// often it is said.
  func forEachRelation(_ entity: Place, _ body: (_ relation: Int, _ other: Place, _ count: Int) -> Void) {
    let table = table(entity.segment)
    for index in table.relations(ofEntity: entity.number) {
      let row = Int(table.relationsOf[index])
      guard mayRead(entity.segment, table.chunk(ofRelation: row)) else { continue }
      let isSubject = Int(table.subjects[row]) == entity.number
      let other = Int(isSubject ? table.objects[row] : table.subjects[row])
      body(row, Place(segment: entity.segment, number: other), Int(table.relationCounts[row]))
    }
  }
}
