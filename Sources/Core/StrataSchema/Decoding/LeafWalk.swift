// Owns walks of a leaf automaton over the token trie: which tokens stay inside the leaf, and where it may be left.

/// What one state of a leaf says about all tokens, whatever stands around the leaf. Tokens that leave the leaf in their
/// middle depend on the context; only the places where they do are kept (in the manner of XGrammar, Dong et al. 2024).
struct LeafWalk: Sendable {
  let inside: StoredTokens
  let exits: [Exit]

  /// Trie nodes to try from where the grammar goes on.
  struct Exit: Sendable {
    /// The literal that was completed, for choices; otherwise 0.
    let literal: Int
    /// The byte of these nodes.
    let byte: UInt8
    let nodes: [Int32]
  }

  var byteCount: Int { inside.byteCount + exits.reduce(0) { $0 + 32 + $1.nodes.count * 4 } }
}

extension TokenTrie {
  /// Walks all tokens from `start`. `literal` names what an accepting state has completed.
  @inline(__always)
  func walk<Automaton: ByteAutomaton>(
    _ automaton: Automaton, from start: UInt64, vocabularySize: Int, literal: (UInt64) -> Int
  ) -> LeafWalk {
    var found: [Int32] = []
    var exits: [ExitKey: [Int32]] = [:]
    var states = [UInt64](repeating: 0, count: maxDepth + 2)
    states[0] = start
    nodes.withUnsafeBufferPointer { nodes in
      states.withUnsafeMutableBufferPointer { states in
        var index = 1
        while index < nodes.count {
          let node = nodes[index]
          let depth = Int(node.depth)
          let state = automaton.step(states[depth - 1], node.byte)
          if state == deadState {
            index = Int(node.end)
            continue
          }
          states[depth] = state
          if node.token >= 0 { found.append(node.token) }
          if node.end > index + 1, automaton.isAccepting(state) {
            var child = index + 1
            while child < node.end {
              exits[ExitKey(literal: literal(state), byte: nodes[child].byte), default: []].append(Int32(child))
              child = Int(nodes[child].end)
            }
          }
          index = automaton.canContinue(state) ? index + 1 : Int(node.end)
        }
      }
    }
    if !twins.isEmpty {
      for token in found {
        if let more = twins[token] { found += more }
      }
    }
    let groups = exits.sorted { ($0.key.literal, $0.key.byte) < ($1.key.literal, $1.key.byte) }
    return LeafWalk(
      inside: StoredTokens(found, vocabularySize: vocabularySize),
      exits: groups.map { LeafWalk.Exit(literal: $0.key.literal, byte: $0.key.byte, nodes: $0.value) })
  }

  private struct ExitKey: Hashable {
    let literal: Int
    let byte: UInt8
  }
}
