// Owns writing a file so that a reader sees all of it or nothing. Knows no format.
import Foundation
import StrataCore

/// A file that comes into being under its name when ``commit()`` is called, complete and on disk, and leaves nothing
/// behind otherwise: not after an error, a full disk or a crash.
package final class AtomicFile {
  package let path: String
  private let directory: String
  /// Nil while the file has no name at all.
  private var temporaryPath: String?
  private var descriptor: Int32
  private var writtenCount = 0

  /// Begins a file of `byteCount` bytes beside `path`, with the room for it taken.
  /// - Throws: ``ModelError``: `disk_full` or `model_file_unwritable`.
  package init(path: String, byteCount: Int) throws(ModelError) {
    self.path = path
    let folder = (path as NSString).deletingLastPathComponent
    directory = folder.isEmpty ? "." : folder
    // A file without a name vanishes with the process, however that ends; not every file system has them.
    descriptor = open(directory, O_WRONLY | O_CLOEXEC | Self.unnamed, 0o644)
    if descriptor < 0 {
      let name = Self.temporaryName(for: path)
      descriptor = open(name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o644)
      guard descriptor >= 0 else { throw Self.failure(errno, path) }
      temporaryPath = name
    }
    let result = byteCount > 0 ? posix_fallocate(descriptor, 0, off_t(byteCount)) : 0
    guard result == 0 || result == EOPNOTSUPP || result == EINVAL else {
      abandon()
      throw Self.failure(result, path)
    }
  }

  deinit { abandon() }

  /// Appends bytes.
  package func write(_ bytes: UnsafeRawBufferPointer) throws(ModelError) {
    var rest = bytes[...]
    while !rest.isEmpty {
      let count = Foundation.write(descriptor, UnsafeRawBufferPointer(rebasing: rest).baseAddress, rest.count)
      if count < 0 {
        if errno == EINTR { continue }
        throw Self.failure(errno, path)
      }
      writtenCount += count
      rest = rest.dropFirst(count)
    }
  }

  package func write(_ bytes: [UInt8]) throws(ModelError) {
    // `withUnsafeBytes` does not pass typed errors on.
    let result = bytes.withUnsafeBytes { buffer in Result { () throws(ModelError) in try write(buffer) } }
    try result.get()
  }

  /// Puts the bytes on disk and the file under its name, over what was there.
  package func commit() throws(ModelError) {
    guard ftruncate(descriptor, off_t(writtenCount)) == 0, fsync(descriptor) == 0 else {
      throw Self.failure(errno, path)
    }
    let name: String
    if let temporaryPath {
      name = temporaryPath
    } else {
      name = Self.temporaryName(for: path)
      guard linkat(AT_FDCWD, "/proc/self/fd/\(descriptor)", AT_FDCWD, name, AT_SYMLINK_FOLLOW) == 0 else {
        throw Self.failure(errno, path)
      }
      temporaryPath = name
    }
    guard rename(name, path) == 0 else { throw Self.failure(errno, path) }
    temporaryPath = nil
    abandon()
    let folder = open(directory, O_RDONLY | O_CLOEXEC)
    if folder >= 0 {
      fsync(folder)
      close(folder)
    }
  }

  private func abandon() {
    if descriptor >= 0 { close(descriptor) }
    descriptor = -1
    if let temporaryPath { unlink(temporaryPath) }
    temporaryPath = nil
  }

  /// O_TMPFILE, which the C library defines by a macro that Swift cannot read.
  private static let unnamed: Int32 = 0o20_000_000 | O_DIRECTORY

  private static func temporaryName(for path: String) -> String {
    "\(path).\(getpid())-\(UInt32.random(in: 0...(.max))).partial"
  }

  private static func failure(_ number: Int32, _ path: String) -> ModelError {
    if number == ENOSPC || number == EDQUOT || number == EFBIG {
      return ModelError(
        ModelError.diskFull, "There is no room on the disk for the file.",
        remedy: "Free some space or write to another disk; nothing was left behind.", location: path)
    }
    return ModelError(
      ModelError.fileUnwritable, "Cannot write the file: \(String(cString: strerror(number))).",
      remedy: "Check that the folder exists and that you may write there.", location: path)
  }
}
