// Tests reading queries, and searching for phrases, fields, required and excluded words against a slow oracle.
import Foundation
import StrataCore
import StrataIndex
import Testing

@Suite("LexicalQuery")
struct LexicalQueryTests {
  typealias Clause = LexicalQuery.Clause

  @Test(
    "Signs, fields and quotes are read; everything else is words",
    arguments: [
      ("what is heat transfer?", [Clause("what is heat transfer?")]),
      ("\"heat transfer\"", [Clause("heat transfer", isPhrase: true)]),
      ("“heat transfer” now", [Clause("heat transfer", isPhrase: true), Clause(" now")]),
      (
        "a +b -c title:d body:e",
        [
          Clause("a "), Clause("b", occurrence: .required), Clause(" "), Clause("c", occurrence: .excluded),
          Clause(" "), Clause("d", field: .title), Clause(" "), Clause("e", field: .body),
        ]
      ),
      (
        "-title:\"x y\" z",
        [Clause("x y", field: .title, isPhrase: true, occurrence: .excluded), Clause(" z")]
      ),
      ("-5 degrees +1 - 3", [Clause("-5 degrees +1 - 3")]),
      ("-only", [Clause("-only")]),
      ("5\" pipe", [Clause("5\" pipe")]),
      ("\"unclosed words", [Clause("\"unclosed words")]),
      ("say \"\" \"", [Clause("say \"\" \"")]),
      ("subtitle:x title: y note:z http://a.b", [Clause("subtitle:x title: y note:z http://a.b")]),
      ("H2A.Z with +1-nucleosomes e+f C++", [Clause("H2A.Z with +1-nucleosomes e+f C++")]),
      ("", [Clause("")]),
    ])
  func parsing(text: String, expected: [Clause]) {
    func isMeaningful(_ clause: Clause) -> Bool {
      !clause.text.allSatisfy(\.isWhitespace)
    }
    #expect(
      LexicalQuery(parsing: text).clauses.filter(isMeaningful) == expected.filter(isMeaningful))
  }

  @Test("No text is refused")
  func anything() {
    var random = SeededGenerator(state: 8)
    let pieces = ["+", "-", "\"", "title:", "body:", "a", "b c", " ", "\u{201C}", ":", "\u{0}", "é", "日本", "\n"]
    let index = HybridIndex(dimension: nil)
    try? index.apply(adding: [IndexEntry(id: 1, document: "d", title: "a b", body: "b c a", readers: [.everyone])])
    let snapshot = index.snapshot()
    let readable = snapshot.readable(by: .anonymous)
    for _ in 0..<3000 {
      let text = (0..<Int.random(in: 0...9, using: &random)).map { _ in pieces.randomElement(using: &random) ?? "" }
      for chunk in snapshot.lexical(text.joined(), limit: 5, within: readable) { #expect(chunk.id == 1) }
    }
  }

  private func index(_ texts: [(title: String, body: String)]) throws -> (IndexSnapshot, ChunkBitmap) {
    let index = HybridIndex(dimension: nil)
    try index.apply(
      adding: texts.enumerated().map { number, text in
        IndexEntry(id: Int64(number), document: "d", title: text.title, body: text.body, readers: [.everyone])
      })
    let snapshot = index.snapshot()
    return (snapshot, snapshot.readable(by: .anonymous))
  }

  @Test(
    "Phrases, fields and signs find what they say",
    arguments: [
      ("\"red apple\"", [0, 3]), ("\"apple red\"", [1]), ("title:apple", [2]), ("body:apple", [0, 1, 3, 5]),
      ("+red -green", [0, 1]), ("apple -red", [2, 5]), ("\"state of the art\"", [4]), ("\"state of art\"", []),
      ("+state-of-the-art", [4]), ("\"apple pie\"", [5]), ("title:\"fruit red\"", []), ("+apple +pear", []),
      ("\"the of\"", []), ("+\"red apples\"", [0, 3]),
    ])
  func examples(query: String, expected: [Int64]) throws {
    let (snapshot, readable) = try index([
      ("fruit", "a red apple"), ("fruit", "an apple, red"), ("apple", "plain"), ("fruit", "green and red apples"),
      ("state of the art", "nothing"), ("pies", "apple; pie"),
    ])
    // A phrase that nothing has counts as its words, unless it is required.
    let parsed = LexicalQuery(parsing: query)
    let found = snapshot.lexical(parsed, limit: 9, within: readable).map(\.id).sorted()
    if expected.isEmpty, parsed.clauses.count == 1, parsed.clauses[0].isPhrase {
      let words = LexicalQuery(clauses: [Clause(parsed.clauses[0].text, field: parsed.clauses[0].field)])
      if words.clauses[0].field == nil {
        #expect(found == snapshot.lexical(words, limit: 9, within: readable).map(\.id).sorted())
      }
    } else {
      #expect(found == expected)
    }
  }

  @Test("Random queries find and score what an oracle does, and are explained", arguments: 0..<10)
  func oracle(seed: Int) throws {
    var content = RandomContent(seed: UInt64(100 + seed))
    let parameters = BM25Parameters(
      k1: 0.9, b: 0.4, titleWeight: [1, 3, 0][seed % 3], title: .init(k1: 1.5, b: 0.2), body: .init(k1: 0.5, b: 0.9))
    let index = HybridIndex(dimension: nil, bm25: parameters)
    var oracle = ClauseOracle(parameters: parameters)
    for _ in 0..<8 {
      let removed = oracle.entries.keys.filter { _ in Int.random(in: 0..<6, using: &content.random) == 0 }
      let added = (0..<25).map { _ in content.entry(Int64.random(in: 0..<200, using: &content.random)) }.map { entry in
        var entry = entry
        entry.vector = nil
        return entry
      }
      try index.apply(adding: added, removing: removed)
      for id in removed { oracle.entries[id] = nil }
      for entry in added { oracle.entries[entry.id] = entry }
    }
    let snapshot = index.snapshot()
    for _ in 0..<150 {
      let query = LexicalQuery(
        clauses: (0..<Int.random(in: 1...4, using: &content.random)).map { _ in content.clause() })
      let principal = content.principal()
      let readable = snapshot.readable(by: principal)
      let expected = oracle.search(query, as: principal)
      let found = snapshot.lexical(query, limit: 500, within: readable)
      #expect(Set(found.map(\.id)) == Set(expected.keys), "seed \(seed): \(query)")
      for chunk in found {
        #expect(abs(Double(chunk.score) - (expected[chunk.id] ?? .nan)) < 1e-4, "seed \(seed): \(query)")
        let explanation = snapshot.explain(query, chunk: chunk.id, within: readable)
        #expect(explanation?.score == chunk.score)
        #expect(abs((explanation?.parts.reduce(0) { $0 + $1.score } ?? .nan) - Double(chunk.score)) < 1e-4)
      }
      for id in oracle.entries.keys where expected[id] == nil {
        #expect(snapshot.explain(query, chunk: id, within: readable) == nil)
      }
      #expect(snapshot.lexical(query, limit: 3, within: readable) == Array(found.prefix(3)))
    }
  }
}

