import StrataAgents
import StrataCore
import StrataTesting
import Testing

@Suite struct AnswerTests {
  let question = "What is the limit for a hotel night?"

  private func answer(
    _ output: String, settings: JSON = ["min_coverage": 0.3], passages: [Passage] = [Corpus.travel, Corpus.leave],
    question: String? = nil
  ) async throws -> GroundedAnswer {
    let answerer = try GroundedAnswerer(model: ScriptedModel([output]), contract: PlainContract.answer(settings))
    return try await answerer.answer(question ?? self.question, from: passages, as: .anonymous)
  }

  @Test("a quote that is not in its passage is dropped and counted")
  func dropped() async throws {
    let result = try await answer(
      """
      {"citations":[{"passage":1,"quote":"The limit for a hotel night is 900 euros."},
      {"passage":2,"quote":"The limit for a hotel night is 165 euros."},
      {"passage":9,"quote":"Book early."},
      {"passage":1,"quote":"limit for a  hotel\\nnight is 165 euros"}],"answer":"165 euros.","answerable":true}
      """)
    #expect(result.droppedCitations == 3)
    #expect(result.citations.map(\.quote) == ["limit for a hotel night is 165 euros"])
    #expect(result.answer == "165 euros.")
  }

  @Test(
    "no answer stands without evidence",
    arguments: [
      (#"{"citations":[],"answer":"165 euros","answerable":true}"#, "model_declined"),
      (
        #"{"citations":[{"passage":1,"quote":"free lunch for all"}],"answer":"x","answerable":true}"#,
        "no_valid_citation"
      ),
      (
        #"{"citations":[{"passage":1,"quote":"Meals: 48 euros a day."}],"answer":"x","answerable":false}"#,
        "model_declined"
      ),
      ("I think it is 165.", "malformed_output"),
      (
        #"{"citations":[{"passage":2,"quote":"Each parent has 20 weeks of paid leave."}],"answer":"20","answerable":true}"#,
        "weak_evidence"
      ),
    ])
  func refused(output: String, reason: String) async throws {
    let result = try await answer(output)
    #expect(result.answer == GroundedAnswer.refusal)
    #expect(!result.answerable)
    #expect(result.citations.isEmpty)
    #expect(result.reason == reason)
  }

  @Test("a question whose words no passage has costs no model call")
  func hopeless() async throws {
    let model = ScriptedModel([Corpus.answer])
    let answerer = try GroundedAnswerer(model: model, contract: PlainContract.answer(["min_coverage": 0.5]))
    let result = try await answerer.answer(
      "Who pilots the helicopter?", from: [Corpus.travel, Corpus.leave], as: .anonymous)
    #expect(result.reason == "weak_evidence")
    #expect(model.requests.isEmpty)
  }

  @Test("an answer that says more than its evidence is replaced by the evidence")
  func ungrounded() async throws {
    let output = """
      {"citations":[{"passage":1,"quote":"The limit for a hotel night is 165 euros."}],"answer":"It is 185 euros.",\
      "answerable":true}
      """
    let replaced = try await answer(output)
    #expect(replaced.answer == "The limit for a hotel night is 165 euros.")
    #expect(replaced.reason == "ungrounded_answer")
    let refused = try await answer(output, settings: ["min_coverage": 0.3, "quote_when_ungrounded": false])
    #expect(refused.answer == GroundedAnswer.refusal)
  }

  @Test("an answer that goes round in circles is stopped and cut")
  func loops() async throws {
    let circle = [String](repeating: "The limit is 165 euros for one night, and", count: 9).joined(separator: " ")
    let result = try await answer(
      #"{"citations":[{"passage":1,"quote":"The limit for a hotel night is 165 euros."}],"answer":"\#(circle)"}"#)
    #expect(result.answer == "The limit is 165 euros for one night.")
    #expect(result.citations.count == 1)
  }

  @Test("an answer that only repeats the question is replaced by the evidence")
  func empty() async throws {
    let result = try await answer(
      """
      {"citations":[{"passage":1,"quote":"The limit for a hotel night is 165 euros."}],"answer":"The limit for a hotel."}
      """)
    #expect(result.answer == "The limit for a hotel night is 165 euros.")
  }

  @Test("an output that is cut off still counts for what it holds")
  func cutOff() async throws {
    let result = try await answer(
      #"{"citations":[{"passage":1,"quote":"The limit for a hotel night is 165 euros."}],"answer":"It is 165 eur"#)
    #expect(result.answer == "It is 165 eur")
    #expect(result.citations.count == 1)
  }

  @Test("only the likeliest sentences are offered, and strong evidence must be cited")
  func offered() async throws {
    let filler = (0..<30).map { "Unrelated sentence number \($0) about buoys." }.joined(separator: " ")
    let passage = Corpus.passage(5, "a.md", filler + " The limit for a hotel night is 165 euros. " + filler)
    let model = ScriptedModel([Corpus.answer])
    let answerer = try GroundedAnswerer(
      model: model, contract: PlainContract.answer(["max_quotes": 4, "must_cite_above": 0.75]))
    _ = try await answerer.answer(question, from: [passage], as: .anonymous)
    guard case .jsonSchema(let schema)? = model.requests.first?.output else { return #expect(Bool(false)) }
    let citations = schema["properties"]?["citations"]
    let quotes = citations?["items"]?["properties"]?["quote"]?["enum"]?.arrayValue ?? []
    #expect(quotes.count <= 4)
    #expect(quotes.contains("The limit for a hotel night is 165 euros."))
    #expect(citations?["minItems"] == 1)
  }

  @Test("sentence numbers are citations too")
  func numbers() async throws {
    let result = try await answer(
      #"{"citations":["1.2","7.1"],"answer":"165 euros","answerable":true}"#,
      settings: ["strategy": "sentence_numbers", "min_coverage": 0.3])
    #expect(result.citations.map(\.quote) == ["The limit for a hotel night is 165 euros."])
    #expect(result.droppedCitations == 1)
  }

  @Test("the schema given to the model lists the passages' own sentences, evidence first")
  func schema() async throws {
    let model = ScriptedModel([Corpus.answer])
    let answerer = try GroundedAnswerer(model: model, contract: PlainContract.answer())
    _ = try await answerer.answer(question, from: [Corpus.travel, Corpus.leave], as: .anonymous)
    guard case .jsonSchema(let schema)? = model.requests.first?.output else { return #expect(Bool(false)) }
    #expect(schema["properties"]?.objectValue?.keys == ["citations", "answer"])
    let branches = schema["properties"]?["citations"]?["items"]?["anyOf"]
    #expect(
      branches?[0]?["properties"]?["quote"]?["enum"] == [
        "Book early.", "The limit for a hotel night is 165 euros.", "Meals: 48 euros a day.",
      ])
    #expect(branches?[1]?["properties"]?["passage"]?["const"] == 2)
  }

  @Test("passages that do not fit are left out, then shortened")
  func packing() async throws {
    let long = Corpus.passage(
      3, "a.md", (0..<200).map { "The hotel limit sentence number \($0) is here." }.joined(separator: " "))
    let model = ScriptedModel(id: "small", contextLength: 400) { _, _ in
      #"{"citations":[{"passage":1,"quote":"The hotel limit sentence number 0 is here."}],"answer":"0","answerable":true}"#
    }
    let answerer = try GroundedAnswerer(model: model, contract: PlainContract.answer())
    let result = try await answerer.answer("hotel limit", from: [long, long], as: .anonymous)
    #expect(result.citations.first?.range.lowerBound == 100)
    guard case .messages(let messages)? = model.requests.first?.input else { return #expect(Bool(false)) }
    #expect(try await model.countTokens(.messages(messages), tools: []) <= 400 - 64)
  }
}

@Suite struct QuoteFinderTests {
  @Test(
    "typography is forgiven, letters are not",
    arguments: [
      ("it\u{2019}s \u{201C}fine\u{201D} \u{2013} really", "it's \"fine\" - really", true),
      ("a **165** euro limit", "a 165 euro limit", true), ("one\n  two\u{00A0}three", "one two three", true),
      ("The Limit is set", "the limit is set", false), ("caf\u{E9} au lait", "cafe au lait", false),
      ("abc", "abc", false),
    ])
  func finds(text: String, quote: String, isFound: Bool) {
    #expect((QuoteFinder(text).range(of: quote) != nil) == isFound)
  }

  @Test("ranges are bytes of the original")
  func ranges() throws {
    let text = "Zoë’s desk — “quiet” room, 3rd floor"
    let range = try #require(QuoteFinder(text).range(of: "\"quiet\" room"))
    #expect(String(decoding: Array(text.utf8)[range], as: UTF8.self).contains("quiet” room"))
  }
}

@Suite struct QuotableSentencesTests {
  @Test("prose, lists, records and wrapped lines")
  func splits() {
    let text = """
      # Travel

      Dr. Vega said so, e.g. in 2.5 hours. Book it! The second
      sentence is here.

      - first item
      - second item. With more.
      item,price
      Tidegate,4650
      """
    let sentences = QuotableSentences.sentences(of: text)
    #expect(
      sentences.map(\.text) == [
        "Dr. Vega said so, e.g. in 2.5 hours.", "Book it!", "The second sentence is here.", "first item",
        "second item.", "With more.", "item,price", "Tidegate,4650",
      ])
    for sentence in sentences {
      #expect(QuoteFinder(text).range(of: sentence.text) == sentence.range, "\(sentence.text)")
    }
  }

  @Test("no input makes a range that is out of bounds or cuts a character", arguments: ["", "\n\n", "é", "....", "# "])
  func odd(text: String) {
    let long = String(repeating: text + "é", count: 500)
    for input in [text, long] {
      let bytes = Array(input.utf8)
      for sentence in QuotableSentences.sentences(of: input) {
        #expect(bytes.indices.contains(sentence.range.lowerBound) && sentence.range.upperBound <= bytes.count)
        #expect(String(validating: bytes[sentence.range], as: UTF8.self) != nil)
      }
    }
  }
}

@Suite struct AnswerStreamTests {
  @Test("any cut of the text gives the same parts", arguments: 1..<12)
  func pieces(size: Int) {
    let json =
      #"{"citations":[{"passage":1,"quote":"a \"b\" ]}"}],"answer":"caf\u00e9 \ud83d\ude00\nok","answerable":true}"#
    var stream = AnswerStream()
    var text = ""
    var citations: [JSON] = []
    var rest = json[...]
    while !rest.isEmpty {
      for part in stream.append(String(rest.prefix(size))) {
        switch part {
        case .text(let piece): text += piece
        case .citations(let list): citations = list
        }
      }
      rest = rest.dropFirst(size)
    }
    #expect(text == "café 😀\nok")
    #expect(citations == [["passage": 1, "quote": "a \"b\" ]}"]])
  }
}

@Suite struct EvidenceGateTests {
  @Test("numbers and names must stand in the evidence; number words count")
  func grounding() {
    let gate = EvidenceGate()
    func missing(_ answer: String) -> [String] {
      gate.ungrounded(
        answer: answer, question: "How many weeks?", quotes: ["Each parent has twenty weeks, said Ines Varga."],
        evidence: [])
    }
    #expect(missing("Each parent has 20 weeks.").isEmpty)
    #expect(missing("It was Ines Varga who said so.").isEmpty)
    #expect(missing("Each parent has 21 weeks.") == ["21"])
    #expect(missing("It was Tobias Okafor.") == ["Tobias", "Okafor"])
  }

  @Test("thousands separators do not matter")
  func separators() {
    #expect(ContentWords.words(of: "4,650 euros; 2.5 m, v1.2") == ["4650", "euros", "2.5", "m", "v1.2"])
  }

  @Test("the word of measure in \"how long\" is no word of the answer")
  func measures() {
    let stems = ContentWords.questionStems(of: "How long is the long warranty, and how repairs are paid?")
    #expect(stems == ["long", "warranty", "repair", "paid"])
  }
}
