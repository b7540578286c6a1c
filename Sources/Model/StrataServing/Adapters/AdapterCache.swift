// Owns which adapters are known, which are in memory and in use, and which one makes room. Decides only: it reads no
// files and frees nothing itself.
import StrataCore

/// Adapters by name, the least recently used giving way under a memory budget. An adapter in use never does.
package struct AdapterCache<Adapter> {
  /// One registration of a name; another one of the same name gets another ticket.
  package typealias Ticket = UInt64

  package enum Lookup {
    case ready(Adapter, Ticket)
    /// Known, but not in memory.
    case absent(path: String, Ticket)
  }

  private struct Entry {
    let ticket: Ticket
    let path: String
    var adapter: Adapter?
    var byteCount = 0
    var ranks: [Int] = []
    var lastUse: UInt64 = 0
  }

  package let byteLimit: Int
  private var entries: [String: Entry] = [:]
  /// Uses by ticket, also of adapters that are forgotten already.
  private var useCounts: [Ticket: Int] = [:]
  /// Bytes of adapters that are forgotten but still in use.
  private var retiredBytes: [Ticket: Int] = [:]
  private var nextTicket: Ticket = 1
  private var clock: UInt64 = 0

  package init(byteLimit: Int) { self.byteLimit = byteLimit }

  /// Bytes of all adapters in memory.
  package var byteCount: Int { entries.values.reduce(0) { $0 + $1.byteCount } + retiredBytes.values.reduce(0, +) }

  package var infos: [AdapterInfo] {
    entries.sorted { $0.key < $1.key }.map { name, entry in
      AdapterInfo(
        name: name, path: entry.path, byteCount: entry.byteCount, ranks: entry.ranks,
        useCount: useCounts[entry.ticket] ?? 0)
    }
  }

  /// - Throws: ``ServingError/adapterExists`` when the name is taken and may not be replaced.
  package func check(_ name: String, replaces: Bool) throws(ServingError) {
    guard replaces || entries[name] == nil else {
      throw ServingError(
        ServingError.adapterExists, "The adapter `\(name)` has been loaded already.",
        remedy: "Unload it first, or ask to replace it.")
    }
  }

  /// Makes a name known, without its adapter yet.
  /// - Throws: ``ServingError/adapterExists`` unless `replaces`.
  package mutating func register(_ name: String, path: String, replaces: Bool = false) throws(ServingError) -> Ticket {
    try check(name, replaces: replaces)
    if entries[name] != nil { try remove(name) }
    defer { nextTicket += 1 }
    entries[name] = Entry(ticket: nextTicket, path: path)
    return nextTicket
  }

  /// Finds an adapter and counts a use of it, which ``release(_:)`` ends.
  /// - Throws: ``ServingError/adapterNotFound``.
  package mutating func acquire(_ name: String) throws(ServingError) -> Lookup {
    guard let entry = entries[name] else { throw unknown(name) }
    clock += 1
    entries[name]?.lastUse = clock
    useCounts[entry.ticket, default: 0] += 1
    return entry.adapter.map { .ready($0, entry.ticket) } ?? .absent(path: entry.path, entry.ticket)
  }

  package mutating func release(_ ticket: Ticket) {
    guard let count = useCounts[ticket] else { return }
    useCounts[ticket] = count > 1 ? count - 1 : nil
    if count <= 1 { retiredBytes[ticket] = nil }
  }

  /// Takes in an adapter that was read for `ticket`, and lets go of idle ones until all fit the budget.
  /// - Throws: ``ServingError/adapterMemoryFull`` when adapters in use leave too little; then nothing has changed.
  package mutating func insert(
    _ adapter: Adapter, byteCount: Int, ranks: [Int], ticket: Ticket
  ) throws(ServingError) {
    guard let name = entries.first(where: { $0.value.ticket == ticket })?.key else { return }
    let idle = entries.filter { $0.value.adapter != nil && useCounts[$0.value.ticket] == nil && $0.key != name }
    let kept = self.byteCount - idle.values.reduce(0) { $0 + $1.byteCount }
    guard kept + byteCount <= byteLimit else {
      throw ServingError(
        ServingError.adapterMemoryFull,
        "The adapter `\(name)` takes \(byteCount) bytes; \(kept) of \(byteLimit) are in use.",
        remedy: "Try again when other requests have ended, or start with more memory for adapters.")
    }
    for (other, _) in idle.sorted(by: { $0.value.lastUse < $1.value.lastUse }) {
      guard self.byteCount + byteCount > byteLimit else { break }
      entries[other]?.adapter = nil
      entries[other]?.byteCount = 0
    }
    clock += 1
    entries[name]?.lastUse = clock
    entries[name]?.adapter = adapter
    entries[name]?.byteCount = byteCount
    entries[name]?.ranks = ranks
  }

  /// The adapter of a ticket, if it is in memory.
  package func adapter(of ticket: Ticket) -> Adapter? { entries.values.first { $0.ticket == ticket }?.adapter }

  /// Forgets a name. While sequences use the adapter its bytes go on to count.
  /// - Throws: ``ServingError/adapterNotFound``.
  package mutating func remove(_ name: String) throws(ServingError) {
    guard let entry = entries.removeValue(forKey: name) else { throw unknown(name) }
    if useCounts[entry.ticket] != nil, entry.byteCount > 0 { retiredBytes[entry.ticket] = entry.byteCount }
  }

  private func unknown(_ name: String) -> ServingError {
    let known = entries.keys.sorted().prefix(20).joined(separator: ", ")
    return ServingError(
      ServingError.adapterNotFound, "The adapter `\(name.prefix(200))` does not exist.",
      remedy: known.isEmpty ? "No adapter is loaded." : "Loaded: \(known).")
  }
}
