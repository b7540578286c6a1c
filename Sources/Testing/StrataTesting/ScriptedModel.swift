// Owns a model that says what a test tells it to.
import StrataCore
import Synchronization

/// A ``LanguageModel`` that answers by a closure, in pieces of a few characters.
public final class ScriptedModel: LanguageModel {
  public let info: ModelInfo
  private let answer: @Sendable (GenerationRequest, Int) throws -> String
  private let calls = Mutex<[GenerationRequest]>([])

  /// - Parameter answer: gets the request and how many came before it.
  public init(
    id: String = "scripted", contextLength: Int = 4096,
    answer: @escaping @Sendable (GenerationRequest, Int) throws -> String
  ) {
    info = ModelInfo(id: id, contextLength: contextLength)
    self.answer = answer
  }

  /// Gives the answers one after the other, then repeats the last.
  public convenience init(_ answers: [String]) {
    self.init { _, index in answers.isEmpty ? "" : answers[min(index, answers.count - 1)] }
  }

  public var requests: [GenerationRequest] { calls.withLock { $0 } }

  public func generate(_ request: GenerationRequest) -> AsyncThrowingStream<GenerationEvent, any Error> {
    let index = calls.withLock { calls in
      calls.append(request)
      return calls.count - 1
    }
    return AsyncThrowingStream { continuation in
      do {
        let text = try answer(request, index)
        var rest = text[...]
        while !rest.isEmpty {
          continuation.yield(.text(String(rest.prefix(7)), logprobs: []))
          rest = rest.dropFirst(7)
        }
        let usage = Usage(promptTokens: 10, completionTokens: max(1, text.count / 4))
        continuation.yield(.finished(.stop, usage, GenerationTimings()))
        continuation.finish()
      } catch {
        continuation.finish(throwing: error)
      }
    }
  }

  public func countTokens(_ input: GenerationRequest.Input, tools: [ToolDefinition]) async throws -> Int {
    switch input {
    case .prompt(let text): text.split(separator: " ").count
    case .messages(let messages): messages.reduce(0) { $0 + $1.content.split(separator: " ").count }
    }
  }
}

/// Any adapter may be named; ``ScriptedModel/requests`` tells which were.
extension ScriptedModel: AdapterHost {
  public var adapters: [AdapterInfo] { [] }
  public func loadAdapter(_ name: String, from path: String, replaces: Bool) async throws {}
  public func unloadAdapter(_ name: String) throws {}
}
