// Owns which words of a segment are unpacked, in bounded memory. Knows nothing about queries, readers or weights.
import CStrataKernels
import Synchronization

/// Keeps the lists of the words that were asked for last, as positions and shares.
///
/// A long list is unpacked once searches have unpacked twice as many postings of it for their own use: the memory makes
/// unpacking cost about as much as that. So whatever is searched and however often the average length changes, unpacking at
/// most doubles the work.
final class UnpackedLists: Sendable {
  /// Bytes of a segment's lists that are kept at most. Searches that run hold at most as much again each.
  static let mostBytes = 256 << 20
  /// A list that takes more stays packed.
  private static let mostListBytes = mostBytes / 4

  /// Lists up to so many postings are unpacked at once.
  private static let shortCount = 4096

  private struct Key {
    let field: LexicalField?
    let term: Int
  }

  /// The lists of a field.
  private struct Table {
    var constants = strata_bm25()
    /// By term; empty while there is none.
    var lists: [UnpackedList?] = []
    /// Whether the list of a term was asked for since it was last looked at for being given up.
    var isRecent: [Bool] = []
    /// How many postings of a term were unpacked for searches.
    var walked: [UInt32] = []

    /// Appends the lists of `terms`, nil for those not there, and where the latter are that are to be unpacked.
    mutating func find(
      _ terms: [Int], _ counts: UnsafeBufferPointer<UInt32>, isShort: Bool, _ found: inout [UnpackedList?],
      _ missing: inout [Int]
    ) {
      for term in terms {
        let list = lists[term]
        if list != nil {
          isRecent[term] = true
        } else if isShort || counts[term] <= shortCount || walked[term] / 2 >= counts[term] {
          missing.append(found.count)
        }
        found.append(list)
      }
    }
  }

  private struct State {
    var any = Table()
    var title = Table()
    var body = Table()
    /// What is kept, in the order of a clock's face (Corbató 1968).
    var kept: [Key] = []
    var hand = 0
    var byteCount = 0

    subscript(field: LexicalField?) -> Table {
      _read {
        switch field {
        case nil: yield any
        case .title: yield title
        case .body: yield body
        }
      }
      _modify {
        switch field {
        case nil: yield &any
        case .title: yield &title
        case .body: yield &body
        }
      }
    }

    /// Shares depend on the average length: those of another are given up.
    mutating func prepare(_ field: LexicalField?, _ constants: strata_bm25, termCount: Int, chunkCount: Int) {
      let known = self[field].constants
      let isKnown = known.offset == constants.offset && known.factor == constants.factor
      guard !isKnown || self[field].lists.isEmpty else { return }
      for key in kept where key.field == field {
        let list = self[field].lists[key.term]
        byteCount -= UnpackedList.byteCount(list?.count ?? 0, chunkCount: chunkCount)
      }
      kept.removeAll { $0.field == field }
      hand = 0
      self[field] = Table(
        constants: constants, lists: Array(repeating: nil, count: termCount),
        isRecent: Array(repeating: false, count: termCount), walked: Array(repeating: 0, count: termCount))
    }

    mutating func keep(_ list: UnpackedList, _ key: Key, chunkCount: Int) {
      guard self[key.field].lists[key.term] == nil else { return }
      self[key.field].lists[key.term] = list
      self[key.field].isRecent[key.term] = true
      kept.append(key)
      byteCount += UnpackedList.byteCount(list.count, chunkCount: chunkCount)
      while byteCount > UnpackedLists.mostBytes, !kept.isEmpty {
        hand = hand < kept.count ? hand : 0
        let (field, term) = (kept[hand].field, kept[hand].term)
        if self[field].isRecent[term] {
          self[field].isRecent[term] = false
          hand += 1
          continue
        }
        byteCount -= UnpackedList.byteCount(self[field].lists[term]?.count ?? 0, chunkCount: chunkCount)
        self[field].lists[term] = nil
        kept[hand] = kept[kept.count - 1]
        kept.removeLast()
      }
    }
  }

  private let state = Mutex(State())

  /// The lists of `terms` in a field, made where they are not there; nil for one that stays packed.
  func lists(
    of terms: [Int], in segment: LexicalSegment, _ field: LexicalField?, _ constants: strata_bm25
  ) -> [UnpackedList?] {
    guard !terms.isEmpty else { return [] }
    var missing: [Int] = []
    var lists: [UnpackedList?] = []
    lists.reserveCapacity(terms.count)
    state.withLock { state in
      state.prepare(field, constants, termCount: segment.terms.count, chunkCount: segment.count)
      state[field].find(terms, segment.postings.frequencies.buffer, isShort: field != nil, &lists, &missing)
    }
    guard !missing.isEmpty else { return lists }
    var room = Self.mostBytes
    for index in missing {
      let byteCount = UnpackedList.byteCount(
        Int(segment.postings.frequencies[terms[index]]), chunkCount: segment.count)
      guard byteCount <= Self.mostListBytes, byteCount <= room else { continue }
      room -= byteCount
      lists[index] = segment.unpack(terms[index], field, constants)
    }
    state.withLock { state in
      let known = state[field].constants
      guard known.offset == constants.offset, known.factor == constants.factor else { return }
      for index in missing {
        guard let list = lists[index] else { continue }
        state.keep(list, Key(field: field, term: terms[index]), chunkCount: segment.count)
      }
    }
    return lists
  }

  /// Notes that a search has unpacked postings of lists that stayed packed.
  func note(_ walked: [(term: Int, count: Int)]) {
    guard !walked.isEmpty else { return }
    state.withLock { state in
      for (term, count) in walked where term < state.any.walked.count {
        state.any.walked[term] += UInt32(clamping: min(count, Int(UInt32.max - state.any.walked[term])))
      }
    }
  }
}

extension LexicalSegment {
  /// The postings of a term that have it in a field; nil for none, or when the file is damaged.
  fileprivate func unpack(_ term: Int, _ field: LexicalField?, _ constants: strata_bm25) -> UnpackedList? {
    let list = postings.list(term)
    if let field {
      let (positions, counts) = list.occurrences(in: field, limit: count)
      return UnpackedList(positions, counts, lengths: lengths(of: field), constants)
    }
    return withUnsafeTemporaryAllocation(of: UInt32.self, capacity: Postings.blockCount) { titles in
      guard let titles = titles.baseAddress else { return nil }
      return UnpackedList(count: list.count, lengths: lengths, constants) { block, positions, counts in
        list.positions(of: block, limit: count, into: positions)
        list.counts(of: block, titleWeight: titleWeight, into: counts, titles: titles)
      }
    }
  }
}
