// Owns which idle pages go when memory is wanted, and what must always hold of the tree.

extension RadixCache {
  /// Frees at least `count` idle pages, or all there are: leaves that nobody uses, those of tenants beyond their quota
  /// first, least recently used first.
  /// - Complexity: O(nodes + `count` · log nodes).
  package mutating func evict(_ count: Int, allocator: inout PageAllocator) {
    var left = count
    evict(&left, allocator: &allocator, onlyBeyondQuota: true)
    evict(&left, allocator: &allocator, onlyBeyondQuota: false)
  }

  /// Forgets everything of one adapter that nobody uses, for example because it is being unloaded.
  package mutating func forget(adapter: String, allocator: inout PageAllocator) {
    var pending = nodes.indices.filter { isEvictable($0, allocator) && nodes[$0]?.namespace.adapter == adapter }
    while let index = pending.popLast() {
      let parent = nodes[index]?.parent
      forget(index, allocator: &allocator)
      if let parent, isEvictable(parent, allocator) { pending.append(parent) }
    }
  }

  private mutating func evict(_ left: inout Int, allocator: inout PageAllocator, onlyBeyondQuota: Bool) {
    guard left > 0 else { return }
    func mayGo(_ index: Int, _ cache: RadixCache) -> Bool {
      guard let node = cache.nodes[index] else { return false }
      return !onlyBeyondQuota || cache.pageCounts[node.namespace.tenant] ?? 0 > cache.quota
    }
    var heap = LeafHeap()
    for index in nodes.indices where isEvictable(index, allocator) && mayGo(index, self) {
      heap.push(index, lastUse: nodes[index]?.lastUse ?? 0)
    }
    while left > 0, let index = heap.pop() {
      // A tenant may have come down to its quota meanwhile.
      guard mayGo(index, self) else { continue }
      let parent = nodes[index]?.parent
      forget(index, allocator: &allocator)
      left -= 1
      if let parent, isEvictable(parent, allocator) { heap.push(parent, lastUse: nodes[parent]?.lastUse ?? 0) }
    }
  }

  private func isEvictable(_ index: Int, _ allocator: PageAllocator) -> Bool {
    guard let node = nodes[index], let page = node.page else { return false }
    return node.children.isEmpty && allocator.isIdle(page)
  }

  /// What must always hold; nil when it does. `pinned` pages may be referred to without those before them.
  package func _checkInvariants(_ allocator: PageAllocator, pinned: Set<Page> = []) -> String? {
    var counts: [String: Int] = [:]
    var pages = Set<Page>()
    for (index, node) in nodes.enumerated() {
      guard let node else { continue }
      guard let parent = node.parent else {
        if roots[node.namespace] != index { return "a root is not its namespace's" }
        if node.children.isEmpty { return "a root has no children" }
        continue
      }
      if nodes[parent]?.children[node.tokens.first ?? -1]?.contains(index) != true { return "a node is lost" }
      if nodes[parent]?.namespace != node.namespace { return "a node has another namespace than its parent" }
      if node.tokens.isEmpty || node.tokens.count > Self.pageSize { return "a page has \(node.tokens.count) tokens" }
      if node.tokens.count < Self.pageSize && !node.children.isEmpty { return "a partial page has children" }
      if (node.page == nil) != (node.owner != nil) { return "a node has neither page nor owner, or both" }
      if nodes[parent]?.owner != nil && node.owner != nodes[parent]?.owner { return "a page hangs on a promise" }
      guard let page = node.page else { continue }
      if !pages.insert(page).inserted { return "a page is in the tree twice" }
      counts[node.namespace.tenant, default: 0] += 1
      if let above = nodes[parent]?.page, allocator.isIdle(above), !allocator.isIdle(page), !pinned.contains(page) {
        return "a page is in use, the one before it is not"
      }
    }
    if counts != pageCounts { return "pages by tenant are miscounted" }
    if nodes.count - freeNodes.count != nodes.count(where: { $0 != nil }) { return "nodes are miscounted" }
    return nil
  }
}

/// A binary heap of leaves, least recently used first.
private struct LeafHeap {
  private var items: [(index: Int, lastUse: UInt64)] = []

  mutating func push(_ index: Int, lastUse: UInt64) {
    items.append((index, lastUse))
    var child = items.count - 1
    while child > 0, items[child].lastUse < items[(child - 1) / 2].lastUse {
      items.swapAt(child, (child - 1) / 2)
      child = (child - 1) / 2
    }
  }

  mutating func pop() -> Int? {
    guard let top = items.first, let last = items.popLast() else { return nil }
    guard !items.isEmpty else { return top.index }
    items[0] = last
    var parent = 0
    while true {
      var least = parent
      for child in [2 * parent + 1, 2 * parent + 2] where child < items.count {
        if items[child].lastUse < items[least].lastUse { least = child }
      }
      guard least != parent else { break }
      items.swapAt(parent, least)
      parent = least
    }
    return top.index
  }
}
