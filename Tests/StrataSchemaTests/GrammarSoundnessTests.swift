// Owns the proof by example that what a grammar accepts is valid, over all schemas of the official suite.

import StrataCore
import StrataSchema
import Testing

/// A small generator with a fixed sequence (SplitMix64).
struct SeededGenerator: RandomNumberGenerator {
  var state: UInt64
  mutating func next() -> UInt64 {
    state &+= 0x9E37_79B9_7F4A_7C15
    var z = state
    z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
    z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
    return z ^ (z >> 31)
  }
}

extension TokenVocabulary {
  /// Every byte is a token; 256 ends the generation.
  static let bytes = TokenVocabulary(tokens: (0..<256).map { [UInt8($0)] } + [[]], endOfGeneration: [256])
}

/// Writes a random text that the grammar accepts; nil when it does not end in time.
func randomText(_ grammar: Grammar, using generator: inout SeededGenerator, limit: Int = 4_000) -> [UInt8]? {
  var matcher = GrammarMatcher(grammar, vocabulary: .bytes)
  var mask = TokenMask(count: 257)
  var text: [UInt8] = []
  while text.count < limit {
    matcher.fillMask(&mask)
    let allowed = mask.allowedTokens
    guard !allowed.isEmpty else { return nil }
    if mask.contains(256), allowed.count == 1 || Int.random(in: 0..<3, using: &generator) == 0 { return text }
    let closing = allowed.filter { [0x22, 0x5D, 0x7D].contains($0) }
    let plain = allowed.filter { $0 >= 0x20 && $0 < 0x7F }
    var pool = allowed.filter { $0 < 256 }
    let haste = text.count > 200 ? 9 : 3
    if !closing.isEmpty, Int.random(in: 0..<10, using: &generator) < haste {
      pool = closing
    } else if !plain.isEmpty, Int.random(in: 0..<10, using: &generator) < 8 {
      pool = plain
    }
    guard let token = pool.randomElement(using: &generator), matcher.accept(token: token) else { return nil }
    text.append(UInt8(token))
  }
  return nil
}

@Suite("Grammar soundness over the official suite")
struct GrammarSoundnessTests {
  /// The value with its top members in every order, up to five members; numbers as the grammar spells them.
  private func spellings(_ value: JSON) -> [[UInt8]] {
    guard case .object(let members) = plain(value), (2...5).contains(members.count) else {
      return [plain(value).utf8()]
    }
    var orders: [[(String, JSON)]] = [[]]
    for member in members {
      orders = orders.flatMap { order in
        (0...order.count).map { position in
          var longer = order
          longer.insert((member.key, member.value), at: position)
          return longer
        }
      }
    }
    return orders.map { JSON.object(JSONObject($0)).utf8() }
  }

  private func plain(_ value: JSON) -> JSON {
    switch value {
    case .number(let number): number.intValue.map(JSON.int) ?? value
    case .array(let items): .array(items.map(plain))
    case .object(let members): .object(JSONObject(members.map { ($0.key, plain($0.value)) }))
    default: value
    }
  }

  @Test(
    "what a grammar accepts validates, and most valid instances are accepted", arguments: ["draft2020-12", "draft7"])
  func suite(draft: String) throws {
    guard let suite = SchemaSuite.shared else {
      print("skipped: the JSON Schema test suite is not there (STRATA_DATA)")
      return
    }
    let remotes = try suite.remotes()
    var generator = SeededGenerator(state: 7)
    var schemas = 0
    var refused: [String: Int] = [:]
    var unsatisfiable = 0
    var walks = 0
    var unfinished = 0
    var covered = 0
    var valid = 0
    var approximable = 0
    for group in try suite.groups(draft, optional: false) {
      let options = JSONSchema.Options(defaultDraft: draft == "draft7" ? .draft7 : .draft2020v12)
      let schema = try JSONSchema(group.schema, resources: remotes, options: options)
      let grammar: Grammar
      do throws(SchemaError) {
        grammar = try Grammar(schema)
      } catch {
        if error.code == SchemaError.unsatisfiable {
          unsatisfiable += 1
          #expect(
            !group.cases.contains { $0.isValid && Grammar.anyJSON.accepts($0.data.utf8()) }, "\(group.description)")
        } else {
          let keyword = error.location?.split(separator: "/").last.map(String.init) ?? error.message
          refused[keyword, default: 0] += 1
          if (try? Grammar(schema, options: .init(allowsApproximation: true))) != nil { approximable += 1 }
        }
        continue
      }
      schemas += 1
      for _ in 0..<30 {
        guard let text = randomText(grammar, using: &generator) else {
          unfinished += 1
          continue
        }
        walks += 1
        let shown = String(decoding: text, as: UTF8.self)
        let value = try JSON(parsing: text)
        let issues = schema.validate(value)
        #expect(issues.isEmpty, "\(group.file): \(group.description): \(shown): \(issues)")
        #expect(grammar.accepts(text))
      }
      for test in group.cases {
        let isAccepted = spellings(test.data).contains { grammar.accepts($0) }
        if test.isValid {
          valid += 1
          if isAccepted { covered += 1 }
          if !isAccepted, SchemaSuite.isVerbose {
            print("not covered: \(group.file): \(group.description): \(test.description): \(test.data)")
          }
        } else {
          #expect(!isAccepted, "\(group.file): \(group.description): \(test.description): \(test.data)")
        }
      }
    }
    print(
      """
      \(draft): \(schemas) schemas compiled, \(unsatisfiable) unsatisfiable, \(refused.values.reduce(0, +)) refused \
      (\(approximable) of them can be approximated): \(refused.sorted { $0.value > $1.value })
      \(draft): \(walks) random walks valid, \(unfinished) unfinished; \(covered) of \(valid) valid instances accepted
      """)
    #expect(covered * 100 >= valid * 85)
  }
}
