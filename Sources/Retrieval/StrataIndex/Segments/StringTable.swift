// Owns a sorted list of distinct strings as columns. Knows nothing about what they name.

/// Distinct strings in the order of their UTF-8 bytes, looked up by binary search.
struct StringTable: Sendable {
  private let bytes: Column<UInt8>
  /// Where string i starts; one more than there are strings.
  private let starts: Column<UInt64>

  var count: Int { max(0, starts.count - 1) }

  /// - Parameter strings: in any order, repetitions allowed.
  init(_ strings: some Sequence<String>) {
    self.init(sorted: Set(strings.map { Array($0.utf8) }).sorted { $0.lexicographicallyPrecedes($1) })
  }

  /// - Parameter sorted: distinct, in byte order.
  init(sorted: [[UInt8]]) {
    var starts: [UInt64] = [0]
    starts.reserveCapacity(sorted.count + 1)
    for string in sorted { starts.append((starts.last ?? 0) + UInt64(string.count)) }
    bytes = Column(Array(sorted.joined()))
    self.starts = Column(starts)
  }

  subscript(index: Int) -> String { withBytes(index) { String(decoding: $0, as: UTF8.self) } }

  func withBytes<R>(_ index: Int, _ body: (UnsafeBufferPointer<UInt8>) -> R) -> R {
    let range = Int(starts[index])..<Int(starts[index + 1])
    return bytes.withUnsafeBufferPointer { body(UnsafeBufferPointer(rebasing: $0[range])) }
  }

  /// - Complexity: O(log n) comparisons.
  func index(of string: String) -> Int? { index(ofUTF8: Array(string.utf8)) }

  func index(ofUTF8 utf8: [UInt8]) -> Int? {
    let found = lowerBound(utf8)
    return found < count && withBytes(found, { $0.elementsEqual(utf8) }) ? found : nil
  }

  /// The first string that does not come before `utf8`.
  func lowerBound(_ utf8: [UInt8]) -> Int {
    (0..<count).partitioningIndex { index in !withBytes(index) { $0.lexicographicallyPrecedes(utf8) } }
  }

  /// The strings that begin with `prefix`.
  func range(ofPrefix prefix: String) -> Range<Int> {
    let utf8 = Array(prefix.utf8)
    let start = lowerBound(utf8)
    let length = (start..<count).partitioningIndex { index in !withBytes(index) { $0.starts(with: utf8) } }
    return start..<max(start, length)
  }

  // MARK: Files

  func encode(into writer: inout SegmentWriter, prefix: String) {
    writer.add("\(prefix).bytes", bytes)
    writer.add("\(prefix).starts", starts)
  }

  init(_ file: SegmentFile, prefix: String) throws(IndexError) {
    bytes = try file.column("\(prefix).bytes", of: UInt8.self)
    starts = try file.column("\(prefix).starts", of: UInt64.self)
    try file.check("\(prefix).starts", isOffsets(starts, into: bytes.count))
  }
}

/// Whether the numbers divide 0..<count into ranges: from 0, never falling, up to `count`.
func isOffsets(_ starts: some RandomAccessCollection<some BinaryInteger>, into count: Int) -> Bool {
  guard let first = starts.first, let last = starts.last, first == 0, Int(exactly: last) == count else { return false }
  return zip(starts, starts.dropFirst()).allSatisfy { $0 <= $1 }
}

extension SegmentFile {
  /// Refuses the file when what its checksums cannot tell is wrong.
  func check(_ name: String, _ isRight: Bool) throws(IndexError) {
    guard isRight else { throw .corrupted("the section \(name) contradicts itself or others", path: path) }
  }
}
