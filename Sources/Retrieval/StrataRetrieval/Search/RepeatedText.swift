// Owns telling texts that say the same again. Knows nothing about passages.

/// Texts that were taken in, and what among them a further one repeats.
///
/// By containment of runs of five words (shingles: Broder 1997, "On the resemblance and containment of documents"),
/// counted exactly. Unlike there, a text with a number that the other lacks repeats nothing: two versions of one rule
/// differ by little else.
struct RepeatedText {
  /// Share of a text's shingles from which on it is contained in another.
  static let leastContainment = 0.8
  private static let shingleLength = 5

  private struct Entry {
    var shingleCount: Int
    var numbers: Set<Substring>
  }

  private var entries: [Int: Entry] = [:]
  private var holders: [UInt64: [Int]] = [:]

  /// - Returns: an entry that says all that `text` says, and those of which `text` says all.
  func matches(_ text: String) -> (containing: Int?, contained: [Int]) {
    let (shingles, numbers) = Self.features(text)
    guard !shingles.isEmpty else { return (nil, []) }
    var shared: [Int: Int] = [:]
    for shingle in shingles { for id in holders[shingle] ?? [] { shared[id, default: 0] += 1 } }
    var containing: Int?
    var contained: [Int] = []
    for (id, count) in shared.sorted(by: { $0.key < $1.key }) {
      guard let entry = entries[id] else { continue }
      if Double(count) >= Self.leastContainment * Double(shingles.count), numbers.isSubset(of: entry.numbers) {
        containing = containing ?? id
      } else if Double(count) >= Self.leastContainment * Double(entry.shingleCount),
        entry.numbers.isSubset(of: numbers)
      {
        contained.append(id)
      }
    }
    return (containing, contained)
  }

  mutating func add(_ text: String, as id: Int) {
    let (shingles, numbers) = Self.features(text)
    entries[id] = Entry(shingleCount: shingles.count, numbers: numbers)
    for shingle in shingles { holders[shingle, default: []].append(id) }
  }

  mutating func remove(_ id: Int) { entries[id] = nil }

  /// Distinct shingles by FNV-1a, and the words with digits. A text of fewer words is one shingle.
  private static func features(_ text: String) -> (shingles: Set<UInt64>, numbers: Set<Substring>) {
    let words = text.lowercased().split { !$0.isLetter && !$0.isNumber }
    let numbers = Set(words.filter { $0.contains(where: \.isNumber) })
    var shingles: Set<UInt64> = []
    for start in 0..<max(words.isEmpty ? 0 : 1, words.count - shingleLength + 1) {
      var hash: UInt64 = 0xCBF2_9CE4_8422_2325
      for word in words[start..<min(start + shingleLength, words.count)] {
        for byte in word.utf8 { hash = (hash ^ UInt64(byte)) &* 0x100_0000_01B3 }
        hash = (hash ^ 0x20) &* 0x100_0000_01B3
      }
      shingles.insert(hash)
    }
    return (shingles, numbers)
  }
}
