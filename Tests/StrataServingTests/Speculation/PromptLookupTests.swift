import StrataServing
import Testing

@Suite("PromptLookup")
struct PromptLookupTests {
  private func lookup(_ tokens: [Int32]) -> PromptLookup {
    var lookup = PromptLookup()
    lookup.update(tokens)
    return lookup
  }

  @Test("what followed the same tokens before is guessed")
  func quotes() {
    let draft = lookup([9, 1, 2, 3, 4, 5, 6, 7, 8, 1, 2, 3]).draft(limit: 4)
    #expect(draft.tokens == [4, 5, 6, 7])
    #expect(draft.grades.count == 4)
  }

  @Test("a longer match wins over a more recent one, agreement over a single dissenter")
  func votes() {
    // After 1 2 3 came 4; after 9 2 3, more recent, came 5.
    #expect(lookup([1, 2, 3, 4, 9, 2, 3, 5, 8, 1, 2, 3]).draft(limit: 1).tokens == [4])
    #expect(lookup([2, 3, 4, 0, 2, 3, 4, 0, 2, 3, 7, 6, 5, 2, 3]).draft(limit: 1).tokens == [4])
    #expect(lookup([2, 3, 4, 0, 2, 3, 7, 6, 5, 2, 3]).draft(limit: 1).tokens == [7])
  }

  @Test("a loop is followed round and round")
  func loops() {
    #expect(lookup([1, 2, 3, 1, 2, 3]).draft(limit: 8).tokens == [1, 2, 3, 1, 2, 3, 1, 2])
    #expect(lookup([5, 5]).draft(limit: 4).tokens == [5, 5, 5, 5])
  }

  @Test("nothing is guessed after what never occurred")
  func unknown() {
    #expect(lookup([1, 2, 3, 4]).draft(limit: 4).tokens.isEmpty)
    #expect(lookup([1]).draft(limit: 4).tokens.isEmpty)
    #expect(lookup([]).draft(limit: 4).tokens.isEmpty)
    #expect(lookup([1, 2, 1]).draft(limit: 0).tokens.isEmpty)
  }

  @Test("token by token and at once are the same, for any text")
  func incremental() {
    var random = RandomSource(seed: 4)
    let text = (0..<400).map { _ in Int32(random.next() % 7) }
    var growing = PromptLookup(expectedCount: 400)
    for count in 1...text.count {
      growing.update(Array(text.prefix(count)))
      guard count % 37 == 0 else { continue }
      var fresh = PromptLookup(expectedCount: 400)
      fresh.update(Array(text.prefix(count)))
      #expect(growing.draft(limit: 6).tokens == fresh.draft(limit: 6).tokens)
    }
  }

  @Test("a guess always stands in the text after the token that it follows")
  func grounded() {
    var random = RandomSource(seed: 8)
    for _ in 0..<200 {
      let text = (0..<60).map { _ in Int32(random.next() % 12) }
      guard let first = lookup(text).draft(limit: 1).tokens.first else { continue }
      #expect(zip(text, text.dropFirst()).contains { $0 == text[59] && $1 == first })
    }
  }

  @Test("text made to hurt is taken in and looked up in linear time")
  func adversarial() {
    var lookup = PromptLookup(expectedCount: 100_000)
    let text = (0..<100_000).map { Int32($0 % 1_000 == 999 ? $0 : 1) }
    let clock = ContinuousClock()
    let elapsed = clock.measure {
      lookup.update(text)
      for _ in 0..<1_000 { _ = lookup.draft(limit: 15) }
    }
    // Some 40 ms; quadratic would take minutes.
    #expect(elapsed < .seconds(5))
  }
}
