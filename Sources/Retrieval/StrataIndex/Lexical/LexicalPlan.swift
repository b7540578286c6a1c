// Owns what a query comes to in one snapshot: which lists of postings, of what weight, and which chunks are out.
import CStrataKernels
import Foundation

/// A query's words and phrases, looked up in each segment of a snapshot.
struct LexicalPlan {
  /// A word of a phrase, or the only one of a term.
  struct Word {
    /// Its number in the plan's table.
    var number: Int
    var hash: UInt64
    /// Places after the first word of the phrase; stop words leave gaps.
    var offset: Int
  }

  /// A word or a phrase with what it weighs. Holds no references, so that copies cost nothing.
  struct Unit {
    /// Places in ``words``; at least one.
    let words: Range<Int>
    let field: LexicalField?
    let occurrence: LexicalQuery.Occurrence
    var repetitions = 1
    /// Its source in the first segment; those in the others follow.
    var firstSource = 0
    /// Chunks that have it: all that are there for a word, the readable ones for a phrase.
    var frequency = 0
    /// Inverse document frequency; of a phrase, the sum of its words'.
    var inverse: Double = 0

    var weight: Float { occurrence == .excluded ? 0 : Float(inverse * Double(repetitions)) }
    /// Whether the index has a list of exactly this.
    var isAsIndexed: Bool { words.count == 1 && field == nil }
  }

  /// Where the postings of a unit are.
  enum Source {
    case none
    /// A term of the segment.
    case term(Int)
    /// A term of the segment in one field, as a place in ``lists``.
    case field(Int, term: Int)
    /// Found for this query: a place in ``lists``, and in ``matches``.
    case phrase(Int, matches: Int)
  }

  let snapshot: IndexSnapshot
  private let chunkCount: Int
  /// The distinct words of the query.
  private var table = TermTable(slotCount: 32)
  private var words: [Word] = []
  private(set) var units: [Unit] = []
  /// For each unit, where its postings are in each segment.
  private var sources: [Source] = []
  private var lists: [UnpackedList] = []
  private var matches: [PhraseMatcher.Matches] = []
  /// By segment, the readable chunks that have all that is required and nothing that is excluded.
  private(set) var allowed: [[UInt64]]
  /// What weights are multiplied with, so that scores can be added as integers, in which order makes no difference.
  private(set) var scale: Float = 0

  init(_ query: LexicalQuery, in snapshot: IndexSnapshot, within readable: ChunkBitmap) {
    self.snapshot = snapshot
    chunkCount = snapshot.count
    allowed = readable.segments
    let wanted = unitsOf(query)
    units.reserveCapacity(wanted.count)
    sources.reserveCapacity(wanted.count * snapshot.views.count)
    for unit in wanted { add(unit) }
    for unit in units where unit.occurrence != .optional { restrict(to: unit) }
    let sum = units.reduce(0) { $0 + Double($1.weight) }
    // The largest possible sum stays below 2^30.
    if sum > 0 { scale = Float(sign: .plus, exponent: 29 - Int(sum.exponent), significand: 1) }
  }

  /// The constants of BM25 for a field, or for both together.
  static func parameters(_ bm25: BM25Parameters, _ field: LexicalField?) -> (k1: Float, b: Float) {
    switch field {
    case nil: (bm25.k1, bm25.b)
    case .title: (bm25.title.k1, bm25.title.b)
    case .body: (bm25.body.k1, bm25.body.b)
    }
  }

  func averageLength(of field: LexicalField?) -> Float {
    var total = 0
    for index in snapshot.views.indices { total += snapshot.views[index].lexical.length(of: field) }
    return max(1e-6, Float(total) / Float(max(1, chunkCount)))
  }

  /// BM25's constants without a word's weight.
  func constants(of field: LexicalField?) -> strata_bm25 {
    let (k1, b) = Self.parameters(snapshot.bm25, field)
    return strata_bm25(weight: 0, offset: k1 * (1 - b), factor: k1 * b / averageLength(of: field))
  }

