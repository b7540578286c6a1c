// Owns responses that later ones build on: in memory only, a bounded number for each tenant, for a bounded time.
import StrataCore
import Synchronization

/// A finished response with the conversation up to it.
struct StoredResponse: Sendable {
  let id: String
  let body: JSON
  /// What the client sent for this response.
  let items: [JSON]
  /// All turns so far, without instructions, which do not carry over.
  let conversation: [Message]
  let byteCount: Int
}

/// The responses of one tenant. Pure: the caller brings the time.
struct ResponseShelf: Sendable {
  let countLimit: Int
  let byteLimit: Int
  let age: Duration
  private var entries: [(response: StoredResponse, added: ContinuousClock.Instant)] = []
  private(set) var byteCount = 0

  init(countLimit: Int, byteLimit: Int, age: Duration) {
    self.countLimit = countLimit
    self.byteLimit = byteLimit
    self.age = age
  }

  var count: Int { entries.count }

  /// Drops the oldest until there is room; what is larger than everything allowed is not kept.
  mutating func add(_ response: StoredResponse, now: ContinuousClock.Instant) {
    expire(now)
    guard response.byteCount <= byteLimit, countLimit > 0 else { return }
    entries.append((response, now))
    byteCount += response.byteCount
    while entries.count > countLimit || byteCount > byteLimit { byteCount -= entries.removeFirst().response.byteCount }
  }

  mutating func find(_ id: String, now: ContinuousClock.Instant) -> StoredResponse? {
    expire(now)
    return entries.first { $0.response.id == id }?.response
  }

  mutating func remove(_ id: String, now: ContinuousClock.Instant) -> Bool {
    expire(now)
    guard let place = entries.firstIndex(where: { $0.response.id == id }) else { return false }
    byteCount -= entries.remove(at: place).response.byteCount
    return true
  }

  private mutating func expire(_ now: ContinuousClock.Instant) {
    while let first = entries.first, now - first.added > age {
      byteCount -= first.response.byteCount
      entries.removeFirst()
    }
  }
}

/// The shelves of all tenants; nobody finds what another tenant stored.
final class ResponseStore: Sendable {
  private let shelves = Mutex<[String: ResponseShelf]>([:])
  private let empty: ResponseShelf

  init(_ limits: ServerLimits) {
    empty = ResponseShelf(
      countLimit: limits.storedResponses, byteLimit: limits.storedResponseByteCount, age: limits.storedResponseAge)
  }

  func add(_ response: StoredResponse, tenant: String) {
    shelves.withLock { $0[tenant, default: empty].add(response, now: .now) }
  }

  func find(_ id: String, tenant: String) throws -> StoredResponse {
    guard let found = shelves.withLock({ $0[tenant]?.find(id, now: .now) }) else { throw ResponseStore.missing(id) }
    return found
  }

  func remove(_ id: String, tenant: String) throws {
    guard shelves.withLock({ $0[tenant]?.remove(id, now: .now) ?? false }) else { throw ResponseStore.missing(id) }
  }

  private static func missing(_ id: String) -> ServerError {
    ServerError(
      .responseNotFound, "There is no response `\(id.prefix(100))`.", parameter: "response_id",
      remedy: "Responses are kept in memory for a while only; send the whole conversation as input.")
  }
}
