// Owns guessing the next tokens from what the sequence has said before. Knows nothing about models or time.

/// Tokens that may come next, each with how strongly it is believed in.
package struct Draft: Sendable {
  package var tokens: [Int32] = []
  /// Parallel to `tokens`: the class of evidence that the guess rests on. How often guesses of a class are right is
  /// learned by ``AcceptanceEstimator``.
  package var grades: [Int] = []
  /// Parallel to `tokens` when they were drawn from distributions; empty when they are certain guesses (point masses).
  package var proposals: [TokenDistribution] = []

  package init() {}

  package mutating func cut(to count: Int) {
    guard count < tokens.count else { return }
    tokens.removeLast(tokens.count - count)
    grades.removeLast(min(grades.count, grades.count - count))
    if !proposals.isEmpty { proposals.removeLast(proposals.count - count) }
  }
}

/// Prompt-lookup decoding (Saxena 2023): a model that quotes, cites or repeats itself has its next tokens in the text
/// already, after an earlier occurrence of the tokens that it wrote last.
///
/// Occurrences are found as LZ77 coders find theirs: positions with the same hash of their last tokens form a chain, most
/// recent first, whose links are compared with the text, so that collisions cost time and never truth.
/// - Complexity: O(1) for each token added and each token drafted; 12 bytes per token of the sequence and a table of at
///   most 128 KiB.
package struct PromptLookup: Sendable {
  /// Occurrences that are compared, most recent first.
  private static let mostCandidates = 8
  /// Links of a chain that are followed; those beyond are older than what is worth the time.
  private static let mostLinks = 24
  /// Tokens compared backwards.
  package static let longestMatch = 16
  private static let tableLimit = 1 << 14

  private var tokens: [Int32] = []
  /// Last position by hash of the one and of the two tokens that end there, plus one; 0 for none.
  private var singles: [Int32]
  private var pairs: [Int32]
  /// The position before with the same hash, plus one.
  private var previousSingle: [Int32] = []
  private var previousPair: [Int32] = []

  /// - Parameter expectedCount: tokens that the sequence may come to; sizes the table.
  package init(expectedCount: Int = 1_024) {
    var size = 256
    while size < expectedCount, size < Self.tableLimit { size *= 2 }
    singles = [Int32](repeating: 0, count: size)
    pairs = singles
  }

  package var count: Int { tokens.count }

  /// Takes in what `sequence` has beyond the tokens known so far; a sequence only ever grows.
  package mutating func update(_ sequence: [Int32]) {
    while tokens.count < sequence.count { append(sequence[tokens.count]) }
  }

  private mutating func append(_ token: Int32) {
    let position = tokens.count
    tokens.append(token)
    let single = slot(token, 0)
    previousSingle.append(singles[single])
    singles[single] = Int32(truncatingIfNeeded: position + 1)
    guard position > 0 else { return previousPair.append(0) }
    let pair = slot(token, tokens[position - 1] &+ 1)
    previousPair.append(pairs[pair])
    pairs[pair] = Int32(truncatingIfNeeded: position + 1)
  }

  private func slot(_ last: Int32, _ before: Int32) -> Int {
    var mix = UInt64(UInt32(bitPattern: last)) &* 0x9E37_79B9_7F4A_7C15
    mix ^= UInt64(UInt32(bitPattern: before)) &* 0xC2B2_AE3D_27D4_EB4F
    return Int((mix ^ (mix >> 29)) >> 7) & (singles.count - 1)
  }

  private struct Candidate {
    /// Where the text after the occurrence begins.
    var next: Int
    /// Tokens before it that equal the end of the sequence.
    var length: Int
  }

  /// The likeliest continuation, at most `limit` tokens; empty when the last token never occurred before.
  /// - Parameter goesOn: asked after each token with its grade; false ends the draft there.
  package func draft(limit: Int, while goesOn: (Int) -> Bool = { _ in true }) -> Draft {
    var draft = Draft()
    guard limit > 0, tokens.count > 1 else { return draft }
    withUnsafeTemporaryAllocation(of: Candidate.self, capacity: Self.mostCandidates) { alive in
      var count = find(previousPair, least: 2, into: alive)
      if count == 0 { count = find(previousSingle, least: 1, into: alive) }
      tokens.withUnsafeBufferPointer { text in
        while count > 0, draft.tokens.count < limit {
          let total = count
          let (vote, length) = elect(alive, &count, text, draft.tokens)
          guard let vote else { break }
          let grade = Self.grade(length: length + draft.tokens.count, agreeing: count, of: total)
          draft.tokens.append(vote)
          draft.grades.append(grade)
          guard goesOn(grade) else { break }
        }
      }
    }
    return draft
  }

  /// The token with most weight: an occurrence weighs more the longer it matches, and recent ones win ties. Those that
  /// disagree are dropped from the first `count` of `alive`.
  /// - Returns: the token, and the longest match behind it.
  private func elect(
    _ alive: UnsafeMutableBufferPointer<Candidate>, _ count: inout Int, _ text: UnsafeBufferPointer<Int32>,
    _ drafted: [Int32]
  ) -> (token: Int32?, length: Int) {
    // The text goes on with the draft itself, so that a loop of any period is followed round and round.
    func token(_ candidate: Candidate) -> Int32 {
      let position = candidate.next + drafted.count
      return position < text.count ? text[position] : drafted[position - text.count]
    }
    var best: (token: Int32, weight: Int)?
    for index in 0..<count {
      let own = token(alive[index])
      if own == best?.token { continue }
      var weight = 0
      for other in index..<count where token(alive[other]) == own { weight += 1 << min(alive[other].length, 12) }
      if weight > best?.weight ?? 0 { best = (own, weight) }
    }
    guard let best else { return (nil, 0) }
    var kept = 0
    var length = 0
    for index in 0..<count where token(alive[index]) == best.token {
      alive[kept] = alive[index]
      length = max(length, alive[index].length)
      kept += 1
    }
    count = kept
    return (best.token, length)
  }

  /// Earlier occurrences of the sequence's end, most recent first.
  private func find(_ links: [Int32], least: Int, into found: UnsafeMutableBufferPointer<Candidate>) -> Int {
    var count = 0
    var link = links[tokens.count - 1]
    var left = Self.mostLinks
    while link > 0, left > 0, count < found.count {
      let end = Int(link) - 1
      let length = matchLength(endingAt: end)
      if length >= least {
        found.initializeElement(at: count, to: Candidate(next: end + 1, length: length))
        count += 1
      }
      link = links[end]
      left -= 1
    }
    return count
  }

  private func matchLength(endingAt end: Int) -> Int {
    let last = tokens.count - 1
    var length = 0
    while length < Self.longestMatch, length <= end, tokens[end - length] == tokens[last - length] { length += 1 }
    return length
  }

  // MARK: Grades

  /// Classes of evidence: how long the match is, and whether other occurrences agree.
  package static let gradeCount = 8 * 3

  private static func grade(length: Int, agreeing: Int, of total: Int) -> Int {
    let size =
      switch length {
      case ...4: max(0, length - 1)
      case 5...6: 4
      case 7...9: 5
      case 10...15: 6
      default: 7
      }
    let agreement = agreeing < total ? 0 : total == 1 ? 1 : 2
    return size * 3 + agreement
  }

  /// How often a guess of a grade is right before anything has been learned.
  package static func prior(of grade: Int) -> Double {
    let byLength = [0.12, 0.28, 0.42, 0.52, 0.6, 0.7, 0.8, 0.85][min(7, max(0, grade / 3))]
    return grade % 3 == 0 ? byLength * 0.7 : byLength
  }
}
