import StrataAgents
import StrataCore
import StrataSchema
import StrataTesting
import Testing

@Suite struct AnswerGrammarTests {
  /// What a model is held to for one question.
  private func constraint(_ settings: JSON, passages: [Passage]) async throws -> JSON {
    let model = ScriptedModel([Corpus.answer])
    let answerer = try GroundedAnswerer(model: model, contract: PlainContract.answer(settings))
    _ = try await answerer.answer("What is the limit for a hotel night?", from: passages, as: .anonymous)
    guard case .jsonSchema(let schema)? = model.requests.first?.output else { return nil }
    return schema
  }

  @Test("the grammar lets real sentences through and makes any other quote unwritable")
  func quotes() async throws {
    let schema = try await constraint(["min_coverage": 0.3], passages: [Corpus.travel, Corpus.leave])
    let grammar = try Grammar(schema: schema)
    func accepts(_ passage: Int, _ quote: String) -> Bool {
      let json: JSON = [
        "citations": [["passage": .int(passage), "quote": .string(quote)]], "answer": "165 euros",
      ]
      return grammar.accepts(json.utf8())
    }
    #expect(accepts(1, "The limit for a hotel night is 165 euros."))
    #expect(accepts(2, "Each parent has 20 weeks of paid leave."))
    #expect(!accepts(2, "The limit for a hotel night is 165 euros."))
    #expect(!accepts(1, "The limit for a hotel night is 900 euros."))
    #expect(grammar.accepts(Array(#"{"citations":[],"answer":""}"#.utf8)))
  }

  @Test("sentence numbers are held to those that exist")
  func numbers() async throws {
    let schema = try await constraint(
      ["min_coverage": 0.3, "strategy": "sentence_numbers"], passages: [Corpus.travel, Corpus.leave])
    let grammar = try Grammar(schema: schema)
    #expect(grammar.accepts(Array(#"{"citations":["1.2"],"answer":"165"}"#.utf8)))
    #expect(!grammar.accepts(Array(#"{"citations":["2.2"],"answer":"165"}"#.utf8)))
  }

  @Test("the plan's grammar knows the tools and nothing else")
  func plans() async throws {
    var bench = Bench()
    bench.configuration = AgentConfiguration(policy: .model)
    let model = bench.model(plans: [#"{"action":"search","query":"hotel"}"#])
    _ = try await bench.runner(model).answer(AgentRequest("What is the limit for a hotel night?", as: bench.ada))
    guard case .jsonSchema(let schema)? = model.requests.first?.output else { return #expect(Bool(false)) }
    let grammar = try Grammar(schema: schema)
    #expect(grammar.accepts(Array(#"{"action":"search","query":"hotel limit"}"#.utf8)))
    #expect(grammar.accepts(Array(#"{"action":"answer"}"#.utf8)))
    #expect(!grammar.accepts(Array(#"{"action":"search"}"#.utf8)))
    #expect(!grammar.accepts(Array(#"{"action":"delete"}"#.utf8)))
  }

  @Test("every sentence that the grammar offers is found where it came from")
  func closure() {
    let texts = [
      Corpus.travel.text, "“Zoë” said — maybe…  *really*: `code` costs 1 200 €.\nNext line, 3 items;\n- a list item",
      "| a | b |\n|---|---|\n| one thing | two things |", "item,price\nTidegate,4650\nBuoy,12.50",
      "Soft-wrapped prose that goes on for quite a while and is then\ncontinued here. Done... Or not?",
    ]
    for text in texts {
      let finder = QuoteFinder(text)
      for sentence in QuotableSentences.sentences(of: text) {
        #expect(finder.range(of: sentence.text) != nil, "\(sentence.text)")
      }
    }
  }
}