  /// How often the chunk at `position` has what a unit asks for, an occurrence in the title counting as the index says;
  /// nil when it has not.
  func frequency(of unit: Unit, inView index: Int, at position: Int) -> Int? {
    let segment = snapshot.views[index].segment.lexical
    switch sources[unit.firstSource + index] {
    case .none: return nil
    case .term(let term):
      return segment.postings.list(term).count(at: position, limit: segment.count, titleWeight: segment.titleWeight)
    case .field(_, let term):
      let list = segment.postings.list(term)
      let count = unit.field.flatMap { list.count(at: position, limit: segment.count, in: $0) }
      return count == 0 ? nil : count
    case .phrase(_, let number):
      return matches[number].positions.firstIndex(of: UInt32(position)).map { Int(matches[number].counts[$0]) }
    }
  }

  /// Offers `top` the chunks of a segment that are in `allowed`.
  func score(inView index: Int, _ allowed: [UInt64], _ top: inout TopChunks<Int32>) {
    let segment = snapshot.views[index].segment
    var weights = constants(of: nil)
    var terms: [Int] = []
    terms.reserveCapacity(units.count)
    for unit in units where unit.occurrence != .excluded {
      if case .term(let term) = sources[unit.firstSource + index] { terms.append(term) }
    }
    let unpacked = segment.lexical.unpacked.lists(of: terms, in: segment.lexical, nil, weights)
    var next = 0
    var scorer = LexicalScorer(ids: segment.ids, segment: segment.lexical)
    scorer.unpacked.reserveCapacity(units.count)
    for unit in units where unit.occurrence != .excluded {
      weights.weight = unit.weight * scale
      switch sources[unit.firstSource + index] {
      case .none: continue
      case .term(let term):
        if let list = unpacked[next] {
          scorer.unpacked.append(UnpackedCursor(list, weight: weights.weight))
        } else {
          let list = segment.lexical.postings.list(term)
          scorer.packed.append(LexicalScorer.Packed(list: list, term: term, weights: weights))
        }
        next += 1
      case .field(let list, _), .phrase(let list, _):
        scorer.unpacked.append(UnpackedCursor(lists[list], weight: weights.weight))
      }
    }
    scorer.run(allowed, &top)
    // The cursors point into them.
    withExtendedLifetime((self, unpacked)) {}
  }

  func text(of unit: Unit) -> String {
    words[unit.words].map { table.withTerm($0.number) { String(decoding: $0, as: UTF8.self) } }.joined(separator: " ")
  }

  // MARK: Units

  /// The distinct words and phrases of the query in order of appearance.
  private mutating func unitsOf(_ query: LexicalQuery) -> [Unit] {
    var units: [Unit] = []
    units.reserveCapacity(16)
    words.reserveCapacity(32)
    /// By word, the unit that it is alone, or -1.
    var places: [Int] = []
    places.reserveCapacity(16)
    snapshot.streams.withStream { stream in
      for clause in query.clauses {
        let start = words.count
        var place = 0
        stream.forEachTerm(in: clause.text) { term, hash in
          if let term {
            let (number, isNew) = table.insert(term, hash: hash)
            if isNew { places.append(-1) }
            words.append(Word(number: number, hash: hash, offset: place))
          }
          place += 1
        }
        if clause.isPlain {
          for index in start..<words.count {
            let number = words[index].number
            if places[number] >= 0 {
              units[places[number]].repetitions += 1
            } else {
              places[number] = units.count
              units.append(Unit(words: index..<(index + 1), field: nil, occurrence: .optional))
            }
          }
        } else if start < words.count {
          // A sign or a field belongs to the whole of what the analyzer divides, such as `+state-of-the-art`.
          let first = words[start].offset
          for index in start..<words.count { words[index].offset -= first }
          units.append(Unit(words: start..<words.count, field: clause.field, occurrence: clause.occurrence))
        }
      }
    }
    return units
  }

