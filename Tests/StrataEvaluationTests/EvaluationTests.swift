import Foundation
import StrataCore
import StrataEvaluation
import Testing

@Suite struct RankingMetricsTests {
  @Test("nDCG in trec_eval's form on an example worked by hand")
  func ndcg() {
    let grades = ["a": 2, "b": 1, "c": 0, "d": 1]
    // DCG = 1/1 + 0/log2(3) + 2/2 = 2; ideal = 2/1 + 1/log2(3) + 1/2 = 3.1309.
    let value = RankingMetrics.ndcg(["b", "x", "a"], grades, at: 10)
    #expect(abs(value - 2 / (2 + 1 / log2(3) + 0.5)) < 1e-12)
    #expect(RankingMetrics.ndcg(["a", "b", "d"], grades, at: 10) == 1)
    #expect(RankingMetrics.ndcg([], grades, at: 10) == 0)
    #expect(RankingMetrics.ndcg(["a"], [:], at: 10) == 0)
  }

  @Test("recall and reciprocal rank")
  func others() {
    let grades = ["a": 1, "b": 1, "c": 0]
    #expect(RankingMetrics.recall(["c", "a", "x", "b"], grades, at: 2) == 0.5)
    #expect(RankingMetrics.reciprocalRank(["c", "a"], grades) == 0.5)
    #expect(RankingMetrics.reciprocalRank(["x"], grades) == 0)
  }

  @Test("the bootstrap brackets the mean and repeats itself")
  func bootstrap() {
    let values = (0..<300).map { Double($0 % 10) / 10 }
    let interval = Interval(bootstrapping: values)
    #expect(interval.low < interval.mean && interval.mean < interval.high)
    #expect(interval == Interval(bootstrapping: values))
    #expect(interval.high - interval.low < 0.1)
    #expect(Interval(bootstrapping: []).mean == 0)
  }
}

@Suite struct BEIRTests {
  static let folder = (ProcessInfo.processInfo.environment["STRATA_DATA"] ?? "../shared/data") + "/retrieval/scifact"

  @Test(
    "SciFact loads with all judged queries, and the perfect ranking scores 1",
    .enabled(if: FileManager.default.fileExists(atPath: folder), "set STRATA_DATA to load SciFact"))
  func scifact() async throws {
    let dataset = try RetrievalDataset(folder: Self.folder)
    #expect(dataset.documents.count == 5_183)
    #expect(dataset.queries.count == 300)
    let ideal = Dictionary(
      dataset.queries.map { ($0.text, Array((dataset.judgements[$0.id] ?? [:]).filter { $0.value > 0 }.keys)) },
      uniquingKeysWith: { first, _ in first })
    let report = try await RetrievalEvaluation.run(
      dataset, methods: [("ideal", { query, _ in ideal[query] ?? [] }), ("none", { _, _ in [] })])
    #expect(report.json["ndcg@10"]?["ideal"] == 1)
    #expect(report.json["ndcg@10"]?["none"] == 0)
    #expect(report.text.split(separator: "\n").allSatisfy { $0.count <= 80 })
  }

  @Test(
    "Cranfield and HotpotQA load in layouts of their own",
    .enabled(if: FileManager.default.fileExists(atPath: folder), "set STRATA_DATA to load them"))
  func layouts() throws {
    let cranfield = try RetrievalDataset(folder: Self.folder + "/../cranfield")
    #expect(cranfield.documents.count == 1400 && cranfield.queries.count == 225)
    #expect(cranfield.documents[0].title.hasPrefix("experimental investigation of the aerodynamics"))
    #expect(cranfield.judgements["1"]?["184"] == 3)
    let hotpot = try RetrievalDataset(folder: Self.folder + "/../hotpotqa-100")
    #expect(hotpot.documents.count == 994 && hotpot.queries.count == 100)
    #expect(hotpot.queries.allSatisfy { hotpot.judgements[$0.id]?.count == 2 })
  }

  @Test("a missing folder and a broken line are named")
  func errors() throws {
    #expect(throws: EvaluationError.self) { try RetrievalDataset(folder: "/nowhere") }
    let folder = FileManager.default.temporaryDirectory.appendingPathComponent(UUID().uuidString)
    defer { try? FileManager.default.removeItem(at: folder) }
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    try "{\"_id\":\"1\",\"text\":\"a\"}\nnonsense\n".write(
      to: folder.appendingPathComponent("corpus.jsonl"), atomically: true, encoding: .utf8)
    #expect {
      try RetrievalDataset(folder: folder.path)
    } throws: {
      ($0 as? EvaluationError)?.location?.hasSuffix("corpus.jsonl:2") == true
    }
  }
}

