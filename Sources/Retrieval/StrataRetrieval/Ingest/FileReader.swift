// Owns reading a whole file that somebody else may be writing. Knows nothing about what is in it.
import Foundation
import StrataCore

/// What tells a file from itself at another time without reading it.
package struct FileStamp: Sendable, Hashable {
  var byteCount: Int
  var modifiedNanoseconds: Int64
  var inode: UInt64

  init(_ status: stat) {
    byteCount = Int(status.st_size)
    modifiedNanoseconds = Int64(status.st_mtim.tv_sec) &* 1_000_000_000 &+ Int64(status.st_mtim.tv_nsec)
    inode = UInt64(status.st_ino)
  }

  var modifiedAt: Date { Date(timeIntervalSince1970: Double(modifiedNanoseconds) / 1e9) }
}

package struct FileContent: Sendable {
  package var bytes: [UInt8]
  package var stamp: FileStamp
}

/// Reads regular files below a size limit, whole and unchanged.
package struct FileReader: Sendable {
  package var byteLimit: Int
  /// How often a file that changes under us is tried.
  package var attempts = 3
  /// Called when a file's bytes are read and it is not yet known whether it changed meanwhile.
  package var didRead: @Sendable (_ path: String) -> Void = { _ in }

  package init(byteLimit: Int) { self.byteLimit = byteLimit }

  /// The first bytes of a regular file, to see what it is; nil when it cannot be read.
  static func head(_ path: String, byteCount: Int = 1 << 16) -> [UInt8]? {
    let file = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK)
    guard file >= 0 else { return nil }
    defer { close(file) }
    var status = stat()
    guard fstat(file, &status) == 0, status.st_mode & S_IFMT == S_IFREG else { return nil }
    return [UInt8](unsafeUninitializedCapacity: byteCount) { buffer, count in
      count = max(0, Foundation.read(file, buffer.baseAddress, byteCount))
    }
  }

  /// - Throws: ``RetrievalError`` with the reason.
  package func read(_ path: String) throws -> FileContent {
    for attempt in 0..<attempts {
      if attempt > 0 { usleep(useconds_t(50_000 << attempt)) }
      if let content = try readOnce(path) { return content }
    }
    throw RetrievalError.fileChanging(path: path)
  }

  /// Nil when the file changed meanwhile.
  private func readOnce(_ path: String) throws -> FileContent? {
    // O_NONBLOCK: opening a named pipe must not wait for a writer. O_NOFOLLOW: the walk saw a file, not a link.
    let file = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK)
    guard file >= 0 else {
      throw RetrievalError.unreadableFile(String(cString: strerror(errno)), path: path)
    }
    defer { close(file) }
    let before = try stamp(file, path)
    guard before.byteCount <= byteLimit else {
      throw RetrievalError.fileTooLarge(before.byteCount, limit: byteLimit, path: path)
    }
    // One byte more than expected, to notice growth.
    var bytes = [UInt8](repeating: 0, count: before.byteCount + 1)
    var filled = 0
    while filled < bytes.count {
      let count = bytes.withUnsafeMutableBytes { buffer in
        Foundation.read(file, buffer.baseAddress?.advanced(by: filled), buffer.count - filled)
      }
      if count < 0 {
        if errno == EINTR { continue }
        throw RetrievalError.unreadableFile(String(cString: strerror(errno)), path: path)
      }
      if count == 0 { break }
      filled += count
    }
    didRead(path)
    guard filled == before.byteCount, try stamp(file, path) == before else { return nil }
    bytes.removeLast(bytes.count - filled)
    return FileContent(bytes: bytes, stamp: before)
  }

  private func stamp(_ file: Int32, _ path: String) throws -> FileStamp {
    var status = stat()
    guard fstat(file, &status) == 0 else {
      throw RetrievalError.unreadableFile(String(cString: strerror(errno)), path: path)
    }
    guard status.st_mode & S_IFMT == S_IFREG else {
      throw RetrievalError.unreadableFile("it is no regular file", path: path)
    }
    return FileStamp(status)
  }
}