  private mutating func add(_ unit: Unit) {
    var unit = unit
    unit.firstSource = sources.count
    if unit.isAsIndexed {
      lookUp(&unit)
    } else if let field = unit.field, unit.words.count == 1 {
      lookUp(&unit, in: field)
    } else {
      match(&unit)
      if unit.frequency == 0, unit.occurrence == .optional, unit.words.count > 1 {
        // A phrase that nothing readable has counts as its words, so that quotes in a question lose nothing.
        for index in unit.words {
          add(Unit(words: index..<(index + 1), field: unit.field, occurrence: .optional))
        }
        return
      }
    }
    if unit.frequency > 0 || unit.occurrence == .required { units.append(unit) }
  }

  private func term(of word: Word, in segment: LexicalSegment) -> Int? {
    table.withTerm(word.number) { segment.terms.index(of: $0, hash: word.hash) }
  }

  /// A word in any field: its postings as they are indexed.
  private mutating func lookUp(_ unit: inout Unit) {
    let word = words[unit.words.lowerBound]
    for index in snapshot.views.indices {
      let segment = snapshot.views[index].segment.lexical
      guard let number = term(of: word, in: segment) else {
        sources.append(.none)
        continue
      }
      unit.frequency += snapshot.views[index].lexical.documentFrequency(of: number, in: segment)
      sources.append(.term(number))
    }
    unit.inverse = inverse(unit.frequency)
  }

  /// A word in one field.
  private mutating func lookUp(_ unit: inout Unit, in field: LexicalField) {
    let word = words[unit.words.lowerBound]
    for view in snapshot.views {
      let segment = view.segment.lexical
      guard let number = term(of: word, in: segment),
        let list = segment.unpacked.lists(of: [number], in: segment, field, constants(of: field))[0]
      else {
        sources.append(.none)
        continue
      }
      // How rare a word is in a field is counted over all chunks, as everywhere.
      let frequency = list.count(in: view.live)
      unit.frequency += frequency
      sources.append(frequency > 0 ? .field(lists.count, term: number) : .none)
      if frequency > 0 { lists.append(list) }
    }
    unit.inverse = inverse(unit.frequency)
  }

  /// A phrase, looked for only where it may be found.
  private mutating func match(_ unit: inout Unit) {
    let first = self.words[unit.words.lowerBound].offset
    let words = self.words[unit.words]
    for (index, view) in snapshot.views.enumerated() {
      let segment = view.segment.lexical
      let terms = words.compactMap { word in
        term(of: word, in: segment).map { PhraseMatcher.Word(term: $0, offset: word.offset - first) }
      }
      guard terms.count == words.count else {
        sources.append(.none)
        continue
      }
      let found = PhraseMatcher(segment: segment, field: unit.field).matches(terms, within: allowed[index])
      let list = UnpackedList(
        found.positions, found.counts, lengths: segment.lengths(of: unit.field), constants(of: unit.field))
      guard let list else {
        sources.append(.none)
        continue
      }
      unit.frequency += list.count
      sources.append(.phrase(lists.count, matches: matches.count))
      lists.append(list)
      matches.append(found)
    }
    for word in words {
      let frequency = snapshot.views.reduce(0) { sum, view in
        let segment = view.segment.lexical
        return sum + (term(of: word, in: segment).map { view.lexical.documentFrequency(of: $0, in: segment) } ?? 0)
      }
      unit.inverse += inverse(frequency)
    }
  }

  private func inverse(_ frequency: Int) -> Double {
    guard frequency > 0 else { return 0 }
    return log1p((Double(chunkCount - frequency) + 0.5) / (Double(frequency) + 0.5))
  }

  private mutating func restrict(to unit: Unit) {
    for index in allowed.indices {
      var having = [UInt64](repeating: 0, count: allowed[index].count)
      switch sources[unit.firstSource + index] {
      case .none: break
      case .term(let term):
        let segment = snapshot.views[index].segment.lexical
        segment.postings.list(term).forEachPosition(limit: segment.count) { having.setBit($0) }
      case .field(let list, _), .phrase(let list, _):
        lists[list].forEachPosition { having.setBit($0) }
      }
      for word in having.indices {
        allowed[index][word] &= unit.occurrence == .excluded ? ~having[word] : having[word]
      }
    }
  }
}
