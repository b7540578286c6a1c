// Owns the caches of finished sequences, so that a prompt that begins like an earlier one is not computed again.
import StrataModel

/// Finished sequences by their tokens, least recently used first. A new sequence copies the longest common prefix:
/// copying moves bytes, computing them again runs the whole model. Tenants never share, so that nobody can learn from
/// timing what another one asked.
struct PrefixCache {
  private struct Entry {
    var tokens: [Int32]
    var tenant: String
    var cache: KVCache
  }

  private let tokenLimit: Int
  /// Shorter matches are not worth a copy.
  private let leastMatch = 8
  private var entries: [Entry] = []
  private(set) var tokenCount = 0

  init(tokenLimit: Int) { self.tokenLimit = tokenLimit }

  /// Number of leading tokens that both have.
  static func commonPrefix(_ a: [Int32], _ b: [Int32]) -> Int {
    var count = 0
    while count < a.count, count < b.count, a[count] == b[count] { count += 1 }
    return count
  }

  /// The cache that shares most leading tokens with `tokens`, and how many.
  mutating func longestMatch(for tokens: [Int32], tenant: String) -> (cache: KVCache, count: Int)? {
    var best: (index: Int, count: Int)?
    for (index, entry) in entries.enumerated() where entry.tenant == tenant {
      let count = Self.commonPrefix(entry.tokens, tokens)
      if count >= leastMatch, count > best?.count ?? 0 { best = (index, count) }
    }
    guard let best else { return nil }
    let entry = entries.remove(at: best.index)
    entries.append(entry)
    return (entry.cache, best.count)
  }

  /// Keeps the cache of a finished sequence; `tokens` are those that it holds.
  mutating func insert(_ cache: KVCache, tokens: [Int32], tenant: String) {
    guard tokens.count >= leastMatch, tokens.count <= tokenLimit else { return }
    entries.removeAll { entry in
      guard entry.tenant == tenant, Self.commonPrefix(entry.tokens, tokens) == entry.tokens.count else { return false }
      tokenCount -= entry.tokens.count
      return true
    }
    entries.append(Entry(tokens: tokens, tenant: tenant, cache: cache))
    tokenCount += tokens.count
    while tokenCount > tokenLimit, !entries.isEmpty { tokenCount -= entries.removeFirst().tokens.count }
  }
}
