// Owns the protocols through which every layer meets a model, local or remote.

public struct ModelInfo: Sendable, Hashable {
  public var id: String
  /// Most tokens of prompt and completion together.
  public var contextLength: Int
  public var architecture: String
  public var parameterCount: Int
  /// Who computes: `strata` here, or the remote service (`gen_ai.provider.name` in OpenTelemetry).
  public var provider: String

  public init(
    id: String, contextLength: Int, architecture: String = "", parameterCount: Int = 0, provider: String = "strata"
  ) {
    self.id = id
    self.contextLength = contextLength
    self.architecture = architecture
    self.parameterCount = parameterCount
    self.provider = provider
  }
}

/// Something that continues text.
public protocol LanguageModel: Sendable {
  var info: ModelInfo { get }

  /// Starts a generation. Ending the iteration early cancels it within one step.
  /// - Throws: from the stream, a ``StrataError``.
  func generate(_ request: GenerationRequest) -> AsyncThrowingStream<GenerationEvent, any Error>

  /// Tokens that `input` takes, with the chat template applied.
  func countTokens(_ input: GenerationRequest.Input, tools: [ToolDefinition]) async throws -> Int
}

/// A finished generation.
public struct GenerationResult: Sendable, Hashable {
  public var text: String
  public var toolCalls: [ToolCall]
  public var finishReason: FinishReason
  public var usage: Usage
  public var logprobs: [TokenLogprob]
  public var timings: GenerationTimings
  /// The stop string that ended the text, if one did.
  public var stopString: String?

  public init(
    text: String, toolCalls: [ToolCall] = [], finishReason: FinishReason = .stop, usage: Usage = Usage(),
    logprobs: [TokenLogprob] = [], timings: GenerationTimings = GenerationTimings(), stopString: String? = nil
  ) {
    self.text = text
    self.toolCalls = toolCalls
    self.finishReason = finishReason
    self.usage = usage
    self.logprobs = logprobs
    self.timings = timings
    self.stopString = stopString
  }
}

extension LanguageModel {
  /// Runs a generation to its end.
  public func complete(_ request: GenerationRequest) async throws -> GenerationResult {
    var result = GenerationResult(text: "")
    for try await event in generate(request) {
      switch event {
      case .text(let piece, let logprobs):
        result.text += piece
        result.logprobs += logprobs
      case .toolCall(let call): result.toolCalls.append(call)
      case .stopString(let stop): result.stopString = stop
      case .finished(let reason, let usage, let timings):
        result.finishReason = reason
        result.usage = usage
        result.timings = timings
      }
    }
    return result
  }
}

/// Turns texts into vectors of one dimension, normalized to length 1.
public protocol Embedder: Sendable {
  /// Names the model and its weights; vectors of different identities are never compared.
  var id: String { get }
  var dimension: Int { get }
  /// Texts longer than this many tokens are cut.
  var maxTokens: Int { get }
  func embed(_ texts: [String]) async throws -> [[Float]]
  /// Tokens of `text`, without the special ones that the model adds.
  func countTokens(_ text: String) -> Int
}

/// Scores how well each document answers a query; higher is better, scores compare only within one call.
public protocol Reranker: Sendable {
  /// Names the model and its weights.
  var id: String { get }
  /// One score for each of `documents`, in their order.
  func rerank(query: String, documents: [String]) async throws -> [Float]
  /// Tokens of `text`, without the special ones that the model adds.
  func countTokens(_ text: String) -> Int
}
