// Owns being the only writer of an index folder. Knows nothing about what is in it.
import Foundation

/// Held as long as this object lives; the system lets go of it when the process dies, however it dies.
final class FolderLock: Sendable {
  private let descriptor: Int32

  /// - Returns: nil when another process, or another index of this one, writes to the folder.
  init?(folder: String) throws(IndexError) {
    let path = folder + "/LOCK"
    let descriptor = open(path, O_CREAT | O_RDWR | O_CLOEXEC | O_NOFOLLOW, 0o600)
    guard descriptor >= 0 else { throw .system("make a lock file", errno, path: path) }
    while flock(descriptor, LOCK_EX | LOCK_NB) != 0 {
      if errno == EINTR { continue }
      let reason = errno
      close(descriptor)
      if reason == EWOULDBLOCK { return nil }
      throw .system("lock its folder", reason, path: path)
    }
    self.descriptor = descriptor
  }

  deinit { close(descriptor) }
}
