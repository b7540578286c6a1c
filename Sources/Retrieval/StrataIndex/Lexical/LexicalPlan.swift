// Owns what a query comes to in one snapshot: which lists of postings, of what weight, and which chunks are out.
import CStrataKernels
import Foundation

/// A query's words and phrases, looked up in each segment of a snapshot.
struct LexicalPlan {
  /// A word of a phrase, or the only one of a term.
  struct Word: Hashable {
    var bytes: [UInt8]
    /// Places after the first word of the phrase; stop words leave gaps.
    var offset: Int
  }

  /// A word or a phrase with what it weighs.
  struct Unit {
    let words: [Word]
    let field: LexicalField?
    let occurrence: LexicalQuery.Occurrence
    var repetitions = 1
    /// Its postings in each segment that has it.
    var sources: [Source?] = []
    /// Chunks that have it: all that are there for a word, the readable ones for a phrase.
    var frequency = 0
    /// Inverse document frequency; of a phrase, the sum of its words'.
    var inverse: Double = 0

    var weight: Float { occurrence == .excluded ? 0 : Float(inverse * Double(repetitions)) }
  }

  struct Source {
    /// Keeps a list that was made for this query; others are the segment's.
    var postings: Postings?
    let list: PostingList
  }

  let snapshot: IndexSnapshot
  private(set) var units: [Unit] = []
  /// By segment, the readable chunks that have all that is required and nothing that is excluded.
  private(set) var allowed: [[UInt64]]
  /// What weights are multiplied with, so that scores can be added as integers, in which order makes no difference.
  private(set) var scale: Float = 0

  init(_ query: LexicalQuery, in snapshot: IndexSnapshot, within readable: ChunkBitmap) {
    self.snapshot = snapshot
    allowed = readable.segments
    for unit in Self.units(of: query, snapshot.analyzer) { add(unit) }
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
    max(1e-6, Float(snapshot.views.reduce(0) { $0 + $1.lexical.length(of: field) }) / Float(max(1, snapshot.count)))
  }

  /// The lists to score in a segment.
  func sources(inView index: Int) -> [LexicalScorer.Source] {
    let segment = snapshot.views[index].segment.lexical
    var weights: [LexicalField?: strata_bm25] = [:]
    return units.compactMap { unit in
      guard unit.occurrence != .excluded, let source = unit.sources[index] else { return nil }
      if weights[unit.field] == nil {
        let (k1, b) = Self.parameters(snapshot.bm25, unit.field)
        weights[unit.field] = strata_bm25(
          weight: 0, offset: k1 * (1 - b), factor: k1 * b / averageLength(of: unit.field))
      }
      guard var weight = weights[unit.field] else { return nil }
      weight.weight = unit.weight * scale
      // Lists made for a query have counts that are weighted already.
      let titleWeight = unit.isAsIndexed ? segment.titleWeight : 1
      return LexicalScorer.Source(
        list: source.list, weights: weight, lengths: segment.lengths(of: unit.field), titleWeight: titleWeight)
    }
  }

  // MARK: Units

  /// The distinct words and phrases of the query in order of appearance.
  private static func units(of query: LexicalQuery, _ analyzer: Analyzer) -> [Unit] {
    let stream = TermStream(analyzer)
    var units: [Unit] = []
    var places: [[UInt8]: Int] = [:]
    for clause in query.clauses {
      var words: [Word] = []
      var place = 0
      stream.forEachTerm(in: clause.text) { term in
        if let term { words.append(Word(bytes: Array(term), offset: place)) }
        place += 1
      }
      if clause.isPlain {
        for word in words {
          if let known = places[word.bytes] {
            units[known].repetitions += 1
          } else {
            places[word.bytes] = units.count
            units.append(Unit(words: [Word(bytes: word.bytes, offset: 0)], field: nil, occurrence: .optional))
          }
        }
      } else if let first = words.first {
        // A sign or a field belongs to the whole of what the analyzer divides, such as `+state-of-the-art`.
        let words = words.map { Word(bytes: $0.bytes, offset: $0.offset - first.offset) }
        units.append(Unit(words: words, field: clause.field, occurrence: clause.occurrence))
      }
    }
    return units
  }

  private mutating func add(_ unit: Unit) {
    var unit = unit
    if unit.isAsIndexed {
      lookUp(&unit)
    } else {
      match(&unit)
      if unit.frequency == 0, unit.occurrence == .optional, unit.words.count > 1 {
        // A phrase that nothing readable has counts as its words, so that quotes in a question lose nothing.
        for word in unit.words {
          add(Unit(words: [Word(bytes: word.bytes, offset: 0)], field: unit.field, occurrence: .optional))
        }
        return
      }
    }
    if unit.frequency > 0 || unit.occurrence == .required { units.append(unit) }
  }

  /// A word in any field: its postings as they are indexed.
  private func lookUp(_ unit: inout Unit) {
    unit.sources.reserveCapacity(snapshot.views.count)
    for view in snapshot.views {
      let segment = view.segment.lexical
      guard let number = segment.terms.index(of: unit.words[0].bytes) else {
        unit.sources.append(nil)
        continue
      }
      unit.frequency += view.lexical.documentFrequency(of: number, in: segment)
      unit.sources.append(Source(list: segment.postings.list(number)))
    }
    unit.inverse = inverse(unit.frequency)
  }

  /// A phrase, or a word in one field: postings made for this query.
  private func match(_ unit: inout Unit) {
    for (index, view) in snapshot.views.enumerated() {
      let segment = view.segment.lexical
      var matcher = PhraseMatcher(segment: segment, field: unit.field)
      // How rare a word is in a field is counted over all chunks, as everywhere; a phrase is only looked for where it
      // may be found.
      let postings = matcher.postings(
        unit.words, within: unit.words.count == 1 ? view.live : allowed[index])
      unit.frequency += Int(postings?.frequencies.first ?? 0)
      unit.sources.append(postings.map { Source(postings: $0, list: $0.list(0)) })
    }
    if unit.words.count == 1 {
      unit.inverse = inverse(unit.frequency)
    } else {
      for word in unit.words {
        let frequency = snapshot.views.reduce(0) { sum, view in
          let segment = view.segment.lexical
          return sum
            + (segment.terms.index(of: word.bytes).map { view.lexical.documentFrequency(of: $0, in: segment) } ?? 0)
        }
        unit.inverse += inverse(frequency)
      }
    }
  }

  private func inverse(_ frequency: Int) -> Double {
    guard frequency > 0 else { return 0 }
    return log1p((Double(snapshot.count - frequency) + 0.5) / (Double(frequency) + 0.5))
  }

  private mutating func restrict(to unit: Unit) {
    for index in allowed.indices {
      var matches = [UInt64](repeating: 0, count: allowed[index].count)
      if let list = unit.sources[index]?.list {
        list.forEachPosition(limit: snapshot.views[index].segment.count) { matches.setBit($0) }
      }
      for word in matches.indices {
        allowed[index][word] &= unit.occurrence == .excluded ? ~matches[word] : matches[word]
      }
    }
  }
}

extension LexicalPlan.Unit {
  /// Whether the index has a list of exactly this.
  var isAsIndexed: Bool { words.count == 1 && field == nil }
}
