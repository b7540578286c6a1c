// Owns what one chunk, or one question, says about entities. Knows nothing about how they were found.
import StrataCore

/// The entities that a chunk mentions or is about, and what it says of them.
///
/// Names are compared as they are: whoever makes them brings them to one form. Equal names become one mention whose
/// roles are joined and whose counts are added, so equal contents are equal values.
public struct ChunkEntities: Sendable, Hashable {
  /// What an entity is to a chunk.
  public struct Role: OptionSet, Sendable, Hashable {
    public let rawValue: UInt8
    public init(rawValue: UInt8) { self.rawValue = rawValue }

    /// The text has the name.
    public static let named = Role(rawValue: 1)
    /// The name is a part of a longer one, which counts only where some readable chunk is about it.
    public static let part = Role(rawValue: 2)
    /// The chunk's document is about it.
    public static let subject = Role(rawValue: 4)

    static let all: Role = [.named, .part, .subject]
  }

  public struct Mention: Sendable, Hashable {
    public var name: String
    public var role: Role
    /// How often the chunk has it: 1...65,535.
    public var count: Int

    public init(_ name: String, _ role: Role = .named, count: Int = 1) {
      self.name = name
      self.role = role
      self.count = count
    }
  }

  /// Something that the chunk says of two entities.
  public struct Relation: Sendable, Hashable {
    public var subject: String
    public var predicate: String
    public var object: String
    /// How often the chunk says it: 1...65,535.
    public var count: Int

    public init(_ subject: String, _ predicate: String, _ object: String, count: Int = 1) {
      self.subject = subject
      self.predicate = predicate
      self.object = object
      self.count = count
    }
  }

  /// In byte order of names, each name once.
  public let mentions: [Mention]
  /// In byte order, each once.
  public let relations: [Relation]

  public static let none = ChunkEntities()
  static let countLimit = Int(UInt16.max)

  /// Mentions without a role, and relations with an empty end, are left out.
  public init(_ mentions: [Mention] = [], relations: [Relation] = []) {
    var joined: [[UInt8]: Mention] = [:]
    for mention in mentions where !mention.role.intersection(.all).isEmpty && !mention.name.isEmpty {
      let key = Array(mention.name.utf8)
      let known = joined[key]
      joined[key] = Mention(
        mention.name, mention.role.intersection(.all).union(known?.role ?? []),
        count: Self.clamped((known?.count ?? 0) + Self.clamped(mention.count)))
    }
    self.mentions = joined.sorted { $0.key.lexicographicallyPrecedes($1.key) }.map(\.value)
    var counts: [[[UInt8]]: Relation] = [:]
    for relation in relations where !relation.subject.isEmpty && !relation.object.isEmpty {
      let key = [relation.subject, relation.predicate, relation.object].map { Array($0.utf8) }
      var relation = relation
      relation.count = Self.clamped((counts[key]?.count ?? 0) + Self.clamped(relation.count))
      counts[key] = relation
    }
    self.relations = counts.sorted { Self.precedes($0.key, $1.key) }.map(\.value)
  }

  public var isEmpty: Bool { mentions.isEmpty && relations.isEmpty }

  /// The entity that the chunk is about, the first in byte order where there are several.
  public var subject: String? { mentions.first { $0.role.contains(.subject) }?.name }

  private static func clamped(_ count: Int) -> Int { min(countLimit, max(1, count)) }

  private static func precedes(_ first: [[UInt8]], _ second: [[UInt8]]) -> Bool {
    for (one, other) in zip(first, second) where one != other { return one.lexicographicallyPrecedes(other) }
    return false
  }

  /// The first 64 bits of the SHA-256 of everything; 0 for nothing.
  var hash: UInt64 {
    guard !isEmpty else { return 0 }
    var bytes: [UInt8] = []
    func append(_ text: String) {
      bytes.append(littleEndian: UInt32(truncatingIfNeeded: text.utf8.count))
      bytes += text.utf8
    }
    for mention in mentions {
      append(mention.name)
      bytes.append(mention.role.rawValue)
      bytes.append(littleEndian: UInt16(truncatingIfNeeded: mention.count))
    }
    bytes.append(littleEndian: UInt32.max)
    for relation in relations {
      append(relation.subject)
      append(relation.predicate)
      append(relation.object)
      bytes.append(littleEndian: UInt16(truncatingIfNeeded: relation.count))
    }
    return UInt64(SHA256.hash(bytes).prefix(16), radix: 16) ?? 0
  }
}
