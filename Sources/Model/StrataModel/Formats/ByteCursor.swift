// Owns checked little-endian reading from untrusted bytes. Knows no format.
import StrataCore

/// A position in untrusted bytes: a read beyond the end throws, never traps.
struct ByteCursor {
  let bytes: UnsafeRawBufferPointer
  private(set) var offset: Int
  let truncated: ErrorCode

  init(_ bytes: UnsafeRawBufferPointer, at offset: Int = 0, truncated: ErrorCode) {
    self.bytes = bytes
    self.offset = offset
    self.truncated = truncated
  }

  var remaining: Int { bytes.count - offset }

  mutating func skip(_ count: Int, _ what: @autoclosure () -> String) throws(ModelError) {
    guard count >= 0, count <= remaining else { throw shortage(what(), needs: count) }
    offset += count
  }

  mutating func read<T: BitwiseCopyable>(_ type: T.Type, _ what: @autoclosure () -> String) throws(ModelError) -> T {
    guard MemoryLayout<T>.size <= remaining else { throw shortage(what(), needs: MemoryLayout<T>.size) }
    defer { offset += MemoryLayout<T>.size }
    return bytes.loadUnaligned(fromByteOffset: offset, as: type)
  }

  /// A 64-bit count of things of at least `leastBytes` bytes each, refused unless that many can still follow.
  mutating func readCount(leastBytes: Int, _ what: @autoclosure () -> String) throws(ModelError) -> Int {
    let raw = try read(UInt64.self, what())
    guard let count = Int(exactly: raw), count <= remaining / leastBytes else {
      throw ModelError(
        truncated, "The file claims \(raw) \(what()), but only \(remaining) bytes follow.",
        remedy: ModelError.downloadAgain, location: "byte \(offset - 8)")
    }
    return count
  }

  /// A string with a 64-bit length before it; bytes that are no UTF-8 become U+FFFD.
  mutating func readString(_ what: @autoclosure () -> String) throws(ModelError) -> String {
    let count = try readCount(leastBytes: 1, "bytes of \(what())")
    defer { offset += count }
    return String(decoding: bytes[offset..<(offset + count)], as: UTF8.self)
  }

  private func shortage(_ what: String, needs: Int) -> ModelError {
    ModelError(
      truncated, "The file ends inside \(what): \(needs) bytes are needed, \(remaining) are left.",
      remedy: ModelError.downloadAgain, location: "byte \(offset)")
  }
}

extension ModelError {
  static let downloadAgain = "Download the file again and compare its SHA-256."
}