extension RandomContent {
  mutating func clause() -> LexicalQuery.Clause {
    let fields: [LexicalField?] = [nil, nil, .title, .body]
    let occurrences: [LexicalQuery.Occurrence] = [.optional, .optional, .required, .excluded]
    switch Int.random(in: 0..<3, using: &random) {
    case 0: return LexicalQuery.Clause(words(1...4))
    case 1:
      return LexicalQuery.Clause(
        words(2...3), field: fields.randomElement(using: &random) ?? nil, isPhrase: true,
        occurrence: occurrences.randomElement(using: &random) ?? .optional)
    default:
      return LexicalQuery.Clause(
        words(1...1), field: fields.randomElement(using: &random) ?? nil,
        occurrence: occurrences.randomElement(using: &random) ?? .optional)
    }
  }
}

/// Evaluates clauses chunk by chunk, in double precision. Its texts have no stop words.
private struct ClauseOracle {
  let parameters: BM25Parameters
  var entries: [Int64: IndexEntry] = [:]

  private struct Text {
    var title: [String]
    var body: [String]
  }

  private struct Unit {
    var words: [String]
    var field: LexicalField?
    var occurrence: LexicalQuery.Occurrence
  }

  func search(_ query: LexicalQuery, as principal: Principal) -> [Int64: Double] {
    let texts = entries.mapValues { entry in
      Text(
        title: parameters.titleWeight > 0 ? Analyzer.english.terms(entry.title) : [],
        body: Analyzer.english.terms(entry.body))
    }
    let readable = Set(entries.values.filter { principal.mayRead($0.readers) }.map(\.id))
    var units: [Unit] = []
    for clause in query.clauses {
      let words = Analyzer.english.terms(clause.text)
      guard !words.isEmpty else { continue }
      if clause.field == nil, !clause.isPhrase, clause.occurrence == .optional {
        units += words.map { Unit(words: [$0], field: nil, occurrence: .optional) }
      } else if words.count > 1, clause.occurrence == .optional,
        !readable.contains(where: { texts[$0].map { count(words, clause.field, $0) > 0 } ?? false })
      {
        units += words.map { Unit(words: [$0], field: clause.field, occurrence: .optional) }
      } else {
        units.append(Unit(words: words, field: clause.field, occurrence: clause.occurrence))
      }
    }
    var scores: [Int64: Double] = [:]
    for id in readable {
      guard let text = texts[id] else { continue }
      let counts = units.map { count($0.words, $0.field, text) }
      let isOut = zip(units, counts).contains { unit, count in
        unit.occurrence == .required && count == 0 || unit.occurrence == .excluded && count > 0
      }
      if isOut { continue }
      for (unit, count) in zip(units, counts) where count > 0 && unit.occurrence != .excluded {
        scores[id, default: 0] += score(unit, count, text, texts)
      }
    }
    return scores
  }

