// Owns the decision that a question takes several documents together. Deterministic; asks no model.
import StrataCore

/// A question whose words no single passage has is taken to need several hops: "Who directed the film that was shot in …?"
public struct SearchWidening: Sendable, Hashable {
  public var multiHop: MultiHop
  /// Weighted share of the question's content words in one passage, 0 to 1, from which on that passage is enough.
  public var enough: Double
  /// How many of the best passages are looked at: as many as an answer gets to read.
  public var depth: Int

  /// - Parameter enough: 0.8 unless told. On 91 questions of HotpotQA anything from 0.75 to 0.9 does the same within two
  ///   answers (`Benchmarks/scripts/answers.py`).
  public init(_ multiHop: MultiHop, enough: Double = 0.8, depth: Int = 3) {
    self.multiHop = multiHop
    self.enough = enough
    self.depth = depth
  }

  /// The search to make next; nil when a passage covers the question.
  func search(_ question: String, after passages: [Passage]) -> PlannedAction? {
    let weights = EvidenceGate.weights(question: question, passages: passages)
    let best = passages.prefix(depth).map { EvidenceGate.coverage(weights: weights, evidence: [$0]) }.max() ?? 0
    guard best < enough, case .call(let tool, let arguments) = PlannedAction.search(question),
      var members = arguments.objectValue
    else { return nil }
    members["multi_hop"] = .string(multiHop.rawValue)
    return .call(tool: tool, arguments: .object(members))
  }
}
