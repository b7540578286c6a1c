// Owns the slow, obvious search that the index is compared with, and random content for both.
import Foundation
import StrataCore
import StrataIndex

/// SplitMix64 (Steele et al. 2014), so that a failing case can be met again.
struct SeededGenerator: RandomNumberGenerator {
  var state: UInt64

  mutating func next() -> UInt64 {
    state &+= 0x9e37_79b9_7f4a_7c15
    var value = state
    value = (value ^ (value >> 30)) &* 0xbf58_476d_1ce4_e5b9
    value = (value ^ (value >> 27)) &* 0x94d0_49bb_1331_11eb
    return value ^ (value >> 31)
  }
}

/// All chunks in a dictionary; every search looks at each.
struct Oracle {
  var entries: [Int64: IndexEntry] = [:]

  func mayRead(_ id: Int64, _ principal: Principal) -> Bool {
    entries[id].map { principal.mayRead($0.readers) } ?? false
  }

  /// BM25 of all readable chunks with a word of the query, best first, in double precision.
  func lexical(_ query: String, as principal: Principal, _ parameters: BM25Parameters) -> [(id: Int64, score: Double)] {
    let documents = entries.mapValues { entry in
      let title = Analyzer.english.terms(entry.title)
      return (0..<parameters.titleWeight).flatMap { _ in title } + Analyzer.english.terms(entry.body)
    }
    let total = Double(documents.count)
    let average = documents.values.reduce(0) { $0 + Double($1.count) } / total
    let (k1, b) = (Double(parameters.k1), Double(parameters.b))
    let terms = Analyzer.english.terms(query).map { term in
      (term, Double(documents.values.count { $0.contains(term) }))
    }
    var scores: [(id: Int64, score: Double)] = []
    for (id, words) in documents where mayRead(id, principal) && terms.contains(where: { words.contains($0.0) }) {
      var score = 0.0
      for (term, frequency) in terms {
        let occurrences = Double(words.count { $0 == term })
        guard occurrences > 0 else { continue }
        let norm = k1 * (1 - b + b * Double(words.count) / average)
        score += log1p((total - frequency + 0.5) / (frequency + 0.5)) * occurrences / (occurrences + norm)
      }
      scores.append((id, score))
    }
    return scores.sorted { $0.score > $1.score || $0.score == $1.score && $0.id < $1.id }
  }

  func dense(_ vector: [Float], as principal: Principal) -> [(id: Int64, score: Double)] {
    entries.values.compactMap { entry in
      guard mayRead(entry.id, principal), let other = entry.vector else { return nil }
      return (entry.id, zip(vector, other).reduce(0.0) { $0 + Double($1.0) * Double($1.1) })
    }.sorted { $0.score > $1.score || $0.score == $1.score && $0.id < $1.id }
  }
}

/// Random chunks, queries and principals over a small vocabulary, so that much matches.
struct RandomContent {
  var random: SeededGenerator
  var dimension = 12

  static let vocabulary = (0..<60).map { "w\($0)x" }
  static let readers: [Reader] = [
    .everyone, .user("ann"), .user("bob"), .user("eng"), .group("eng"), .group("people"), .group("ann"),
  ]

  init(seed: UInt64) { random = SeededGenerator(state: seed) }

  mutating func words(_ count: ClosedRange<Int>) -> String {
    (0..<Int.random(in: count, using: &random)).map { _ in
      // Squaring makes some words common and others rare.
      let place = Double.random(in: 0..<1, using: &random)
      return Self.vocabulary[Int(place * place * Double(Self.vocabulary.count))]
    }.joined(separator: " ")
  }

  mutating func vector() -> [Float] { (0..<dimension).map { _ in Float.random(in: -1...1, using: &random) } }

  mutating func someReaders() -> [Reader] {
    (0..<Int.random(in: 0...3, using: &random)).map { _ in Self.readers.randomElement(using: &random) ?? .everyone }
  }

  mutating func entry(_ id: Int64) -> IndexEntry {
    IndexEntry(
      id: id, document: "d\(id % 9)", title: words(0...3), body: words(0...40),
      vector: Bool.random(using: &random) ? vector() : nil, readers: someReaders(), entities: entities())
  }

  mutating func principal() -> Principal {
    let user = ["ann", "bob", "eng", "people", "nobody"].randomElement(using: &random) ?? ""
    let groups = ["eng", "people", "ann", "bob"].filter { _ in Int.random(in: 0..<3, using: &random) == 0 }
    return Principal(user: user, groups: Set(groups))
  }
}
