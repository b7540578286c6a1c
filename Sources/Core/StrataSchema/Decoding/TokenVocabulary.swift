// Owns the tokens of a model as a trie over their bytes. Knows no grammar.

import Synchronization

/// The bytes of each token, arranged so that an automaton walks all tokens with a common beginning once.
public final class TokenVocabulary: Sendable {
  /// Number of tokens, special ones included.
  public let count: Int
  /// Tokens that end a generation.
  public let endOfGeneration: Set<Int32>
  package let tokens: [[UInt8]]
  /// Special tokens are never part of constrained text.
  package let special: Set<Int32>
  /// Bytes of the longest token.
  let longest: Int
  let trie: TokenTrie
  /// Walks of strings, which are the same in every grammar; most follow from one.
  private let strings: StringWalks
  private let stringWalks = Mutex<[UInt64: LeafWalk]>([:])

  /// - Parameters:
  ///   - tokens: bytes of each token by id; empty for ids that stand for no text.
  ///   - special: control tokens, which constrained text never contains.
  ///   - endOfGeneration: allowed only where the value may end.
  public init(tokens: [[UInt8]], special: Set<Int32> = [], endOfGeneration: Set<Int32>) {
    count = tokens.count
    self.tokens = tokens
    self.special = special
    self.endOfGeneration = endOfGeneration.filter { $0 >= 0 && Int($0) < tokens.count }
    longest = tokens.map(\.count).max() ?? 0
    let usable = tokens.indices.filter { id in
      !tokens[id].isEmpty && !special.contains(Int32(id)) && !endOfGeneration.contains(Int32(id))
    }
    trie = TokenTrie(tokens: tokens, usable: usable)
    strings = StringWalks(trie, vocabularySize: tokens.count)
  }

  /// What a state inside a string, already clamped, says about all tokens.
  func stringWalk(_ state: UInt64) -> LeafWalk {
    if let known = stringWalks.withLock({ $0[state] }) { return known }
    let made =
      StringAutomaton.isInside(state)
      ? strings.walk(needed: StringAutomaton.needed(state), allowed: StringAutomaton.allowed(state))
      : trie.walk(StringAutomaton(), from: state, vocabularySize: count) { _ in 0 }
    stringWalks.withLock { walks in
      if walks.count >= 2_048 { walks = [:] }
      walks[state] = made
    }
    return made
  }
}

/// A trie in depth-first order: the children of a node follow it, and each knows where its own subtree ends.
struct TokenTrie: Sendable {
  private(set) var bytes: [UInt8] = [0]
  private(set) var depths: [UInt16] = [0]
  /// One past the last node of the subtree.
  private(set) var ends: [Int32] = [0]
  /// The token that ends at a node, -1 for none.
  private(set) var tokens: [Int32] = [-1]
  /// Further tokens with the same bytes.
  private(set) var twins: [Int32: [Int32]] = [:]
  private(set) var maxDepth = 0

  init(tokens all: [[UInt8]], usable: [Int]) {
    let sorted = usable.filter { all[$0].count < Int(UInt16.max) }.sorted { first, second in
      all[first] == all[second] ? first < second : all[first].lexicographicallyPrecedes(all[second])
    }
    var open: [Int] = [0]
    var previous: [UInt8] = []
    for id in sorted {
      let text = all[id]
      maxDepth = max(maxDepth, text.count)
      var common = 0
      while common < min(text.count, previous.count), text[common] == previous[common] { common += 1 }
      if common == text.count, let node = open.last, text.count == previous.count {
        twins[tokens[node], default: []].append(Int32(id))
        continue
      }
      while open.count > common + 1 { ends[open.removeLast()] = Int32(bytes.count) }
      for depth in common..<text.count {
        open.append(bytes.count)
        bytes.append(text[depth])
        depths.append(UInt16(depth + 1))
        ends.append(0)
        tokens.append(-1)
      }
      tokens[tokens.count - 1] = Int32(id)
      previous = text
    }
    while let node = open.popLast() { ends[node] = Int32(bytes.count) }
  }
}
