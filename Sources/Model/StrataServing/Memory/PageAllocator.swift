// Owns which pages of the key-value store are free, in use or kept for later. A pure struct: knows no memory, only numbers.

/// Counts references to the pages of a key-value store.
///
/// A page is free (no reference), idle (only the prefix cache refers to it, so it can be had back) or in use. Free pages
/// are handed out lowest first, so that a store whose memory is taken lazily stays as small as its peak use.
package struct PageAllocator: Sendable {
  package typealias Page = Int32

  /// Positions of one page.
  package static let pageSize = 16

  /// Pages that `tokenCount` positions take.
  package static func pageCount(for tokenCount: Int) -> Int { (tokenCount + pageSize - 1) / pageSize }

  package let pageCount: Int
  private var references: [Int32]
  private var isCached: [Bool]
  /// Pages that were freed; pages from `untouched` on were never handed out.
  private var free: [Page] = []
  private var untouched: Page = 0
  /// Pages to which only the prefix cache refers.
  package private(set) var idleCount = 0

  package init(pageCount: Int) {
    let count = max(0, min(pageCount, Int(Page.max)))
    self.pageCount = count
    references = Array(repeating: 0, count: count)
    isCached = Array(repeating: false, count: count)
  }

  package var freeCount: Int { free.count + pageCount - Int(untouched) }
  package var inUseCount: Int { pageCount - freeCount - idleCount }

  /// A page with one reference, or nil when none is free.
  package mutating func allocate() -> Page? {
    let page: Page
    if let known = free.popLast() {
      page = known
    } else if Int(untouched) < pageCount {
      page = untouched
      untouched += 1
    } else {
      return nil
    }
    references[Int(page)] = 1
    return page
  }

  /// Adds the reference of a sequence.
  package mutating func retain(_ page: Page) {
    if isIdle(page) { idleCount -= 1 }
    references[Int(page)] += 1
  }

  /// Takes the reference of a sequence away.
  package mutating func release(_ page: Page) {
    references[Int(page)] -= 1
    if references[Int(page)] == 0 { free.append(page) }
    if isIdle(page) { idleCount += 1 }
  }

  /// Adds the reference of the prefix cache, of which a page has at most one.
  package mutating func addToCache(_ page: Page) {
    references[Int(page)] += 1
    isCached[Int(page)] = true
    if isIdle(page) { idleCount += 1 }
  }

  /// Takes the reference of the prefix cache away.
  package mutating func removeFromCache(_ page: Page) {
    if isIdle(page) { idleCount -= 1 }
    isCached[Int(page)] = false
    references[Int(page)] -= 1
    if references[Int(page)] == 0 { free.append(page) }
  }

  /// Whether only the prefix cache refers to the page.
  package func isIdle(_ page: Page) -> Bool { references[Int(page)] == 1 && isCached[Int(page)] }

  package func referenceCount(of page: Page) -> Int { Int(references[Int(page)]) }

  /// What must always hold; nil when it does.
  package func _checkInvariants() -> String? {
    if references.contains(where: { $0 < 0 }) { return "a page has fewer than no references" }
    let unreferenced = references.count { $0 == 0 }
    if unreferenced != freeCount { return "\(unreferenced) pages have no reference, \(freeCount) are free" }
    if Set(free).count != free.count { return "a page is free twice" }
    if free.contains(where: { references[Int($0)] != 0 }) { return "a free page has references" }
    let idle = references.indices.count { isIdle(Page($0)) }
    if idle != idleCount { return "\(idle) pages are idle, \(idleCount) were counted" }
    return nil
  }
}
