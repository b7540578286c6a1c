// Owns what a caller asks of a language model and what comes back. Knows nothing about how it is computed.

/// How the next token is drawn from the distribution.
public struct SamplingParameters: Sendable, Hashable {
  /// 0 means greedy.
  public var temperature: Float
  /// Nucleus mass in (0, 1]; 1 is off.
  public var topP: Float
  /// Candidates kept; 0 is off.
  public var topK: Int
  /// Least probability relative to the most likely token, in [0, 1]; 0 is off.
  public var minP: Float
  /// Multiplies logits of seen tokens down (Keskar et al. 2019, CTRL); 1 is off.
  public var repetitionPenalty: Float
  /// Subtracted per occurrence, as in the OpenAI API, in [-2, 2].
  public var frequencyPenalty: Float
  /// Subtracted once for seen tokens, as in the OpenAI API, in [-2, 2].
  public var presencePenalty: Float
  /// The same seed, request, model and instruction set give the same tokens, whatever else is in the batch. Nil draws a
  /// fresh one.
  public var seed: UInt64?
  /// Added to the logit of a token id.
  public var logitBias: [Int32: Float]

  public init(
    temperature: Float = 1, topP: Float = 1, topK: Int = 0, minP: Float = 0, repetitionPenalty: Float = 1,
    frequencyPenalty: Float = 0, presencePenalty: Float = 0, seed: UInt64? = nil, logitBias: [Int32: Float] = [:]
  ) {
    self.temperature = temperature
    self.topP = topP
    self.topK = topK
    self.minP = minP
    self.repetitionPenalty = repetitionPenalty
    self.frequencyPenalty = frequencyPenalty
    self.presencePenalty = presencePenalty
    self.seed = seed
    self.logitBias = logitBias
  }

  public static let greedy = SamplingParameters(temperature: 0)
}

/// What form the output must have; enforced token by token.
public enum OutputConstraint: Sendable, Hashable {
  case text
  /// Any JSON object.
  case jsonObject
  /// A value valid under this JSON Schema (2020-12). Object members are generated in the order of `properties`.
  case jsonSchema(JSON)
}

public enum ToolChoice: Sendable, Hashable {
  case none
  case auto
  /// Some tool must be called.
  case required
  /// This tool must be called.
  case function(String)
}

/// One call of a language model.
public struct GenerationRequest: Sendable, Hashable {
  public enum Input: Sendable, Hashable {
    /// Rendered by the model's chat template.
    case messages([Message])
    /// Tokenized as it is.
    case prompt(String)
  }

  public var input: Input
  public var tools: [ToolDefinition]
  public var toolChoice: ToolChoice
  public var output: OutputConstraint
  public var sampling: SamplingParameters
  /// Most tokens to generate; nil means as many as the context allows.
  public var maxTokens: Int?
  /// Generation ends before the first of these; they are not part of the output.
  public var stop: [String]
  /// Alternatives reported beside each token; nil means no log-probabilities at all.
  public var topLogprobs: Int?
  /// Name of the adapter to apply; nil is the base model.
  public var adapter: String?
  /// Who pays for the tokens, for fairness and quotas.
  public var tenant: String
  /// Whether one answer may hold several tool calls.
  public var parallelToolCalls: Bool
  /// Lower numbers run first, as in vLLM.
  public var priority: Int
  /// When nobody needs the answer any more: what has not ended by then fails.
  public var deadline: ContinuousClock.Instant?
  /// The input holds data that must not leave this machine: remote models refuse it.
  public var isLocalOnly: Bool

  public init(
    _ input: Input, tools: [ToolDefinition] = [], toolChoice: ToolChoice = .auto, output: OutputConstraint = .text,
    sampling: SamplingParameters = SamplingParameters(), maxTokens: Int? = nil, stop: [String] = [],
    topLogprobs: Int? = nil, adapter: String? = nil, tenant: String = "default",
    parallelToolCalls: Bool = true, priority: Int = 0, deadline: ContinuousClock.Instant? = nil,
    isLocalOnly: Bool = false
  ) {
    self.input = input
    self.tools = tools
    self.toolChoice = toolChoice
    self.output = output
    self.sampling = sampling
    self.maxTokens = maxTokens
    self.stop = stop
    self.topLogprobs = topLogprobs
    self.adapter = adapter
    self.tenant = tenant
    self.parallelToolCalls = parallelToolCalls
    self.priority = priority
    self.deadline = deadline
    self.isLocalOnly = isLocalOnly
  }
}

