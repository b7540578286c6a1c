// Owns what the inside of a JSON string says about all tokens, for every bound on its length, from a single walk.

/// The tokens that may stand in a string, with their numbers of scalars. A bound on the length removes tokens from the
/// set for unbounded strings, which is much faster than another walk over the trie.
struct StringWalks: Sendable {
  private struct Entry {
    let id: Int32
    let count: UInt64
  }
  private struct Exit {
    let byte: UInt8
    let node: Int32
    let count: UInt64
  }

  private let all: [UInt64]
  /// Most scalars first.
  private let tokens: [Entry]
  /// Tokens that end with the closing quote.
  private let closing: [Entry]
  private let exits: [Exit]

  init(_ trie: TokenTrie, vocabularySize: Int) {
    let automaton = StringAutomaton()
    let room: UInt64 = 1 << 20
    var mask = TokenMask(count: vocabularySize)
    var tokens: [Entry] = []
    var closing: [Entry] = []
    var exits: [Exit] = []
    var states = [UInt64](repeating: 0, count: trie.maxDepth + 2)
    states[0] = StringAutomaton.inside(needed: 0, allowed: room)
    var node = 1
    while node < trie.bytes.count {
      let depth = Int(trie.depths[node])
      let state = automaton.step(states[depth - 1], trie.bytes[node])
      let end = Int(trie.ends[node])
      if state == deadState {
        node = end
        continue
      }
      states[depth] = state
      let count = room - StringAutomaton.allowed(state)
      let isEnd = automaton.isAccepting(state)
      if trie.tokens[node] >= 0 {
        for id in [trie.tokens[node]] + (trie.twins[trie.tokens[node]] ?? []) {
          mask.insert(id)
          tokens.append(Entry(id: id, count: count))
          if isEnd { closing.append(Entry(id: id, count: count)) }
        }
      }
      if isEnd {
        var child = node + 1
        while child < end {
          exits.append(Exit(byte: trie.bytes[child], node: Int32(child), count: count))
          child = Int(trie.ends[child])
        }
      }
      node = isEnd ? end : node + 1
    }
    all = mask.words
    self.tokens = tokens.sorted { $0.count > $1.count }
    self.closing = closing
    self.exits = exits
  }

  /// The walk from inside a string that still needs and allows so many scalars.
  func walk(needed: UInt64, allowed: UInt64) -> LeafWalk {
    var words = all
    func remove(_ id: Int32) { words[Int(id) >> 6] &= ~(1 << (UInt64(id) & 63)) }
    for token in tokens {
      if token.count <= allowed { break }
      remove(token.id)
    }
    if needed > 0 {
      for token in closing where token.count < needed { remove(token.id) }
    }
    var nodes: [UInt8: [Int32]] = [:]
    for exit in exits where exit.count >= needed && exit.count <= allowed {
      nodes[exit.byte, default: []].append(exit.node)
    }
    let groups = nodes.sorted { $0.key < $1.key }
    return LeafWalk(
      inside: .bits(words), exits: groups.map { LeafWalk.Exit(literal: 0, byte: $0.key, nodes: $0.value) })
  }
}
