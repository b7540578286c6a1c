// Owns the keys that are valid now: those given at the start, and those of a file that may change while serving.
import Foundation
import Logging
import StrataCore
import Synchronization

final class KeyRing: Sendable {
  private struct FileState {
    var keys: [APIKey] = []
    var stamp: Stamp?
    var checked: ContinuousClock.Instant?
  }
  private struct Stamp: Equatable {
    var modified: Date
    var size: Int
    var inode: Int
  }

  private let given: [APIKey]
  private let path: String?
  private let logger: Logger
  private let file = Mutex(FileState())
  /// The file is looked at once in this time at most, so a revoked key ends within it.
  private static let interval: Duration = .seconds(1)

  init(_ configuration: ServerConfiguration, logger: Logger) {
    given = configuration.apiKeys
    path = configuration.keyFile
    self.logger = logger
  }

  /// Whether nobody has to identify themselves. A file of keys means that they do, even while it is empty.
  var isOpen: Bool { given.isEmpty && path == nil }

  func key(digest: String) -> APIKey? {
    var found: APIKey?
    // All of them, so that the time tells nothing about which one matched.
    for key in given + fromFile() where key.matches(digest: digest) { found = key }
    return found
  }

  private func fromFile() -> [APIKey] {
    guard let path else { return [] }
    return file.withLock { state in
      let now = ContinuousClock.now
      if let checked = state.checked, now - checked < KeyRing.interval { return state.keys }
      state.checked = now
      let stamp = KeyRing.stamp(path)
      guard stamp != state.stamp else { return state.keys }
      do {
        state.keys = try KeyFile(path: path).entries.map(\.key)
        state.stamp = stamp
      } catch {
        // A half-edited file must lock nobody out; what was valid stays valid until it can be read.
        logger.error("the file of keys cannot be read", metadata: ["error": "\(error)"])
      }
      return state.keys
    }
  }

  private static func stamp(_ path: String) -> Stamp? {
    guard let attributes = try? FileManager.default.attributesOfItem(atPath: path) else { return nil }
    return Stamp(
      modified: attributes[.modificationDate] as? Date ?? .distantPast, size: attributes[.size] as? Int ?? 0,
      inode: attributes[.systemFileNumber] as? Int ?? 0)
  }
}
