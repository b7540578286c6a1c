import Foundation
import StrataEvaluation
import Testing

@Suite struct SpanScoreTests {
  private func chunk(_ range: Range<Int>, _ corpus: String = "c") -> ChunkSpan {
    ChunkSpan(corpus: corpus, range: range, tokens: range.count)
  }

  @Test("recall, precision and IoU on an example worked by hand")
  func example() {
    // 10 of 20 marked characters are found, in 30 + 10 characters retrieved, of which 10 lie in another corpus.
    let score = SpanScore(retrieved: [chunk(0..<30), chunk(0..<10, "d")], references: [20..<40], corpus: "c")
    #expect(score.recall == 0.5 && score.precision == 0.25 && score.iou == 10.0 / 50)
    let twice = SpanScore(retrieved: [chunk(0..<30), chunk(10..<40)], references: [20..<40], corpus: "c")
    #expect(twice.recall == 1 && twice.precision == 20.0 / 60 && twice.iou == 20.0 / 60)
    let none = SpanScore(retrieved: [], references: [20..<40], corpus: "c")
    #expect(none.recall == 0 && none.precision == 0 && none.iou == 0)
    #expect(SpanScore.bound(chunks: [chunk(0..<30), chunk(50..<90)], references: [20..<40], corpus: "c") == 10.0 / 40)
  }

  @Test("the public data set is read whole, and each marked span is the text that it says")
  func dataset() throws {
    let folder = (ProcessInfo.processInfo.environment["STRATA_DATA"] ?? "../shared/data") + "/retrieval/chunking"
    guard FileManager.default.fileExists(atPath: folder) else {
      print("skipped: there is no \(folder)")
      return
    }
    let dataset = try ChunkingDataset(folder: folder)
    #expect(dataset.corpora.count == 5 && dataset.questions.count == 472)
    let question = try #require(dataset.questions.first)
    let text = try #require(dataset.corpora.first { $0.id == question.corpus }?.text)
    let scalars = Array(text.unicodeScalars)[question.references[0]]
    #expect(String(String.UnicodeScalarView(scalars)).hasPrefix("My administration announced"))
  }

  @Test("a folder without questions is refused")
  func missing() { #expect(throws: EvaluationError.self) { try ChunkingDataset(folder: "/nowhere") } }
}
