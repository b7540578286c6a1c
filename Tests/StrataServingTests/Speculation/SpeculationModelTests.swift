import Foundation
import StrataCore
import StrataModel
import StrataServing
import Testing

private let folder = ProcessInfo.processInfo.environment["STRATA_TEST_MODELS"] ?? ""
private let smallModelPath = folder + "/smollm2-135m.gguf"
private let otherModelPath = folder + "/qwen2.5-coder-0.5b.gguf"

/// The promise that speculation changes nothing, kept by a real model.
@Suite(
  "Speculation",
  .enabled(
    if: FileManager.default.fileExists(atPath: smallModelPath),
    "STRATA_TEST_MODELS holds no smollm2-135m.gguf"), .serialized)
struct SpeculationModelTests {
  private static let passage =
    "The ferry leaves Port Ellery at 07:40 and 16:15. The crossing takes 35 minutes, and bicycles travel free of charge."

  /// Twenty prompts, of which some make the model repeat itself or the prompt, and some do not.
  private static let prompts: [GenerationRequest.Input] =
    [
      "The capital of France is", "Once upon a time", "def main():\n", "Water boils at", "1, 2, 3, 1, 2, 3, 1,",
      "To be, or not to be,", "A list of fruit: apple, pear,", "The the the the", "import os\nimport", "In 1969,",
      "Dear Sir or Madam,", "{\"a\": 1, \"b\": 2, \"a\":", passage + " The ferry leaves", "Roses are red,",
    ].map { .prompt($0) }
    + [
      "Repeat this: \(passage)", "Quote the first sentence: \(passage)", "When does the ferry leave? \(passage)",
      "What is 2 + 2?", "Write a short poem about rain.", "Name three colours.",
    ].map { .messages([.user($0)]) }

  private func model(_ speculation: Speculation) throws -> LocalModel {
    try LocalModel(id: "test", path: smallModelPath, pool: ComputePool(threads: 2), speculation: speculation)
  }

  /// All answers, four at a time.
  private func answers(_ model: LocalModel, _ requests: [GenerationRequest]) async throws -> [GenerationResult] {
    try await withThrowingTaskGroup(of: (Int, GenerationResult).self) { group in
      var answers = [GenerationResult?](repeating: nil, count: requests.count)
      var next = 0
      func start() {
        guard next < requests.count else { return }
        let index = next
        next += 1
        group.addTask { (index, try await model.complete(requests[index])) }
      }
      for _ in 0..<4 { start() }
      while let (index, answer) = try await group.next() {
        answers[index] = answer
        start()
      }
      return answers.compactMap { $0 }
    }
  }

  /// Compares off with `speculation`. Kernel tests of this process switch the instruction set for moments, which tips
  /// near-ties: then we look again. A defect would show every time.
  private func expectSame(
    _ requests: [GenerationRequest], _ speculation: Speculation, accepts: Bool = true
  ) async throws {
    for attempt in 1...3 {
      let plain = try await answers(model(.off), requests)
      let fast = try model(speculation)
      let guessed = try await answers(fast, requests)
      if attempt < 3, zip(plain, guessed).contains(where: { $0.text != $1.text }) { continue }
      for (a, b) in zip(plain, guessed) {
        #expect(a.text == b.text)
        #expect(a.usage.completionTokens == b.usage.completionTokens)
        #expect(a.finishReason == b.finishReason)
        #expect(a.logprobs == b.logprobs)
      }
      if accepts { #expect(fast.status.acceptedTokens > 20) }
      #expect(fast.status.acceptedTokens <= fast.status.draftedTokens)
      return
    }
  }

  private func requests(_ sampling: SamplingParameters, topLogprobs: Int? = nil, maxTokens: Int = 48)
    -> [GenerationRequest]
  {
    Self.prompts.map {
      GenerationRequest($0, sampling: sampling, maxTokens: maxTokens, topLogprobs: topLogprobs)
    }
  }

  @Test("greedy text of twenty prompts is the same, token for token, with its log-probabilities")
  func greedy() async throws {
    try await expectSame(requests(.greedy, topLogprobs: 2), .lookup)
  }

  @Test("text drawn with a seed and penalties is the same too")
  func seeded() async throws {
    let sampling = SamplingParameters(
      temperature: 0.8, topP: 0.9, topK: 40, frequencyPenalty: 0.2, seed: 5, logitBias: [260: -2])
    try await expectSame(requests(sampling), .lookup, accepts: false)
  }

  @Test("constrained values are the same, with and without forced text")
  func constrained() async throws {
    let schema: JSON = [
      "type": "object", "required": ["quote", "words", "kind"], "additionalProperties": false,
      "properties": [
        "quote": ["type": "string", "maxLength": 120],
        "words": ["type": "array", "items": ["type": "string"], "maxItems": 4],
        "kind": ["enum": ["a timetable of ferries", "a timetable of trains", "a poem"]],
      ],
    ]
    let requests = Self.prompts.suffix(6).flatMap { prompt in
      [nil, 1].map {
        GenerationRequest(
          prompt, output: .jsonSchema(schema), sampling: .greedy, maxTokens: 80, topLogprobs: $0)
      }
    }
    try await expectSame(requests, .lookup, accepts: false)
  }

  @Test("a model that drafts for itself is nearly always right, and changes nothing")
  func draftModel() async throws {
    try await expectSame(
      Array(requests(.greedy, maxTokens: 32).suffix(8)), .draft(path: smallModelPath), accepts: false)
    let model = try model(.draft(path: smallModelPath))
    _ = try await answers(model, Array(requests(.greedy, maxTokens: 64).prefix(4)))
    #expect(Double(model.status.acceptedTokens) >= 0.9 * Double(model.status.draftedTokens))
  }

  @Test(
    "a draft model with other tokens is refused when loading",
    .enabled(if: FileManager.default.fileExists(atPath: otherModelPath)))
  func mismatch() throws {
    let error = #expect(throws: ServingError.self) { try model(.draft(path: otherModelPath)) }
    #expect(error?.code == ServingError.draftVocabularyMismatch)
    #expect(error?.message.contains("tokens") == true)
  }

  @Test("no text grows beyond its limit, and stop strings cut where they would")
  func limits() async throws {
    let loop = GenerationRequest(.prompt("1, 2, 3, 1, 2, 3, 1, 2, 3,"), sampling: .greedy, maxTokens: 7)
    let answer = try await model(.lookup).complete(loop)
    #expect(answer.usage.completionTokens == 7 && answer.finishReason == .length)
    var stopped = loop
    stopped.maxTokens = 60
    stopped.stop = ["3, 1"]
    let (plain, guessed) = try await (model(.off).complete(stopped), model(.lookup).complete(stopped))
    #expect(plain.text == guessed.text && !guessed.text.contains("3, 1"))
  }
}
