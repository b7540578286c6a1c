// Owns read-only bytes: a memory-mapped file, or a copy of bytes given by a test. Knows no format.
import Foundation
import StrataCore

/// Immutable bytes with a fixed address for as long as this object lives.
///
/// A file that another process truncates while it is mapped ends this process with SIGBUS, as with every program that
/// maps files: replace model files by renaming, never by writing into them.
public final class MappedFile: @unchecked Sendable {
  // Unchecked: the bytes are written only before `init` returns.

  /// Valid while this object lives.
  public let bytes: UnsafeRawBufferPointer
  private let isMapped: Bool

  /// Maps the file at `path`.
  public init(path: String) throws(ModelError) {
    let descriptor = open(path, O_RDONLY | O_CLOEXEC)
    guard descriptor >= 0 else { throw Self.unreadable(path, errno) }
    defer { close(descriptor) }
    var status = stat()
    guard fstat(descriptor, &status) == 0 else { throw Self.unreadable(path, errno) }
    guard status.st_mode & S_IFMT == S_IFREG else { throw Self.unreadable(path, EISDIR) }
    guard status.st_size > 0 else {
      bytes = UnsafeRawBufferPointer(start: nil, count: 0)
      isMapped = false
      return
    }
    let count = Int(status.st_size)
    guard let address = mmap(nil, count, PROT_READ, MAP_PRIVATE, descriptor, 0), address != MAP_FAILED else {
      throw Self.unreadable(path, errno)
    }
    bytes = UnsafeRawBufferPointer(start: address, count: count)
    isMapped = true
  }

  /// Copies `contents` to 64-byte aligned memory.
  public init(copying contents: [UInt8]) {
    let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: max(contents.count, 1), alignment: 64)
    buffer.copyBytes(from: contents)
    bytes = UnsafeRawBufferPointer(rebasing: UnsafeRawBufferPointer(buffer)[0..<contents.count])
    isMapped = false
  }

  deinit {
    guard let address = bytes.baseAddress else { return }
    let mutable = UnsafeMutableRawPointer(mutating: address)
    if isMapped { munmap(mutable, bytes.count) } else { mutable.deallocate() }
  }

  /// Tells the kernel that the whole file is about to be read, in order.
  func willReadAll() {
    guard isMapped, let address = bytes.baseAddress else { return }
    madvise(UnsafeMutableRawPointer(mutating: address), bytes.count, MADV_WILLNEED)
  }

  /// Lets go of the mapped pages once the weights are repacked; what is read later comes back from the page cache.
  func willNotNeed() { willNotNeed(0..<bytes.count) }

  /// The same for the whole pages inside `range`.
  package func willNotNeed(_ range: Range<Int>) {
    let page = Int(sysconf(Int32(_SC_PAGESIZE)))
    let first = (range.lowerBound + page - 1) / page * page
    let last = range.upperBound == bytes.count ? bytes.count : range.upperBound / page * page
    guard isMapped, let address = bytes.baseAddress, first < last else { return }
    madvise(UnsafeMutableRawPointer(mutating: address + first), last - first, MADV_DONTNEED)
  }

  private static func unreadable(_ path: String, _ errorNumber: Int32) -> ModelError {
    ModelError(
      ModelError.fileUnreadable, "Cannot read the model file: \(String(cString: strerror(errorNumber))).",
      remedy: "Check that the path names a regular file that you may read.", location: path)
  }
}
