// Owns what a memory makes of too much: rows that say the same become one, the least important go. Pure.
import Foundation
import StrataCore

/// The rules of the consolidation job.
public enum MemoryConsolidation {
  public struct Report: Sendable, Hashable {
    /// Facts found in episodes that had not been read.
    public var found = 0
    /// Rows that another row says already.
    public var merged = 0
    /// Rows for which there was no room.
    public var dropped = 0

    public init() {}
  }

  /// Facts of the same subject and predicate at least this near each other say the same.
  static let sameMeaningCosine: Float = 0.95

  /// One row for those that say the same of the same time for the same readers: the one said most often, with all
  /// confirmations.
  static func merging(_ believed: [MemoryFact], at now: Date) -> MemoryChange {
    var change = MemoryChange()
    let groups = Dictionary(grouping: believed) { fact in
      Group(
        subject: MemoryTimeline.key(fact.subject), predicate: MemoryTimeline.key(fact.predicate),
        readers: Set(fact.readers), validTo: fact.validTo)
    }
    for group in groups.values.sorted(by: { ($0.first?.id ?? 0) < ($1.first?.id ?? 0) }) where group.count > 1 {
      var rest = group.sorted { ($1.confirmations, $0.id) < ($0.confirmations, $1.id) }
      while !rest.isEmpty {
        let best = rest.removeFirst()
        let same = rest.filter { saysSame($0, best) }
        guard !same.isEmpty else { continue }
        rest.removeAll { fact in same.contains { $0.id == fact.id } }
        var whole = best
        whole.id = 0
        whole.recordedAt = now
        whole.validFrom = min(best.validFrom, same.map(\.validFrom).min() ?? best.validFrom)
        whole.confirmations += same.reduce(0) { $0 + $1.confirmations }
        whole.importance = max(best.importance, same.map(\.importance).max() ?? 0)
        change.retracted += [best.id] + same.map(\.id)
        change.retractedAt = now
        change.added.append(whole)
      }
    }
    return change
  }

  /// Erases the least important beyond `limit`; among equals those said least often, then the oldest.
  static func dropping(_ believed: [MemoryFact], limit: Int) -> MemoryChange {
    var change = MemoryChange()
    let excess = believed.count - max(0, limit)
    guard excess > 0 else { return change }
    let order = believed.sorted {
      ($0.importance, $0.confirmations, $0.recordedAt, $0.id) < ($1.importance, $1.confirmations, $1.recordedAt, $1.id)
    }
    change.erased = order.prefix(excess).map(\.id)
    return change
  }

  private struct Group: Hashable {
    var subject: String
    var predicate: String
    var readers: Set<Reader>
    var validTo: Date?
  }

  private static func saysSame(_ first: MemoryFact, _ second: MemoryFact) -> Bool {
    if MemoryTimeline.isSame(first.object, second.object) { return true }
    guard let a = first.embedding, let b = second.embedding, a.count == b.count else { return false }
    return zip(a, b).reduce(0) { $0 + $1.0 * $1.1 } >= sameMeaningCosine
  }
}
