import Foundation
import StrataCore
import StrataRetrieval
import Testing

@Suite("Faithfulness")
struct FaithfulnessTests {
  let evidence = [
    "The tower in Riga was finished in 1924. It is 96 metres high and belongs to the city.",
    "Visitors may climb it from May to September. Tickets cost 8 euros.",
  ]

  private func check(_ answer: String, _ evidence: [String]? = nil) async throws -> FaithfulnessReport {
    try await FaithfulnessScorer(embedder: nil).check(answer, evidence: evidence ?? self.evidence)
  }

  @Test("what the evidence says rates above what it says in part, and that above what it does not say")
  func order() async throws {
    let report = try await check(
      """
      The tower in Riga was finished in 1924. The tower in Riga was finished in 1931 by Karl Ulmanis. \
      Penguins breed on the Antarctic coast.
      """)
    let estimates = report.sentences.compactMap(\.estimate)
    #expect(estimates.count == 3)
    #expect(estimates[0].verdict == .supported && estimates[2].verdict == .unsupported)
    #expect(estimates[0].score > estimates[1].score && estimates[1].score > estimates[2].score)
    let first = report.sentences[0].evidence.first
    #expect(first?.piece == 0 && first?.range.lowerBound == 0)
    for estimate in estimates {
      #expect(estimate.low <= estimate.score && estimate.score <= estimate.high)
      #expect(abs(estimate.probabilities.reduce(0, +) - 1) < 1e-9)
    }
  }

  @Test("nothing claimed, nothing to rest on, and far too much of it have defined results")
  func edges() async throws {
    #expect(try await check("").sentences.isEmpty)
    #expect(try await check("").score == nil)
    let greeting = try await check("… ! ---\n\n***")
    #expect(greeting.sentences.allSatisfy { $0.estimate == nil } && greeting.score == nil)
    let alone = try await check("Riga has a tower.", [])
    #expect(alone.sentences.map { $0.estimate?.verdict } == [.unsupported])
    #expect(alone.score?.mean == 0 && alone.score?.high == 0)
    #expect(try await check("Riga has a tower.", ["", " \n"]).score?.mean == 0)
    let huge = [String](repeating: String(repeating: "The tower is high. Riga is a city. ", count: 400), count: 10)
    let report = try await check("Riga has a tower.", huge)
    #expect(report.score?.mean.isFinite == true)
    let endless = String(repeating: "word", count: 200_000) + " " + String(repeating: "1,2.3 ", count: 50_000)
    #expect(try await check(endless, [endless]).score?.mean.isFinite == true)
    #expect(try await check("\u{0}\u{FFFD}é̂́ 🏴‍☠️ 42", ["\u{202E}42"]).score?.mean.isFinite == true)
  }

  @Test("the same input gives the same bits, in any order of asking and from many tasks at once")
  func determinism() async throws {
    let answer = "The tower in Riga is 96 metres high. Tickets cost 9 euros. It was never finished."
    let first = try await check(answer).json.text()
    let others = try await withThrowingTaskGroup(of: String.self) { group in
      for _ in 0..<16 { group.addTask { try await check(answer).json.text() } }
      return try await group.reduce(into: Set<String>()) { $0.insert($1) }
    }
    #expect(others == [first])
  }

  @Test("a name or a figure that no evidence has is never supported", arguments: ["in Oslo", "in 2019"])
  func specifics(added: String) async throws {
    let evidence = ["The limit for a hotel night is 165 euros, breakfast included."]
    let plain = try await check("The limit for a hotel night is 165 euros.", evidence)
    #expect(plain.sentences.first?.estimate?.verdict == .supported)
    let report = try await check("The limit for a hotel night \(added) is 165 euros.", evidence)
    #expect(report.sentences.first?.estimate?.verdict == .partial)
  }

  @Test("a figure that the evidence does not have costs support")
  func numbers() async throws {
    let right = try await check("Tickets cost 8 euros.").score?.mean ?? 0
    let wrong = try await check("Tickets cost 15 euros.").score?.mean ?? 1
    #expect(right > wrong)
  }

