// Owns what a conversation is to a search, and the protocol of what makes one query of it. Knows no language.

/// One question of a conversation and what was answered.
public struct ConversationTurn: Sendable, Hashable {
  public var question: String
  public var answer: String

  public init(_ question: String, answer: String = "") {
    self.question = question
    self.answer = answer
  }
}

/// A question as it is searched for and answered.
public struct RewrittenQuestion: Sendable, Hashable {
  public enum Source: String, Sendable, Hashable, CaseIterable {
    /// The question stands alone.
    case asked
    /// By the rules of a language.
    case rules
    /// By a language model.
    case model
  }

  /// Says alone what was meant within the conversation.
  public var text: String
  /// What earlier turns were about and this question leaves out; it counts less in a search than the question.
  public var carried: String
  public var source: Source

  public init(_ text: String, carried: String = "", source: Source = .asked) {
    self.text = text
    self.carried = carried
    self.source = source
  }
}

/// Makes a question stand alone.
public protocol QuestionRewriter: Sendable {
  /// - Parameter turns: oldest first; only questions and answers that the asker has seen.
  /// - Returns: the question itself when it stands alone, or when nothing better can be made of it.
  func rewrite(_ question: String, after turns: [ConversationTurn]) async throws -> RewrittenQuestion
}
