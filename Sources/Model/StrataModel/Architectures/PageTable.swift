// Owns the page numbers of a step at a fixed address. Knows nothing about stores.

/// The pages of a step's caches, one cache after another, where kernels can read them.
final class PageTable {
  private var pointer = UnsafeMutablePointer<Int32>.allocate(capacity: 1)
  private var capacity = 1
  private var used = 0

  /// Forgets everything and makes room for `count` pages.
  func reserve(_ count: Int) {
    used = 0
    guard count > capacity else { return }
    pointer.deallocate()
    capacity = count + count / 2
    pointer = .allocate(capacity: capacity)
  }

  /// Adds pages that room was made for.
  /// - Returns: where they are until the next `reserve`.
  func append(_ pages: [Int32]) -> UnsafePointer<Int32> {
    precondition(used + pages.count <= capacity, "room was made for fewer pages")
    let target = pointer + used
    for (index, page) in pages.enumerated() { (target + index).initialize(to: page) }
    used += pages.count
    return UnsafePointer(target)
  }

  deinit { pointer.deallocate() }
}
