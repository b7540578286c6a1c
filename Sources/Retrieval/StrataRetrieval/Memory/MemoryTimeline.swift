// Owns what a statement changes in what a memory believes. Pure: reads rows, decides, touches nothing.
import Foundation
import StrataCore

/// The bi-temporal rules, after Snodgrass (2000), chapter 10: a row that is wrong from some moment on is retracted, and what
/// is still believed of it is recorded anew, so that what was believed before can be asked for ever after.
struct MemoryTimeline {
  let scope: MemoryScope
  let readers: [Reader]
  let episode: Int64?
  /// The moment of learning.
  let now: Date

  /// Adds what `statement` means to `change`.
  ///
  /// - Parameter believed: the rows that the memory believes now, those of `change` included; brought up to date.
  func apply(_ statement: FactStatement, to believed: inout [MemoryFact], _ change: inout MemoryChange) {
    let start = statement.validFrom ?? now
    let related = believed.indices.filter { Self.isSameQuestion(believed[$0], statement) }
    if statement.isEnd {
      let ended = related.filter { Self.isSame(believed[$0].object, statement.object) || statement.object.isEmpty }
      for index in ended.reversed() where Self.covers(believed[index], start) {
        cut(at: start, believed.remove(at: index), &believed, &change)
      }
      return
    }
    if let known = related.first(where: {
      Self.isSame(believed[$0].object, statement.object) && Self.covers(believed[$0], start)
    }) {
      // Said before: a row of this very change counts once.
      if believed[known].id > 0 {
        believed[known].confirmations += 1
        change.confirmed.append(believed[known].id)
      }
      return
    }
    var end = statement.validTo
    if statement.isSingle {
      // Until the next thing that is known to hold.
      let next = related.map { believed[$0].validFrom }.filter { $0 > start }.min()
      end = [end, next].compactMap { $0 }.min()
      for index in related.reversed() where Self.covers(believed[index], start) {
        cut(at: start, believed.remove(at: index), &believed, &change)
      }
    }
    guard end.map({ $0 > start }) ?? true else { return }
    let fact = MemoryFact(
      scope: scope, subject: statement.subject, predicate: statement.predicate, object: statement.object,
      text: statement.text, isSingle: statement.isSingle, validFrom: start, validTo: end, recordedAt: now,
      importance: statement.importance, readers: readers, episode: episode)
    believed.append(fact)
    change.added.append(fact)
  }

  /// Stops believing `fact` from `time` on.
  private func cut(
    at time: Date, _ fact: MemoryFact, _ believed: inout [MemoryFact], _ change: inout MemoryChange
  ) {
    if fact.id > 0 {
      change.retracted.append(fact.id)
      change.retractedAt = now
    } else {
      change.added.removeAll { $0 == fact }
    }
    guard fact.validFrom < time else { return }
    var rest = fact
    rest.id = 0
    rest.validTo = time
    rest.recordedAt = now
    believed.append(rest)
    change.added.append(rest)
  }

  private static func covers(_ fact: MemoryFact, _ time: Date) -> Bool {
    fact.validFrom <= time && (fact.validTo.map { time < $0 } ?? true)
  }

  private static func isSameQuestion(_ fact: MemoryFact, _ statement: FactStatement) -> Bool {
    isSame(fact.subject, statement.subject) && isSame(fact.predicate, statement.predicate)
  }

  /// Whether two texts say the same but for case, spaces and the full stop.
  static func isSame(_ first: String, _ second: String) -> Bool { key(first) == key(second) }

  static func key(_ text: String) -> String {
    text.lowercased().split { $0.isWhitespace || $0 == "." || $0 == "!" }.joined(separator: " ")
  }
}