  /// Made by Golden/make_logistic.py with scikit-learn.
  @Test("the regressions agree with scikit-learn, and come back whole from JSON")
  func oracle() throws {
    let url = URL(fileURLWithPath: #filePath).deletingLastPathComponent().appendingPathComponent("Golden/logistic.json")
    let golden = try JSON(parsing: [UInt8](Data(contentsOf: url)))
    func numbers(_ json: JSON?) -> [Double] { json?.arrayValue?.compactMap(\.doubleValue) ?? [] }
    let rows = (golden["rows"]?.arrayValue ?? []).map(numbers)
    let labels = numbers(golden["labels"]).compactMap { Support(rawValue: Int($0)) }
    let model = FaithfulnessModel(
      fitting: rows, labels: labels, features: ["a", "b", "c"], penalty: try #require(golden["penalty"]?.doubleValue))
    let supported = numbers(golden["supported"])
    let partial = numbers(golden["at_least_partial"])
    #expect(rows.count == 60 && supported.count == 60 && labels.count == 60)
    for (index, row) in rows.enumerated() {
      let estimate = model.estimate(row)
      #expect(abs(estimate.probabilities[2] - supported[index]) < 2e-4)
      #expect(abs(1 - estimate.probabilities[0] - max(partial[index], supported[index])) < 2e-4)
    }
    let copy = try FaithfulnessModel(try JSON(parsing: model.json.text()))
    #expect(abs(copy.estimate(rows[0]).score - model.estimate(rows[0]).score) < 1e-4)
    #expect(throws: RetrievalError.self) { try FaithfulnessModel(["features": ["a"], "frequencies": [1, 1, 1]]) }
  }
}

@Suite("EntailmentJudge")
struct EntailmentJudgeTests {
  /// Says yes the more surely, the more words of the claim the evidence has; `sure` is how far it goes.
  private struct WordCounter: LanguageModel {
    var info = ModelInfo(id: "counter", contextLength: 4096)
    var sure: Float = 1

    func generate(_ request: GenerationRequest) -> AsyncThrowingStream<GenerationEvent, any Error> {
      AsyncThrowingStream { continuation in
        guard case .messages(let messages) = request.input, request.maxTokens == 1, request.topLogprobs != nil,
          let input = messages.last.flatMap({ try? JSON(parsing: $0.content) })
        else { return continuation.finish() }
        let words = Set((input["evidence"]?.stringValue ?? "").split(separator: " "))
        let claim = (input["claim"]?.stringValue ?? "").split(separator: " ")
        let odds = sure * Float(claim.count { words.contains($0) }) - 1
        let yes = TokenLogprob(token: " Yes", bytes: Array(" Yes".utf8), logprob: odds)
        let no = TokenLogprob(token: "no", bytes: Array("no".utf8), logprob: 0)
        continuation.yield(
          .text("no", logprobs: [TokenLogprob(token: "no", bytes: no.bytes, logprob: 0, alternatives: [no, yes])]))
        continuation.yield(.finished(.length, Usage(), GenerationTimings()))
        continuation.finish()
      }
    }

    func countTokens(_ input: GenerationRequest.Input, tools: [ToolDefinition]) async throws -> Int { 1 }
  }

  private struct Contract: PromptContract {
    var name = "entail"
    var version = "1.0.0"
    var contentHash = ""
    var inputSchema: JSON = [:]
    var outputSchema: JSON?
    var settings: JSON = [:]
    var sampling = SamplingParameters.greedy
    var maxTokens: Int? = 1

    func messages(for input: JSON) throws -> [Message] { [.user(input.text())] }
  }

  private func rows(_ model: WordCounter, _ claims: [(String, [String])]) async throws -> [[Double]?] {
    try await FaithfulnessScorer.features(
      of: claims.map { (text: $0.0, evidence: $0.1) }, embedder: nil,
      judge: EntailmentJudge(model, contract: Contract(), width: 3))
  }

  @Test("odds of yes and what the evidence adds to them are the last features, in the order of the claims")
  func features() async throws {
    let claims = (0..<20).map { ("tower in Riga is high", [$0 % 2 == 0 ? "the tower is high" : "the sea"]) }
    let rows = try await rows(WordCounter(), claims)
    for (index, row) in rows.enumerated() {
      #expect(row?.suffix(2) == (index % 2 == 0 ? [2, 3] : [-1, 0]))
      #expect(row?.count == FaithfulnessScorer.featureNames(withVectors: false, withJudge: true).count)
    }
    let odd = try await self.rows(WordCounter(), [("…", ["a"]), ("tower", [])])
    #expect(odd == [nil, []])
  }

  @Test("odds without bound stay finite", arguments: [Float.infinity, -.infinity, .nan, 1e30])
  func finite(sure: Float) async throws {
    let rows = try await rows(WordCounter(sure: sure), [("tower high", ["tower high"])])
    #expect(rows[0]?.allSatisfy(\.isFinite) == true)
  }

  @Test("a model that was fitted without the judge, or with another, is refused")
  func mismatch() async throws {
    let judge = EntailmentJudge(WordCounter(), contract: Contract())
    #expect(throws: RetrievalError.self) { try FaithfulnessScorer(embedder: nil, judge: judge) }
    let names = FaithfulnessScorer.featureNames(withVectors: false, withJudge: true)
    let claims: [(String, [String])] = (0..<30).map { ("tower is high", [["tower is high", "tower", "sea"][$0 % 3]]) }
    let known = try await rows(WordCounter(), claims).compactMap { $0 }
    let labels: [Support] = (0..<30).map { [.supported, .partial, .unsupported][$0 % 3] }
    let model = FaithfulnessModel(fitting: known, labels: labels, features: names, judge: judge.id, penalty: 1)
    let other = EntailmentJudge(WordCounter(info: ModelInfo(id: "other", contextLength: 1)), contract: Contract())
    #expect(throws: RetrievalError.self) { try FaithfulnessScorer(embedder: nil, judge: other, model: model) }
    let copy = try FaithfulnessModel(try JSON(parsing: model.json.text()))
    let report = try await FaithfulnessScorer(embedder: nil, judge: judge, model: copy).check(
      "tower is high. … bird sings", evidence: ["tower is high"])
    #expect(report.sentences.map { $0.estimate?.verdict } == [.supported, .unsupported])
    let read = FaithfulnessReport(try JSON(parsing: report.json.text()))
    #expect(read?.sentences.map(\.json) == report.sentences.map(\.json))
  }
}
