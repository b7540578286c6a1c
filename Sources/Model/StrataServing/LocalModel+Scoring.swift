// Owns the likelihood of texts by a local model. Shares weights with the engine and takes turns with it, step by step.
import StrataCore
import StrataModel

extension LocalModel: SequenceScorer {
  public func meanLogLikelihoods(of text: String, after inputs: [GenerationRequest.Input]) async throws -> [Double] {
    let continuation = tokenizer.encode(text, addSpecial: false, parseSpecial: false)
    guard !continuation.isEmpty else { return inputs.map { _ in 0 } }
    let prefixes = try inputs.map { try encode($0, tools: []) }
    if let longest = prefixes.map(\.count).max(), longest + continuation.count > info.contextLength {
      throw ServingError(
        ServingError.contextLengthExceeded,
        "A text of \(longest + continuation.count) tokens was to be scored; \(info.id) takes at most"
          + " \(info.contextLength).", remedy: "Shorten it.")
    }
    let likelihoods = try decoder.meanLogLikelihoods(of: continuation, after: prefixes) { Task.isCancelled }
    try Task.checkCancellation()
    return likelihoods
  }
}
