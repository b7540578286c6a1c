// Owns the tokens of a model as a trie over their bytes. Knows no grammar.

import Foundation
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
  /// The walk from inside a member name that can no longer be an excluded one.
  let nameWalk: LeafWalk
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
    nameWalk = trie.walk(NameAutomaton(excluded: nil), from: NameAutomaton.free, vocabularySize: tokens.count) { _ in 0
    }
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
  struct Node: Sendable {
    /// One past the last node of the subtree.
    var end: Int32
    /// The token that ends here, -1 for none.
    var token: Int32
    var depth: UInt16
    var byte: UInt8
  }

  private(set) var nodes = [Node(end: 0, token: -1, depth: 0, byte: 0)]
  /// Further tokens with the same bytes.
  private(set) var twins: [Int32: [Int32]] = [:]
  private(set) var maxDepth = 0

  init(tokens all: [[UInt8]], usable: [Int]) {
    let sorted = usable.filter { all[$0].count < Int(UInt16.max) }.sorted { first, second in
      let order = ByteOrder.compare(all[first], all[second])
      return order == 0 ? first < second : order < 0
    }
    var open: [Int] = [0]
    var previous: [UInt8] = []
    for id in sorted {
      let text = all[id]
      maxDepth = max(maxDepth, text.count)
      var common = 0
      while common < min(text.count, previous.count), text[common] == previous[common] { common += 1 }
      if common == text.count, let node = open.last, text.count == previous.count {
        twins[nodes[node].token, default: []].append(Int32(id))
        continue
      }
      while open.count > common + 1 { nodes[open.removeLast()].end = Int32(nodes.count) }
      for depth in common..<text.count {
        open.append(nodes.count)
        nodes.append(Node(end: 0, token: -1, depth: UInt16(depth + 1), byte: text[depth]))
      }
      nodes[nodes.count - 1].token = Int32(id)
      previous = text
    }
    while let node = open.popLast() { nodes[node].end = Int32(nodes.count) }
  }
}

enum ByteOrder {
  /// Below, equal to or above zero as `a` comes before, is, or comes after `b`.
  static func compare(_ a: [UInt8], _ b: [UInt8]) -> Int {
    a.withUnsafeBytes { first in
      b.withUnsafeBytes { second in
        let count = min(first.count, second.count)
        if count > 0, let left = first.baseAddress, let right = second.baseAddress {
          let order = memcmp(left, right, count)
          if order != 0 { return Int(order) }
        }
        return first.count - second.count
      }
    }
  }
}
