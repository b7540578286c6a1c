// Owns which chunks share which entities. Knows nothing about where names come from, who may read, or ranking.

/// Chunks and the entities that they mention or are about.
///
/// Every chunk's contribution is kept, so that removing a chunk takes back exactly what it gave: an entity is there as
/// long as some chunk names it. Equal sets of chunks make equal graphs, whatever was added and removed in between.
public struct EntityGraph: Sendable, Equatable {
  /// What one chunk gives.
  public struct Contribution: Sendable, Hashable {
    public var mentions: EntityMentions
    /// The entity that the chunk's document is about.
    public var subject: String?

    public init(mentions: EntityMentions, subject: String?) {
      self.mentions = mentions
      self.subject = subject
    }
  }

  /// The chunks of one entity, each in rising order.
  struct Entity: Sendable, Equatable {
    var named: [Int64] = []
    /// Chunks where it is part of a longer name.
    var parts: [Int64] = []
    var subjects: [Int64] = []

    var isEmpty: Bool { named.isEmpty && parts.isEmpty && subjects.isEmpty }
  }

  private(set) var entities: [String: Entity] = [:]
  private(set) var contributions: [Int64: Contribution] = [:]

  public init() {}

  public var chunkCount: Int { contributions.count }
  public var entityCount: Int { entities.count }

  /// Adds a chunk; one that is there already is replaced.
  public mutating func add(_ chunk: Int64, _ contribution: Contribution) {
    remove(chunk)
    for name in contribution.mentions.names { entities[name, default: Entity()].named.insertSorted(chunk) }
    for name in contribution.mentions.parts { entities[name, default: Entity()].parts.insertSorted(chunk) }
    if let subject = contribution.subject { entities[subject, default: Entity()].subjects.insertSorted(chunk) }
    contributions[chunk] = contribution
  }

  /// Removes a chunk; one that is not there is passed over.
  public mutating func remove(_ chunk: Int64) {
    guard let contribution = contributions.removeValue(forKey: chunk) else { return }
    for name in contribution.mentions.names { take(chunk, from: name, \.named) }
    for name in contribution.mentions.parts { take(chunk, from: name, \.parts) }
    if let subject = contribution.subject { take(chunk, from: subject, \.subjects) }
  }

  private mutating func take(_ chunk: Int64, from name: String, _ list: WritableKeyPath<Entity, [Int64]>) {
    entities[name]?[keyPath: list].removeSorted(chunk)
    if entities[name]?.isEmpty == true { entities[name] = nil }
  }
}

extension [Int64] {
  fileprivate func firstIndex(notBelow value: Int64) -> Int {
    var low = 0
    var high = count
    while low < high {
      let middle = low + (high - low) / 2
      if self[middle] < value { low = middle + 1 } else { high = middle }
    }
    return low
  }

  fileprivate mutating func insertSorted(_ value: Int64) {
    // Ids rise, so most go to the end.
    if let last, last < value { return append(value) }
    let index = firstIndex(notBelow: value)
    if index == count || self[index] != value { insert(value, at: index) }
  }

  fileprivate mutating func removeSorted(_ value: Int64) {
    let index = firstIndex(notBelow: value)
    if index < count, self[index] == value { remove(at: index) }
  }
}
