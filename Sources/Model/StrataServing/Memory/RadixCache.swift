// Owns which pages hold the keys and values of which tokens, so that no prefix is computed twice. A pure struct: knows
// pages by number only, and nothing about when sequences run.

/// A radix tree over token ids whose edges are pages of 16 tokens (after RadixAttention: Zheng et al. 2024, SGLang, §3).
///
/// Deviations from the paper: edges have one page each, so that nothing is ever split; a page that is not full is a leaf
/// and is matched by copying it (copy on write), as is a full page of which only the beginning agrees; and a running
/// sequence promises the pages of its prompt before they are computed, so that others wait for them.
///
/// Tenants and adapters have trees of their own. Tenants never share, so that nobody can learn from timings what another
/// one asked; adapters change keys and values, so the same tokens under another adapter are another thing.
package struct RadixCache: Sendable {
  package typealias Page = PageAllocator.Page
  package typealias Owner = UInt64

  /// What must agree for two sequences to share.
  package struct Namespace: Sendable, Hashable {
    package var tenant: String
    /// Unique to one loading of one adapter; nil is the base model.
    package var adapter: String?

    package init(tenant: String, adapter: String? = nil) {
      self.tenant = tenant
      self.adapter = adapter
    }
  }

  /// How a sequence's tokens begin like something known.
  package struct Match: Sendable {
    /// Full pages that can be shared as they are, each with its node.
    package var pages: [Page] = []
    /// Where the sequence goes on publishing.
    package var node: Int?
    /// The beginning of one more page, to be copied.
    package var partial: (page: Page, count: Int)?
    /// Who is about to compute what follows the full pages, and how many tokens of it.
    package var promised: (owner: Owner, count: Int)?

    /// Tokens that need not be computed.
    package var count: Int { pages.count * PageAllocator.pageSize + (partial?.count ?? 0) }
  }

  struct Node: Sendable {
    var parent: Int?
    var namespace: Namespace
    /// 1...16 tokens; fewer than 16 only in leaves. Empty in a root.
    var tokens: [Int32]
    /// Nil in a root and while promised.
    var page: Page?
    /// Who promised the page; nil once it is there.
    var owner: Owner?
    /// By the first token of their page.
    var children: [Int32: [Int]] = [:]
    var lastUse: UInt64
  }

  static let pageSize = PageAllocator.pageSize
  /// A page with fewer tokens is not worth keeping.
  static let leastPartial = 4

  var nodes: [Node?] = []
  var freeNodes: [Int] = []
  var roots: [Namespace: Int] = [:]
  var tick: UInt64 = 0
  /// Pages in the tree by tenant.
  package internal(set) var pageCounts: [String: Int] = [:]
  /// Pages that a tenant may keep while others want memory; beyond them it loses its own first.
  package let quota: Int

  package init(quota: Int) { self.quota = max(0, quota) }

  package var pageCount: Int { pageCounts.values.reduce(0, +) }

  // MARK: Finding

  /// The longest known beginning of the first `limit` of `tokens`.
  /// - Complexity: O(`limit`).
  package mutating func match(_ tokens: [Int32], limit: Int, in namespace: Namespace) -> Match {
    var match = Match()
    guard var place = roots[namespace] else { return match }
    tick += 1
    let usable = min(limit, tokens.count)
    var start = 0
    while start < usable {
      let rest = tokens[start..<usable]
      guard let found = bestChild(of: place, for: rest) else { break }
      if nodes[found.node]?.owner != nil {
        match.promised = promise(at: found.node, tokens[start..<usable])
        break
      }
      nodes[found.node]?.lastUse = tick
      guard found.count == Self.pageSize, let page = nodes[found.node]?.page else {
        if let page = nodes[found.node]?.page { match.partial = (page, found.count) }
        break
      }
      match.pages.append(page)
      match.node = found.node
      place = found.node
      start += Self.pageSize
    }
    return match
  }

  /// The child that shares most leading tokens with `rest`; a promised one only when it is matched as a whole.
  private func bestChild(of place: Int, for rest: ArraySlice<Int32>) -> (node: Int, count: Int)? {
    guard let first = rest.first, let candidates = nodes[place]?.children[first] else { return nil }
    var best: (node: Int, count: Int)?
    for candidate in candidates {
      guard let node = nodes[candidate] else { continue }
      let count = Self.commonCount(node.tokens, rest)
      if node.owner != nil && count < Self.pageSize { continue }
      if count > best?.count ?? 0 { best = (candidate, count) }
    }
    return best
  }

  /// How far promised pages go along with `rest`.
  private func promise(at place: Int, _ rest: ArraySlice<Int32>) -> (owner: Owner, count: Int)? {
    guard let owner = nodes[place]?.owner else { return nil }
    var count = Self.pageSize
    var node = place
    while count < rest.count, let next = bestChild(of: node, for: rest.dropFirst(count)), next.count == Self.pageSize {
      node = next.node
      count += Self.pageSize
    }
    return (owner, count)
  }

  static func commonCount(_ a: [Int32], _ b: ArraySlice<Int32>) -> Int {
    var count = 0
    while count < a.count, count < b.count, a[count] == b[b.startIndex + count] { count += 1 }
    return count
  }

  // MARK: Promising

  /// Says that `owner` will compute the full pages of `tokens` that follow `node` (nil: the beginning).
  /// - Returns: the promised nodes, to be withdrawn if it comes to nothing.
  package mutating func promise(
    _ tokens: ArraySlice<Int32>, after node: Int?, in namespace: Namespace, owner: Owner
  ) -> [Int] {
    guard tokens.count >= Self.pageSize else { return [] }
    var place = node ?? root(of: namespace)
    var start = tokens.startIndex
    var promised: [Int] = []
    while tokens.endIndex - start >= Self.pageSize {
      let edge = tokens[start..<(start + Self.pageSize)]
      guard fullChild(of: place, edge) == nil else { break }
      place = addNode(Array(edge), page: nil, owner: owner, under: place, namespace)
      promised.append(place)
      start += Self.pageSize
    }
    return promised
  }

  /// Takes back what has not been computed of a promise.
  package mutating func withdraw(_ promised: [Int], owner: Owner) {
    for index in promised.reversed() where nodes[index]?.owner == owner { removeNode(index) }
  }

  // MARK: Publishing

  /// Makes a computed page known.
  /// - Parameters:
  ///   - tokens: its 16 tokens.
  ///   - node: that of the page before it, whose page the publisher refers to.
  /// - Returns: the page's node, and another page to use instead when the tree has one with the same tokens already:
  ///   then the reference to `page` has been exchanged for one to that.
  package mutating func publish(
    _ tokens: ArraySlice<Int32>, page: Page, after node: Int?, in namespace: Namespace, allocator: inout PageAllocator
  ) -> (node: Int, page: Page) {
    tick += 1
    let place = node ?? root(of: namespace)
    guard let known = fullChild(of: place, tokens) else {
      let node = addNode(Array(tokens), page: page, owner: nil, under: place, namespace)
      enter(page, node, place, allocator: &allocator)
      return (node, page)
    }
    nodes[known]?.lastUse = tick
    if let other = nodes[known]?.page {
      guard other != page else { return (known, page) }
      allocator.retain(other)
      allocator.release(page)
      return (known, other)
    }
    nodes[known]?.page = page
    nodes[known]?.owner = nil
    enter(page, known, place, allocator: &allocator)
    return (known, page)
  }

  /// Keeps the last page of a sequence that has ended, with fewer than 16 tokens.
  package mutating func publishPartial(
    _ tokens: ArraySlice<Int32>, page: Page, after node: Int?, in namespace: Namespace, allocator: inout PageAllocator
  ) {
    guard tokens.count >= Self.leastPartial, tokens.count < Self.pageSize, let first = tokens.first else { return }
    tick += 1
    let place = node ?? root(of: namespace)
    for child in nodes[place]?.children[first] ?? [] {
      guard let known = nodes[child], known.page != nil else { continue }
      if Self.commonCount(known.tokens, tokens) == tokens.count { return }
    }
    let node = addNode(Array(tokens), page: page, owner: nil, under: place, namespace)
    enter(page, node, place, allocator: &allocator)
  }

  /// Counts a page that a node has got, and removes partial pages whose tokens it begins with: it serves whoever they
  /// would have served.
  private mutating func enter(_ page: Page, _ node: Int, _ parent: Int, allocator: inout PageAllocator) {
    guard let entered = nodes[node], let first = entered.tokens.first else { return }
    allocator.addToCache(page)
    pageCounts[entered.namespace.tenant, default: 0] += 1
    for child in nodes[parent]?.children[first] ?? [] where child != node {
      guard let known = nodes[child], known.tokens.count < Self.pageSize,
        Self.commonCount(known.tokens, entered.tokens[...]) == known.tokens.count
      else { continue }
      forget(child, allocator: &allocator)
    }
  }

  private func fullChild(of place: Int, _ tokens: ArraySlice<Int32>) -> Int? {
    guard let first = tokens.first else { return nil }
    return nodes[place]?.children[first]?.first { nodes[$0]?.tokens.elementsEqual(tokens) == true }
  }

  // MARK: Nodes

  private mutating func root(of namespace: Namespace) -> Int {
    if let known = roots[namespace] { return known }
    let index = place(Node(parent: nil, namespace: namespace, tokens: [], lastUse: tick))
    roots[namespace] = index
    return index
  }

  private mutating func addNode(
    _ tokens: [Int32], page: Page?, owner: Owner?, under parent: Int, _ namespace: Namespace
  ) -> Int {
    let index = place(
      Node(parent: parent, namespace: namespace, tokens: tokens, page: page, owner: owner, lastUse: tick))
    nodes[parent]?.children[tokens[0], default: []].append(index)
    return index
  }

  private mutating func place(_ node: Node) -> Int {
    if let index = freeNodes.popLast() {
      nodes[index] = node
      return index
    }
    nodes.append(node)
    return nodes.count - 1
  }

  /// Removes a leaf, and its root when that has no more children.
  mutating func removeNode(_ index: Int) {
    guard let node = nodes[index] else { return }
    nodes[index] = nil
    freeNodes.append(index)
    guard let parent = node.parent, let first = node.tokens.first else { return }
    nodes[parent]?.children[first]?.removeAll { $0 == index }
    if nodes[parent]?.children[first]?.isEmpty == true { nodes[parent]?.children[first] = nil }
    if let above = nodes[parent], above.parent == nil, above.children.isEmpty {
      nodes[parent] = nil
      freeNodes.append(parent)
      roots[node.namespace] = nil
    }
  }

  /// Removes a leaf with its page.
  mutating func forget(_ index: Int, allocator: inout PageAllocator) {
    guard let node = nodes[index], let page = node.page else { return }
    allocator.removeFromCache(page)
    let left = (pageCounts[node.namespace.tenant] ?? 1) - 1
    pageCounts[node.namespace.tenant] = left > 0 ? left : nil
    removeNode(index)
  }
}
