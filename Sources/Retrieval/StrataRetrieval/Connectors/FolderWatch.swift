// Owns noticing that something below a folder has changed. Does not say what: the next ingest finds that out.
import Foundation
import StrataCore
import Synchronization

/// Tells when files below a folder change, through Linux's inotify.
///
/// Changes come in bursts, so one is told when nothing more has happened for `quiet`, or after ten times as long. Where
/// the system has no watches left for all folders, and for what it does not tell of (network file systems), the folder is
/// also reported every `interval`.
public final class FolderWatch: Sendable {
  public let folder: String
  private let descriptor: Int32
  private let quiet: Duration
  private let interval: Duration
  private let watched = Mutex<Set<String>>([])

  private static let events = UInt32(
    IN_CLOSE_WRITE | IN_CREATE | IN_DELETE | IN_MOVED_FROM | IN_MOVED_TO | IN_ATTRIB | IN_DELETE_SELF)

  /// - Throws: ``RetrievalError`` when there is no such folder or the system gives no watch at all.
  public init(_ folder: String, quiet: Duration = .milliseconds(500), interval: Duration = .seconds(300)) throws {
    self.folder = folder
    self.quiet = quiet
    self.interval = interval
    descriptor = inotify_init1(Int32(IN_NONBLOCK) | Int32(IN_CLOEXEC))
    guard descriptor >= 0, watch(folder) else {
      let reason = String(cString: strerror(errno))
      if descriptor >= 0 { close(descriptor) }
      throw RetrievalError.unreadableFolder(folder, reason: reason)
    }
    watchFolders(below: folder)
  }

  deinit { close(descriptor) }

  private func watch(_ path: String) -> Bool {
    guard inotify_add_watch(descriptor, path, Self.events | UInt32(IN_ONLYDIR) | UInt32(IN_DONT_FOLLOW)) >= 0 else {
      return false
    }
    watched.withLock { _ = $0.insert(path) }
    return true
  }

  private func watchFolders(below folder: String) {
    var pending = [folder]
    while let path = pending.popLast() {
      guard let names = try? FileManager.default.contentsOfDirectory(atPath: path) else { continue }
      for name in names where !name.hasPrefix(".") {
        let child = "\(path)/\(name)"
        var status = stat()
        guard lstat(child, &status) == 0, status.st_mode & S_IFMT == S_IFDIR else { continue }
        // Out of watches: the interval has to do for the rest.
        if !watched.withLock({ $0.contains(child) }), !watch(child) { return }
        pending.append(child)
      }
    }
  }

  /// Waits until something has changed and it is quiet again.
  /// - Throws: `CancellationError`.
  public func next() async throws {
    let cancelled = Atomic<Bool>(false)
    try await withTaskCancellationHandler {
      await withCheckedContinuation { continuation in
        // Waiting blocks a thread, which the cooperative pool has too few of.
        DispatchQueue.global(qos: .utility).async {
          self.wait { cancelled.load(ordering: .relaxed) }
          continuation.resume()
        }
      }
      try Task.checkCancellation()
    } onCancel: {
      cancelled.store(true, ordering: .relaxed)
    }
  }

  private func wait(isCancelled: () -> Bool) {
    let start = ContinuousClock.now
    var first: ContinuousClock.Instant?
    var last = start
    while !isCancelled() {
      var polled = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
      let count = poll(&polled, 1, 100)
      let now = ContinuousClock.now
      if count > 0, drain() {
        first = first ?? now
        last = now
      }
      if let first, now - last >= quiet || now - first >= quiet * 10 {
        watchFolders(below: folder)
        return
      }
      if first == nil, now - start >= interval { return }
    }
  }

  /// - Returns: whether there was an event.
  private func drain() -> Bool {
    var buffer = [UInt8](repeating: 0, count: 1 << 16)
    var any = false
    while read(descriptor, &buffer, buffer.count) > 0 { any = true }
    return any
  }
}
