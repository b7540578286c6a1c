// Owns the ordered members of a JSON object.

/// Members of a JSON object in the order in which they were written. A repeated key keeps its first place and its last
/// value. Two objects are equal when they hold the same members in any order (RFC 8259: objects are unordered).
public struct JSONObject: Sendable {
  package private(set) var storage: [(key: String, value: JSON)] = []
  /// Key to position; kept only above a size where a scan would be slower.
  private var positions: [String: Int] = [:]
  private static let scanLimit = 8

  public init() {}

  public init(_ members: some Sequence<(String, JSON)>) {
    for (key, value) in members { self[key] = value }
  }

  public var count: Int { storage.count }
  public var isEmpty: Bool { storage.isEmpty }
  public var keys: [String] { storage.map(\.key) }
  public var values: [JSON] { storage.map(\.value) }

  private func position(of key: String) -> Int? {
    storage.count > Self.scanLimit ? positions[key] : storage.firstIndex { $0.key == key }
  }

  /// - Complexity: O(1) on average; assigning nil to an existing key is O(`count`).
  public subscript(key: String) -> JSON? {
    get { position(of: key).map { storage[$0].value } }
    set {
      switch (position(of: key), newValue) {
      case (let index?, let value?): storage[index].value = value
      case (let index?, nil):
        storage.remove(at: index)
        reindex()
      case (nil, let value?):
        storage.append((key, value))
        if storage.count == Self.scanLimit + 1 {
          reindex()
        } else if storage.count > Self.scanLimit {
          positions[key] = storage.count - 1
        }
      case (nil, nil): break
      }
    }
  }

  private mutating func reindex() {
    positions.removeAll(keepingCapacity: true)
    guard storage.count > Self.scanLimit else { return }
    for (index, member) in storage.enumerated() { positions[member.key] = index }
  }
}

extension JSONObject: Sequence {
  public func makeIterator() -> Array<(key: String, value: JSON)>.Iterator { storage.makeIterator() }
}

extension JSONObject: Hashable {
  public static func == (lhs: JSONObject, rhs: JSONObject) -> Bool {
    lhs.count == rhs.count && lhs.storage.allSatisfy { rhs[$0.key] == $0.value }
  }

  public func hash(into hasher: inout Hasher) {
    var sum = 0
    for member in storage {
      var inner = Hasher()
      inner.combine(member.key)
      inner.combine(member.value)
      sum &+= inner.finalize()
    }
    hasher.combine(sum)
  }
}

extension JSONObject: ExpressibleByDictionaryLiteral {
  public init(dictionaryLiteral elements: (String, JSON)...) { self.init(elements) }
}