@Suite struct QuestionEvaluationTests {
  static let yaml = """
    restricted_words:
      engineering: [Zephyrine]
    questions:
      - {id: hotel, question: "Hotel limit?", as: sofia, expected: ["165"], source: travel.md, readers: [everyone]}
      - {id: pay, question: "On-call pay?", as: amara, expected: ["320|three hundred"], source: on-call.md,
         readers: ["group:engineering"]}
      - {id: tokyo, question: "Tokyo?", as: sofia, refuse: true, expected: [], readers: []}
    """

  private func report(_ users: [String]? = nil, _ ask: @escaping QuestionEvaluation.Ask) async throws -> QuestionReport
  {
    try await QuestionEvaluation.run(
      QuestionSet(Self.yaml, path: "questions.yaml"), model: "m", groups: ["engineering": ["amara"]], users: users,
      ask: ask)
  }

  @Test("answers, citations and refusals are scored apart")
  func scores() async throws {
    let report = try await report { question, principal in
      switch question {
      case "Hotel limit?": QuestionReply(answer: "It is 1650.", answerable: true, citations: [("travel.md", "q")])
      case "On-call pay?": QuestionReply(answer: "320 euros", answerable: true, citations: [("other.md", "q")])
      default: QuestionReply(answer: "no", answerable: false, citations: [])
      }
    }
    #expect(report.json["answered"] == ["right": 1, "of": 2])
    #expect(report.json["cited"] == ["right": 1, "of": 2])
    #expect(report.json["refused"] == ["right": 1, "of": 1])
    #expect(report.leakCount == 0)
    #expect(report.text.split(separator: "\n").allSatisfy { $0.count <= 80 })
    #expect(report.junit.contains(#"tests="3" failures="2""#))
  }

  @Test("verdicts are compared with what became of the answers; an answer is as good as its worst sentence")
  func verdicts() async throws {
    @Sendable func sentence(_ score: Double, _ verdict: Support) -> SentenceSupport {
      SentenceSupport(
        range: 0..<1, text: "x",
        estimate: SupportEstimate(probabilities: [0, 0, 1], score: score, low: 0, high: 1, verdict: verdict))
    }
    let report = try await report { question, _ in
      let isRight = question == "Hotel limit?"
      let sentences = isRight ? [sentence(0.9, .supported)] : [sentence(0.6, .supported), sentence(0.2, .partial)]
      return QuestionReply(
        answer: isRight ? "165" : "nothing", answerable: true, citations: [("travel.md", "q")],
        faithfulness: FaithfulnessReport(sentences: sentences))
    }
    let verdicts = report.json["verdicts"]
    #expect(verdicts?["supported"] == ["right": 1, "of": 1])
    #expect(verdicts?["partial"] == ["right": 0, "of": 1])
    #expect(verdicts?["unsupported"] == ["right": 0, "of": 0])
    #expect(verdicts?["separation"]?["mean"]?.doubleValue == 1)
    #expect(report.text.contains("right by verdict: supported 1/1  partial 0/1  AUC 1.00"))
  }

  @Test("whoever may not know must be refused, and restricted words are found wherever they show")
  func leaks() async throws {
    let report = try await report(["sofia", "amara"]) { _, _ in
      QuestionReply(answer: "320", answerable: true, citations: [("on-call.md", "q")], exposed: ["… zephyrine …"])
    }
    #expect(report.results.count == 6)
    #expect(report.results.filter { $0.user == "sofia" }.allSatisfy { $0.leaks == ["Zephyrine"] })
    #expect(report.results.filter { $0.user == "amara" }.allSatisfy { $0.leaks.isEmpty })
    let pay = report.results.first { $0.question.id == "pay" && $0.user == "sofia" }
    #expect(pay?.shouldAnswer == false && pay?.isCorrect == false)
  }

  @Test("an error counts as neither answered nor refused")
  func failure() async throws {
    struct Broken: Error {}
    let report = try await report { _, _ in throw Broken() }
    #expect(report.json["correct"] == ["right": 0, "of": 3])
    #expect(report.junit.contains("failed"))
  }

  @Test("the handbook's questions load")
  func handbook() throws {
    let path = URL(fileURLWithPath: #filePath).deletingLastPathComponent().appendingPathComponent(
      "../../Examples/handbook/questions.yaml"
    ).standardizedFileURL.path
    guard FileManager.default.fileExists(atPath: path) else { return }
    let set = try QuestionSet(file: path)
    #expect(set.questions.count == 25)
    #expect(set.restrictedWords.count == 2)
    #expect(throws: EvaluationError.self) { try QuestionSet("questions:\n  - {id: a}", path: "q.yaml") }
  }
}
