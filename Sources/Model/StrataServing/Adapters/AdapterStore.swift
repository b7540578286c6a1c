// Owns the adapters of one model while it serves: reading them when they are needed, and lending them to sequences.
import Foundation
import StrataCore
import StrataModel
import Synchronization

/// The right to run with an adapter; ends with the last reference.
package final class AdapterLease: Sendable {
  package let adapter: LoRAAdapter
  private let onEnd: @Sendable () -> Void

  package init(_ adapter: LoRAAdapter, onEnd: @escaping @Sendable () -> Void) {
    self.adapter = adapter
    self.onEnd = onEnd
  }

  deinit { onEnd() }
}

/// Adapters by name under a memory budget. Those that gave way are read again when a request names them.
package final class AdapterStore: Sendable {
  private let cache: Mutex<AdapterCache<LoRAAdapter>>
  private let read: @Sendable (_ name: String, _ path: String) throws -> LoRAAdapter
  /// Reading and packing blocks for a tenth of a second: never on Swift's cooperative threads, and one at a time, so
  /// that requests for the same adapter read it once.
  private let queue = DispatchQueue(label: "strata-adapters")

  package init(byteLimit: Int, read: @escaping @Sendable (_ name: String, _ path: String) throws -> LoRAAdapter) {
    cache = Mutex(AdapterCache(byteLimit: byteLimit))
    self.read = read
  }

  package var infos: [AdapterInfo] { cache.withLock { $0.infos } }
  package var byteCount: Int { cache.withLock { $0.byteCount } }

  /// Reads an adapter and makes it known.
  package func load(_ name: String, from path: String, replaces: Bool) async throws {
    guard !name.isEmpty, name.utf8.count <= 128, name.allSatisfy(Self.isAllowed) else {
      throw ServingError(
        ServingError.invalidParameter, "`\(name.prefix(128))` cannot be an adapter's name.",
        remedy: "Use up to 128 letters, digits, `-`, `_`, `.` and `/`.")
    }
    try await onQueue {
      try self.cache.withLock { cache in try cache.check(name, replaces: replaces) }
      // Reading comes first: a file that cannot be used leaves what was there before.
      let adapter = try self.read(name, path)
      try self.cache.withLock { cache in
        var changed = cache
        let ticket = try changed.register(name, path: path, replaces: replaces)
        try changed.insert(adapter, byteCount: adapter.byteCount, ranks: adapter.ranks, ticket: ticket)
        cache = changed
      }
    }
  }

  private static func isAllowed(_ character: Character) -> Bool {
    character.isASCII && (character.isLetter || character.isNumber) || "-_./".contains(character)
  }

  package func unload(_ name: String) throws {
    try cache.withLock { cache in try cache.remove(name) }
  }

  /// Lends an adapter for one sequence, reading it first where it had to give way.
  package func lease(_ name: String) async throws -> AdapterLease {
    let (found, path, ticket) = try cache.withLock { cache -> (LoRAAdapter?, String, UInt64) in
      switch try cache.acquire(name) {
      case .ready(let adapter, let ticket): (adapter, "", ticket)
      case .absent(let path, let ticket): (nil, path, ticket)
      }
    }
    if let found { return lease(found, ticket) }
    do {
      return lease(try await onQueue { try self.bring(name, path, ticket) }, ticket)
    } catch {
      cache.withLock { $0.release(ticket) }
      throw error
    }
  }

  private func bring(_ name: String, _ path: String, _ ticket: UInt64) throws -> LoRAAdapter {
    if let known = cache.withLock({ $0.adapter(of: ticket) }) { return known }
    let adapter = try read(name, path)
    try cache.withLock { cache in
      try cache.insert(adapter, byteCount: adapter.byteCount, ranks: adapter.ranks, ticket: ticket)
    }
    return adapter
  }

  private func lease(_ adapter: LoRAAdapter, _ ticket: UInt64) -> AdapterLease {
    AdapterLease(adapter) { [weak self] in self?.cache.withLock { $0.release(ticket) } }
  }

  private func onQueue<Result: Sendable>(_ work: @escaping @Sendable () throws -> Result) async throws -> Result {
    try await withCheckedThrowingContinuation { continuation in
      queue.async { continuation.resume(with: Swift.Result(catching: work)) }
    }
  }
}
