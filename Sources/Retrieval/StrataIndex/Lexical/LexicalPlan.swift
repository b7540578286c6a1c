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
    /// Made for this query.
    case made(Int)
  }

  let snapshot: IndexSnapshot
  private let chunkCount: Int
  /// The distinct words of the query.
  private var table = TermTable(slotCount: 32)
  private var words: [Word] = []
  private(set) var units: [Unit] = []
  /// For each unit, where its postings are in each segment.
  private var sources: [Source] = []
  private var made: [Postings] = []
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

  /// The postings of a unit in a segment; valid while the plan is.
  func list(of unit: Unit, inView index: Int) -> PostingList? {
    switch sources[unit.firstSource + index] {
    case .none: nil
    case .term(let term): snapshot.views[index].segment.lexical.postings.list(term)
    case .made(let number): made[number].list(0)
    }
  }

  /// Offers `top` the chunks of a segment that are in `allowed`.
  func score(inView index: Int, _ allowed: [UInt64], _ top: inout TopChunks<Int32>) {
    let segment = snapshot.views[index].segment
    if units.allSatisfy({ $0.isAsIndexed || $0.occurrence == .excluded }) {
      var terms: [UnpackedScorer.Source] = []
      terms.reserveCapacity(units.count)
      for unit in units where unit.occurrence != .excluded {
        if case .term(let term) = sources[unit.firstSource + index] {
          terms.append(UnpackedScorer.Source(term: term, weight: unit.weight * scale))
        }
      }
      guard !terms.isEmpty else { return }
      if let unpacked = segment.lexical.unpacked(for: terms, constants(of: nil)) {
        UnpackedScorer(ids: segment.ids, postings: unpacked).run(&terms, allowed, &top)
        return
      }
    }
    var weights: [LexicalField?: strata_bm25] = [:]
    let lists = units.compactMap { unit -> LexicalScorer.Source? in
      guard unit.occurrence != .excluded, let list = list(of: unit, inView: index) else { return nil }
      var weight = weights[unit.field] ?? constants(of: unit.field)
      weights[unit.field] = weight
      weight.weight = unit.weight * scale
      // Lists made for a query have counts that are weighted already.
      return LexicalScorer.Source(
        list: list, weights: weight, lengths: segment.lexical.lengths(of: unit.field),
        titleWeight: unit.isAsIndexed ? segment.lexical.titleWeight : 1)
    }
    LexicalScorer(ids: segment.ids, sources: lists).run(allowed, &top)
    withExtendedLifetime(self) {}
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

  /// A phrase, or a word in one field: postings made for this query.
  private mutating func match(_ unit: inout Unit) {
    // Of a phrase that is looked up word by word, each is the first.
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
      var matcher = PhraseMatcher(segment: segment, field: unit.field)
      // How rare a word is in a field is counted over all chunks, as everywhere; a phrase is only looked for where it
      // may be found.
      if let postings = matcher.postings(terms, within: words.count == 1 ? view.live : allowed[index]) {
        unit.frequency += Int(postings.frequencies.first ?? 0)
        sources.append(.made(made.count))
        made.append(postings)
      } else {
        sources.append(.none)
      }
    }
    if words.count == 1 {
      unit.inverse = inverse(unit.frequency)
    } else {
      for word in words {
        let frequency = snapshot.views.reduce(0) { sum, view in
          let segment = view.segment.lexical
          return sum + (term(of: word, in: segment).map { view.lexical.documentFrequency(of: $0, in: segment) } ?? 0)
        }
        unit.inverse += inverse(frequency)
      }
    }
  }

  private func inverse(_ frequency: Int) -> Double {
    guard frequency > 0 else { return 0 }
    return log1p((Double(chunkCount - frequency) + 0.5) / (Double(frequency) + 0.5))
  }

  private mutating func restrict(to unit: Unit) {
    for index in allowed.indices {
      var matches = [UInt64](repeating: 0, count: allowed[index].count)
      list(of: unit, inView: index)?.forEachPosition(limit: snapshot.views[index].segment.count) {
        matches.setBit($0)
      }
      for word in matches.indices {
        allowed[index][word] &= unit.occurrence == .excluded ? ~matches[word] : matches[word]
      }
    }
  }
}
