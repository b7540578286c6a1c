// Owns the turning of generated tokens into text pieces, log-probabilities and tool calls, with stop strings.
import StrataCore
import StrataModel
import StrataSchema

/// Assembles the output of one generation.
struct OutputAssembler {
  private let tokenizer: any Tokenizer
  private var decoder: StreamingDecoder
  private var stops: StopMatcher
  private let tools: [ToolDefinition]
  /// Whether nothing is streamed: a forced call is only known when it is whole.
  private let holdsAll: Bool
  private let callLimit: Int
  private var held = ""
  private var isInCall = false
  private var pendingLogprobs: [TokenLogprob] = []
  /// The stop string that ended the text.
  var stopString: String? { stops.found }
  private(set) var isStopped = false

  init(tokenizer: any Tokenizer, stop: [String], tools: [ToolDefinition], holdsAll: Bool, isParallel: Bool) {
    self.tokenizer = tokenizer
    decoder = StreamingDecoder(tokenizer: tokenizer)
    stops = StopMatcher(stop)
    self.tools = tools
    self.holdsAll = holdsAll
    callLimit = isParallel ? .max : 1
  }

  mutating func push(_ token: SampledToken, wantsLogprobs: Bool) -> [GenerationEvent] {
    if wantsLogprobs { pendingLogprobs.append(logprob(of: token)) }
    let (text, stopped) = stops.push(decoder.push(token.id))
    isStopped = stopped
    return deliver(text)
  }

  /// What remains once the last token has come.
  mutating func finish(forced: ForcedCall?) -> (events: [GenerationEvent], hasCalls: Bool) {
    var events = deliver(stops.push(decoder.finish()).text + stops.finish())
    if let forced {
      let calls = forced.calls(in: held)
      return (calls.map(GenerationEvent.toolCall), !calls.isEmpty)
    }
    guard !tools.isEmpty else { return (events, false) }
    let calls = ToolCallParser.calls(in: held, tools: tools).prefix(callLimit)
    if calls.isEmpty {
      if !held.isEmpty { events.append(.text(held, logprobs: takeLogprobs())) }
    } else {
      events += calls.map(GenerationEvent.toolCall)
    }
    return (events, !calls.isEmpty)
  }

  private mutating func deliver(_ text: String) -> [GenerationEvent] {
    guard !text.isEmpty else { return [] }
    if holdsAll || isInCall {
      held += text
      return []
    }
    guard !tools.isEmpty else { return [.text(text, logprobs: takeLogprobs())] }
    held += text
    // Text that may begin a call is held; everything before it goes out.
    guard let start = ToolCallParser.possibleStart(in: held) else {
      defer { held = "" }
      return [.text(held, logprobs: takeLogprobs())]
    }
    let before = String(held[..<start])
    isInCall = ToolCallParser.isStart(held[start...])
    held = String(held[start...])
    return before.isEmpty ? [] : [.text(before, logprobs: takeLogprobs())]
  }

  private mutating func takeLogprobs() -> [TokenLogprob] {
    defer { pendingLogprobs = [] }
    return pendingLogprobs
  }

  private func logprob(of token: SampledToken) -> TokenLogprob {
    func entry(_ id: Int32, _ logprob: Float) -> TokenLogprob {
      let bytes = tokenizer.bytes(of: id)
      return TokenLogprob(token: String(decoding: bytes, as: UTF8.self), bytes: bytes, logprob: logprob)
    }
    var result = entry(token.id, token.logprob)
    result.alternatives = token.top.map { entry($0.id, $0.logprob) }
    return result
  }
}
