// Owns a run of numbers in memory, wherever that memory is. Knows nothing about files or what the numbers mean.
import Foundation

/// What keeps the memory of a ``Column``.
protocol ColumnMemory: AnyObject, Sendable {}

/// Immutable numbers: an array that may lie in memory of its own or in a mapped file, and costs nothing to copy.
///
/// Access by index is checked, like an array's, since the numbers that lead to an index may come from a file. Loops that
/// have checked their bounds once use ``withUnsafeBufferPointer(_:)`` or ``buffer``.
///
/// Elements from a file may have any bit pattern: use integers and floating point numbers, never `Bool` or enums.
public struct Column<Element: BitwiseCopyable & Sendable>: RandomAccessCollection, @unchecked Sendable {
  // Unchecked: the memory is written only before `init` returns, and `memory` keeps it.

  /// The elements, 64-byte aligned. Valid while this column, a copy of it or the object it came from is alive: hold on
  /// to one of them for as long as the pointer is used.
  public let buffer: UnsafeBufferPointer<Element>
  private let memory: (any ColumnMemory)?

  public init() {
    buffer = UnsafeBufferPointer(start: nil, count: 0)
    memory = nil
  }

  /// Copies `array` to memory of its own.
  public init(_ array: [Element]) {
    self.init(count: array.count) { target in
      array.withUnsafeBufferPointer { _ = target.initialize(fromContentsOf: $0) }
    }
  }

  /// Makes `count` elements; `fill` has to initialize each.
  public init(count: Int, _ fill: (UnsafeMutableBufferPointer<Element>) throws -> Void) rethrows {
    guard count > 0 else {
      self.init()
      return
    }
    let owned = OwnedMemory(byteCount: count * MemoryLayout<Element>.stride)
    let elements = owned.bytes.bindMemory(to: Element.self)
    try fill(elements)
    self.init(UnsafeBufferPointer(elements), in: owned)
  }

  /// Elements that `memory` keeps. None have no address, wherever they would lie: kernels take that for "not there".
  init(_ buffer: UnsafeBufferPointer<Element>, in memory: any ColumnMemory) {
    self.buffer = buffer.isEmpty ? UnsafeBufferPointer(start: nil, count: 0) : buffer
    self.memory = memory
  }

  public var startIndex: Int { 0 }
  public var endIndex: Int { buffer.count }
  public var count: Int { buffer.count }

  @inlinable
  public subscript(position: Int) -> Element {
    precondition(position >= 0 && position < buffer.count, "Column index out of range")
    return buffer[position]
  }

  @inlinable
  public func withContiguousStorageIfAvailable<R>(
    _ body: (UnsafeBufferPointer<Element>) throws -> R
  ) rethrows -> R? {
    try withUnsafeBufferPointer(body)
  }

  /// Calls `body` with the elements, which stay valid until it returns.
  @inlinable
  public func withUnsafeBufferPointer<R>(_ body: (UnsafeBufferPointer<Element>) throws -> R) rethrows -> R {
    try withExtendedLifetime(self) { try body(buffer) }
  }
}

extension Column: ExpressibleByArrayLiteral {
  public init(arrayLiteral elements: Element...) { self.init(elements) }
}

/// Memory that goes with the column that was made in it.
final class OwnedMemory: ColumnMemory, @unchecked Sendable {
  // Unchecked: only the column's `init` writes.
  let bytes: UnsafeMutableRawBufferPointer

  init(byteCount: Int) { bytes = .allocate(byteCount: byteCount, alignment: 64) }
  /// Takes over allocated memory.
  init(_ bytes: UnsafeMutableRawBufferPointer) { self.bytes = bytes }
  deinit { bytes.deallocate() }
}
