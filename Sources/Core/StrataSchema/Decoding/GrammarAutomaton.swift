// Owns masks and what is cached to make them fast: per state of a leaf, and per state of the whole automaton.

import Synchronization

/// A compiled grammar with its caches, shared by all matchers.
final class GrammarAutomaton: Sendable {
  let program: GrammarProgram
  private let caches = Mutex<[ObjectIdentifier: MaskCache]>([:])

  init(_ program: GrammarProgram) { self.program = program }

  /// Writes the tokens that may follow `threads`.
  func fill(_ mask: inout TokenMask, _ threads: [GrammarThread], _ vocabulary: TokenVocabulary) {
    let key = threads.map { normalized($0, vocabulary) }
    let cache = cache(for: vocabulary)
    if let stored = cache.mask(for: key) { return stored.write(to: &mask) }
    var fresh = TokenMask(count: vocabulary.count)
    for thread in threads { add(thread, to: &fresh, vocabulary, cache) }
    if threads.contains(.complete) {
      for token in vocabulary.endOfGeneration { fresh.insert(token) }
    }
    let stored = StoredTokens(fresh)
    cache.store(stored, for: key)
    stored.write(to: &mask)
  }

  private func cache(for vocabulary: TokenVocabulary) -> MaskCache {
    caches.withLock { caches in
      if let known = caches[ObjectIdentifier(vocabulary)] { return known }
      let fresh = MaskCache(vocabulary: vocabulary)
      caches[ObjectIdentifier(vocabulary)] = fresh
      return fresh
    }
  }

  /// The thread that stands for all threads with the same mask.
  private func normalized(_ thread: GrammarThread, _ vocabulary: TokenVocabulary) -> GrammarThread {
    guard thread.instruction >= 0, case .leaf(let leaf, _, _) = program.code[Int(thread.instruction)],
      case .string = program.leaves[leaf]
    else { return thread }
    var thread = thread
    thread.state = StringAutomaton.clamped(thread.state, longest: vocabulary.longest)
    return thread
  }

  private func add(
    _ thread: GrammarThread, to mask: inout TokenMask, _ vocabulary: TokenVocabulary, _ cache: MaskCache
  ) {
    guard thread.instruction >= 0 else { return }
    let walk = walk(thread, vocabulary, cache)
    walk.inside.merge(into: &mask)
    var entered: [Int: [GrammarThread]] = [:]
    for exit in walk.exits {
      let threads: [GrammarThread]
      if let known = entered[exit.literal] {
        threads = known
      } else {
        threads = after(thread, literal: exit.literal)
        entered[exit.literal] = threads
      }
      let next = program.step(threads, exit.byte)
      if next.isEmpty { continue }
      for node in exit.nodes { add(subtree: Int(node), next, to: &mask, vocabulary.trie) }
    }
  }

  /// Where a thread goes on when its leaf is complete.
  private func after(_ thread: GrammarThread, literal: Int) -> [GrammarThread] {
    var threads: [GrammarThread] = []
    switch program.code[Int(thread.instruction)] {
    case .leaf(_, _, let next): program.enter(next, thread.stack, into: &threads)
    case .choice(let choice):
      let next = program.choices[choice].variants[Int(thread.variant)].nexts[literal]
      program.enter(next, thread.stack, into: &threads)
    default: break
    }
    return threads
  }

  private func walk(_ thread: GrammarThread, _ vocabulary: TokenVocabulary, _ cache: MaskCache) -> LeafWalk {
    let trie = vocabulary.trie
    let size = vocabulary.count
    let instruction = Int(thread.instruction)
    if case .leaf(let leaf, _, _) = program.code[instruction] {
      if case .string = program.leaves[leaf] {
        return vocabulary.stringWalk(StringAutomaton.clamped(thread.state, longest: vocabulary.longest))
      }
      if case .name = program.leaves[leaf], thread.state == NameAutomaton.free { return vocabulary.nameWalk }
      let key = MaskCache.WalkKey(isChoice: false, automaton: leaf, variant: 0, state: thread.state)
      if let known = cache.walk(for: key) { return known }
      let made =
        switch program.leaves[leaf] {
        case .string: trie.walk(StringAutomaton(), from: thread.state, vocabularySize: size) { _ in 0 }
        case .literals(let set): trie.walk(set, from: thread.state, vocabularySize: size) { _ in 0 }
        case .table(let table):
          table.withView { view in trie.walk(view, from: thread.state, vocabularySize: size) { _ in 0 } }
        case .name(let name): trie.walk(name, from: thread.state, vocabularySize: size) { _ in 0 }
        }
      cache.store(made, for: key)
      return made
    }
    guard case .choice(let choice) = program.code[instruction] else {
      return LeafWalk(inside: .list([]), exits: [])
    }
    let key = MaskCache.WalkKey(isChoice: true, automaton: choice, variant: thread.variant, state: thread.state)
    if let known = cache.walk(for: key) { return known }
    let literals = program.choices[choice].variants[Int(thread.variant)].literals
    let made = trie.walk(literals, from: thread.state, vocabularySize: size) { literals.accepted($0) ?? 0 }
    cache.store(made, for: key)
    return made
  }

  /// Adds the tokens below a trie node that has already been stepped over.
  private func add(subtree root: Int, _ threads: [GrammarThread], to mask: inout TokenMask, _ trie: TokenTrie) {
    func allow(_ token: Int32) {
      guard token >= 0 else { return }
      mask.insert(token)
      for twin in trie.twins[token] ?? [] { mask.insert(twin) }
    }
    allow(trie.nodes[root].token)
    let base = Int(trie.nodes[root].depth)
    var path = [threads]
    var index = root + 1
    let end = Int(trie.nodes[root].end)
    while index < end {
      let node = trie.nodes[index]
      let depth = Int(node.depth) - base
      path.removeLast(path.count - depth)
      let next = program.step(path[depth - 1], node.byte)
      if next.isEmpty {
        index = Int(node.end)
        continue
      }
      path.append(next)
      allow(node.token)
      index += 1
    }
  }
}

/// Masks of one grammar over one vocabulary, bounded in bytes.
final class MaskCache: Sendable {
  struct WalkKey: Hashable {
    let isChoice: Bool
    let automaton: Int
    let variant: Int32
    let state: UInt64
  }

  private struct Contents {
    var masks: [[GrammarThread]: StoredTokens] = [:]
    var walks: [WalkKey: LeafWalk] = [:]
    var byteCount = 0
  }

  static let byteLimit = 64 << 20
  /// Kept alive, so that its identity stays its own.
  private let vocabulary: TokenVocabulary
  private let contents = Mutex(Contents())

  init(vocabulary: TokenVocabulary) { self.vocabulary = vocabulary }

  func mask(for key: [GrammarThread]) -> StoredTokens? { contents.withLock { $0.masks[key] } }
  func walk(for key: WalkKey) -> LeafWalk? { contents.withLock { $0.walks[key] } }

  func store(_ mask: StoredTokens, for key: [GrammarThread]) {
    contents.withLock { contents in
      MaskCache.makeRoom(&contents, mask.byteCount + 64 * key.count)
      contents.masks[key] = mask
    }
  }

  func store(_ walk: LeafWalk, for key: WalkKey) {
    contents.withLock { contents in
      MaskCache.makeRoom(&contents, walk.byteCount + 64)
      contents.walks[key] = walk
    }
  }

  private static func makeRoom(_ contents: inout Contents, _ byteCount: Int) {
    if contents.byteCount + byteCount > byteLimit { contents = Contents() }
    contents.byteCount += byteCount
  }
}
