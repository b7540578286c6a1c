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
    var index = 1
    while index < trie.nodes.count {
      let node = trie.nodes[index]
      let state = automaton.step(states[Int(node.depth) - 1], node.byte)
      if state == deadState {
        index = Int(node.end)
        continue
      }
      states[Int(node.depth)] = state
      let count = room - StringAutomaton.allowed(state)
      let isEnd = automaton.isAccepting(state)
      if node.token >= 0 {
        for id in [node.token] + (trie.twins[node.token] ?? []) {
          mask.insert(id)
          tokens.append(Entry(id: id, count: count))
          if isEnd { closing.append(Entry(id: id, count: count)) }
        }
      }
      if isEnd {
        var child = index + 1
        while child < node.end {
          exits.append(Exit(byte: trie.nodes[child].byte, node: Int32(child), count: count))
          child = Int(trie.nodes[child].end)
        }
      }
      index = isEnd ? Int(node.end) : index + 1
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
