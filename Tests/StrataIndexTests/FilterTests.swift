// Tests that bitmaps of filters are what the definition of filters says.
import Foundation
import StrataCore
import StrataIndex
import Testing

@Suite("Filters")
struct FilterTests {
  static let texts = ["", "a", "ab", "abc", "b", "B", "é", "z\u{0}", "Ω"]

  static func value(_ random: inout SeededGenerator) -> FieldValue {
    switch Int.random(in: 0..<6, using: &random) {
    case 0: .string(texts.randomElement(using: &random) ?? "")
    case 1:
      .strings((0..<Int.random(in: 0...3, using: &random)).compactMap { _ in texts.randomElement(using: &random) })
    case 2: .boolean(Bool.random(using: &random))
    case 3: .date(Date(timeIntervalSinceReferenceDate: Double(Int.random(in: -2...2, using: &random))))
    default: .number([-.infinity, -1, -0.0, 0, 0.5, 1, 7, .nan].randomElement(using: &random) ?? 0)
    }
  }

  static func filter(_ random: inout SeededGenerator, depth: Int) -> Filter {
    let name = ["f", "g", "h"].randomElement(using: &random) ?? "f"
    switch Int.random(in: 0..<(depth > 0 ? 8 : 5), using: &random) {
    case 0: return .equals(name, value(&random))
    case 1: return .in(name, (0..<Int.random(in: 0...3, using: &random)).map { _ in value(&random) })
    case 2:
      let ends = (0..<2).map { _ in Int.random(in: 0..<4, using: &random) == 0 ? nil : value(&random) }
      return .range(
        name,
        FieldRange(
          from: ends[0], through: ends[1], includesLower: Bool.random(using: &random),
          includesUpper: Bool.random(using: &random)))
    case 3: return .exists(name)
    case 4: return .prefix(name, texts.randomElement(using: &random) ?? "")
    case 5: return .not(filter(&random, depth: depth - 1))
    default:
      let parts = (0..<Int.random(in: 0...3, using: &random)).map { _ in filter(&random, depth: depth - 1) }
      return Bool.random(using: &random) ? .and(parts) : .or(parts)
    }
  }

  @Test("Random filters over random fields find what the definition says, before and after merging and reopening")
  func oracle() throws {
    var random = SeededGenerator(state: 17)
    let folder = try IndexFolder()
    var index = try HybridIndex.open(folder: folder.path, dimension: nil, options: DurableModel.options())
    var fields: [Int64: [String: FieldValue]] = [:]
    for round in 0..<20 {
      let entries = (0..<15).map { number in
        let id = Int64(round * 15 + number)
        for name in ["f", "g", "h"] where Int.random(in: 0..<4, using: &random) > 0 {
          fields[id, default: [:]][name] = Self.value(&random)
        }
        return IndexEntry(id: id, document: "d", body: "word", readers: [.everyone], fields: fields[id, default: [:]])
      }
      try index.apply(adding: entries)
      if round == 12 {
        try index.compact()
        index = HybridIndex(dimension: nil)
        index = try HybridIndex.open(folder: folder.path, dimension: nil, options: DurableModel.options())
      }
      let snapshot = index.snapshot()
      for _ in 0..<100 {
        let filter = Self.filter(&random, depth: 3)
        let readable = snapshot.readable(by: .anonymous, matching: filter)
        let found = Set(snapshot.lexical("word", limit: 1000, within: readable).map(\.id))
        let expected = Set((0..<Int64(round * 15 + 15)).filter { filter.matches(fields[$0] ?? [:]) })
        #expect(found == expected, "\(filter)")
      }
    }
  }

  @Test("A filter never shows what may not be read")
  func access() throws {
    let index = HybridIndex(dimension: nil)
    try index.apply(adding: [
      IndexEntry(id: 1, document: "a", body: "word", readers: [.user("ann")], fields: ["x": .boolean(true)]),
      IndexEntry(id: 2, document: "b", body: "word", readers: [], fields: [:]),
    ])
    let snapshot = index.snapshot()
    for filter in [Filter.exists("x"), .not(.exists("x")), .not(.or([])), .and([])] {
      #expect(snapshot.readable(by: .anonymous, matching: filter).isEmpty)
    }
    #expect(snapshot.readable(by: Principal(user: "ann"), matching: .equals("x", .boolean(true))).count == 1)
  }
}