/// Tokens that one or more model calls took.
public struct Usage: Sendable, Hashable {
  public var promptTokens: Int
  public var completionTokens: Int
  /// Prompt tokens whose keys and values were still in the cache.
  public var cachedTokens: Int
  /// Completion tokens that were guessed ahead and held.
  public var acceptedPredictionTokens: Int
  /// Tokens that were guessed ahead in vain; no part of the completion.
  public var rejectedPredictionTokens: Int

  public init(
    promptTokens: Int = 0, completionTokens: Int = 0, cachedTokens: Int = 0, acceptedPredictionTokens: Int = 0,
    rejectedPredictionTokens: Int = 0
  ) {
    self.acceptedPredictionTokens = acceptedPredictionTokens
    self.rejectedPredictionTokens = rejectedPredictionTokens
    self.promptTokens = promptTokens
    self.completionTokens = completionTokens
    self.cachedTokens = cachedTokens
  }

  public var totalTokens: Int { promptTokens + completionTokens }

  public static func + (lhs: Usage, rhs: Usage) -> Usage {
    Usage(
      promptTokens: lhs.promptTokens + rhs.promptTokens,
      completionTokens: lhs.completionTokens + rhs.completionTokens,
      cachedTokens: lhs.cachedTokens + rhs.cachedTokens,
      acceptedPredictionTokens: lhs.acceptedPredictionTokens + rhs.acceptedPredictionTokens,
      rejectedPredictionTokens: lhs.rejectedPredictionTokens + rhs.rejectedPredictionTokens)
  }

  /// `{"prompt_tokens","completion_tokens","total_tokens","prompt_tokens_details":{"cached_tokens"}}`, and
  /// `"completion_tokens_details":{"accepted_prediction_tokens","rejected_prediction_tokens"}` where tokens were guessed.
  public var json: JSON {
    var object: JSONObject = [
      "prompt_tokens": .int(promptTokens), "completion_tokens": .int(completionTokens),
      "total_tokens": .int(totalTokens), "prompt_tokens_details": ["cached_tokens": .int(cachedTokens)],
    ]
    if acceptedPredictionTokens + rejectedPredictionTokens > 0 {
      object["completion_tokens_details"] = [
        "accepted_prediction_tokens": .int(acceptedPredictionTokens),
        "rejected_prediction_tokens": .int(rejectedPredictionTokens),
      ]
    }
    return .object(object)
  }
}

public enum FinishReason: String, Sendable, Hashable {
  /// The model ended its turn, or a stop string was reached, or the constrained value is complete.
  case stop
  /// `maxTokens` or the context length was reached.
  case length
  case toolCalls = "tool_calls"
}

/// Log-probability (natural) of one generated token.
public struct TokenLogprob: Sendable, Hashable {
  public var token: String
  public var bytes: [UInt8]
  public var logprob: Float
  /// Most likely first; empty inside an alternative.
  public var alternatives: [TokenLogprob]

  public init(token: String, bytes: [UInt8], logprob: Float, alternatives: [TokenLogprob] = []) {
    self.token = token
    self.bytes = bytes
    self.logprob = logprob
    self.alternatives = alternatives
  }
}

/// Where the time of one generation went.
public struct GenerationTimings: Sendable, Hashable {
  public var queue: Duration
  public var prefill: Duration
  public var decode: Duration
  /// The part of decoding that kept the output inside its grammar.
  public var grammar = Duration.zero
  /// The part of decoding that guessed tokens ahead.
  public var speculation = Duration.zero
  /// Guessed tokens that were checked, and those of them that held.
  public var draftedTokens = 0
  public var acceptedTokens = 0
  /// Times that the generation had to give its place or its memory to another one.
  public var pauses = 0

  public init(queue: Duration = .zero, prefill: Duration = .zero, decode: Duration = .zero) {
    self.queue = queue
    self.prefill = prefill
    self.decode = decode
  }
}

/// What a model streams.
public enum GenerationEvent: Sendable, Hashable {
  /// More text, always whole Unicode scalars; `logprobs` covers the tokens of this piece if they were asked for.
  case text(String, logprobs: [TokenLogprob])
  case toolCall(ToolCall)
  /// The stop string that ended the text; `finished` follows with reason `stop`.
  case stopString(String)
  /// The last event.
  case finished(FinishReason, Usage, GenerationTimings)
}
