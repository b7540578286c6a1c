// Owns the calls to the system that change the index's files, each with a name, so that a test can make the process
// "die" before any of them. Knows no format.
import Foundation

/// A step after which the disk is in another state.
package enum FileStep: String, Sendable, CaseIterable {
  case create, write, sync, rename, syncFolder, remove
}

/// Changes files one step at a time.
package struct FileSteps: Sendable {
  /// Called before each step; what it throws stops the step, and the process counts as dead from there on.
  private let failPoint: (@Sendable (FileStep, String) throws(IndexError) -> Void)?

  /// Steps that only the system can make fail.
  package static let real = FileSteps()

  package init(failPoint: (@Sendable (FileStep, String) throws(IndexError) -> Void)? = nil) {
    self.failPoint = failPoint
  }

  private func reach(_ step: FileStep, _ path: String) throws(IndexError) { try failPoint?(step, path) }

  /// A new file, readable and writable by this user only; an old one of that name loses its contents.
  func create(_ path: String) throws(IndexError) -> Int32 {
    try reach(.create, path)
    let descriptor = open(path, O_CREAT | O_TRUNC | O_RDWR | O_CLOEXEC | O_NOFOLLOW, 0o600)
    guard descriptor >= 0 else { throw .system("make a file", errno, path: path) }
    return descriptor
  }

  func write(_ bytes: UnsafeRawBufferPointer, to descriptor: Int32, at offset: Int, path: String) throws(IndexError) {
    try reach(.write, path)
    var done = 0
    while done < bytes.count, let start = bytes.baseAddress {
      let count = pwrite(descriptor, start + done, Swift.min(bytes.count - done, 1 << 30), off_t(offset + done))
      if count > 0 {
        done += count
      } else if count == 0 || errno != EINTR {
        throw .system("write", count == 0 ? ENOSPC : errno, path: path)
      }
    }
  }

  func sync(_ descriptor: Int32, path: String) throws(IndexError) {
    try reach(.sync, path)
    guard fsync(descriptor) == 0 else { throw .system("flush a file to disk", errno, path: path) }
  }

  /// Replaces the file `target`, if there is one, in one step.
  func rename(_ path: String, to target: String) throws(IndexError) {
    try reach(.rename, target)
    guard Foundation.rename(path, target) == 0 else { throw .system("rename a file", errno, path: target) }
  }

  /// After this the names in the folder survive a power cut.
  func syncFolder(_ path: String) throws(IndexError) {
    try reach(.syncFolder, path)
    let descriptor = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
    guard descriptor >= 0 else { throw .system("open its folder", errno, path: path) }
    defer { close(descriptor) }
    guard fsync(descriptor) == 0 else { throw .system("flush its folder to disk", errno, path: path) }
  }

  /// A file that is not there counts as removed.
  func remove(_ path: String) throws(IndexError) {
    try reach(.remove, path)
    guard unlink(path) == 0 || errno == ENOENT else { throw .system("remove a file", errno, path: path) }
  }
}

/// The system's words for an error number.
func errorText(_ number: Int32) -> String { String(cString: strerror(number)) }