  private func score(_ unit: Unit, _ count: Double, _ text: Text, _ texts: [Int64: Text]) -> Double {
    let fieldOfRarity = unit.words.count == 1 ? unit.field : nil
    let inverse = unit.words.reduce(0) { sum, word in
      let having = Double(texts.values.count { self.count([word], fieldOfRarity, $0) > 0 })
      return sum + log1p((Double(texts.count) - having + 0.5) / (having + 0.5))
    }
    let average = texts.values.reduce(0) { $0 + length($1, unit.field) } / Double(texts.count)
    let (k1, b) =
      switch unit.field {
      case nil: (Double(parameters.k1), Double(parameters.b))
      case .title: (Double(parameters.title.k1), Double(parameters.title.b))
      case .body: (Double(parameters.body.k1), Double(parameters.body.b))
      }
    let norm = k1 * (1 - b + b * length(text, unit.field) / max(average, 1e-6))
    return inverse * count / (count + norm)
  }

  private func length(_ text: Text, _ field: LexicalField?) -> Double {
    switch field {
    case nil: Double(parameters.titleWeight * text.title.count + text.body.count)
    case .title: Double(text.title.count)
    case .body: Double(text.body.count)
    }
  }

  /// How often the words follow each other.
  private func count(_ words: [String], _ field: LexicalField?, _ text: Text) -> Double {
    func occurrences(_ terms: [String]) -> Double {
      guard terms.count >= words.count else { return 0 }
      return Double((0...(terms.count - words.count)).count { Array(terms[$0..<($0 + words.count)]) == words })
    }
    switch field {
    case nil:
      // A word's weight in the title does not carry over to phrases.
      let weight = words.count == 1 ? Double(parameters.titleWeight) : 1
      return weight * occurrences(text.title) + occurrences(text.body)
    case .title: return occurrences(text.title)
    case .body: return occurrences(text.body)
    }
  }
}
