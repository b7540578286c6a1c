// Owns the state of one constrained generation: what has been written and what may come next.

/// Follows a grammar through the tokens of one sequence. A copy is independent, so that speculation can roll back.
public struct GrammarMatcher: Sendable {
  private let automaton: GrammarAutomaton
  private let vocabulary: TokenVocabulary
  private var threads: [GrammarThread]
  /// Whether an end-of-generation token was accepted.
  public private(set) var isFinished = false

  public init(_ grammar: Grammar, vocabulary: TokenVocabulary) {
    automaton = grammar.automaton
    self.vocabulary = vocabulary
    threads = grammar.automaton.program.initialThreads
  }

  /// Accepts a token and moves on; false, without a change, when the grammar does not allow it.
  public mutating func accept(token: Int32) -> Bool {
    guard !isFinished, token >= 0, Int(token) < vocabulary.count else { return false }
    if vocabulary.endOfGeneration.contains(token) {
      isFinished = canTerminate
      return isFinished
    }
    let bytes = vocabulary.tokens[Int(token)]
    guard !bytes.isEmpty, !vocabulary.special.contains(token) else { return false }
    return accept(bytes: bytes)
  }

  /// Accepts text, for example of ``forcedBytes()``; false, without a change, when the grammar does not allow it.
  public mutating func accept(bytes: [UInt8]) -> Bool {
    guard !isFinished else { return false }
    var next = threads
    for byte in bytes {
      next = automaton.program.step(next, byte)
      if next.isEmpty { return false }
    }
    threads = next
    return true
  }

  /// Sets exactly the tokens that may come next; those that end the generation only when ``canTerminate``.
  /// The mask must have as many bits as the vocabulary.
  public func fillMask(_ mask: inout TokenMask) {
    if mask.count != vocabulary.count { mask = TokenMask(count: vocabulary.count) }
    automaton.fill(&mask, isFinished ? [] : threads, vocabulary)
  }

  /// Whether the value may end here.
  public var canTerminate: Bool { threads.contains(.complete) }

  /// Whether the value is complete and nothing can follow.
  public var isComplete: Bool { threads == [.complete] }

  /// The longest text that must come next whatever the model wants (jump-ahead); empty when there is a choice.
  /// Ends at `limit` bytes.
  public func forcedBytes(limit: Int = 4_096) -> [UInt8] {
    guard !isFinished else { return [] }
    var forced: [UInt8] = []
    var next = threads
    while forced.count < limit, let byte = automaton.program.onlyByte(next) {
      forced.append(byte)
      next = automaton.program.step(next, byte)
    }
    return forced
  }
}
