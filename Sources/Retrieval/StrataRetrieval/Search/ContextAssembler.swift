// Owns turning passages into the numbered sources that a model reads, within a bound on tokens. Knows nothing about
// prompts: how a source is written into one is the contract's business. Reads only what it is handed.
import StrataCore

/// One numbered source of an answer.
public struct ContextSource: Sendable, Hashable {
  /// From 1; what a citation names.
  public var number: Int
  public var passage: Passage
  /// Title, headings and page, for the model to see.
  public var label: String

  /// `[1] label` and the text below it.
  public var text: String { "[\(number)] \(label)\n\(passage.text)" }
}

/// What fits of the passages that a search found.
public struct AssembledContext: Sendable, Hashable {
  public var sources: [ContextSource]
  /// Of ``text``.
  public var tokenCount: Int
  /// Passages that were left out for want of room, or because their document has enough others.
  public var omittedCount: Int
  /// Passages that were left out because another says the same.
  public var repeatedCount: Int

  /// All sources, separated by empty lines.
  public var text: String { sources.map(\.text).joined(separator: "\n\n") }
}

/// A document version around a passage, for those who may read it.
public struct ContextDocument: Sendable {
  /// UTF-8 bytes of the canonical text.
  public var bytes: [UInt8]
  /// In the order of the text.
  public var chunks: [ChunkRecord]

  public init(text: String, chunks: [ChunkRecord]) {
    bytes = Array(text.utf8)
    self.chunks = chunks
  }
}

/// Puts passages together: the same once, touching ones joined, neighbours added where room remains, never more than fits.
///
/// Each passage that comes out is one byte range of one document version and has exactly its bytes as text, so that
/// citations into it can be checked.
public struct ContextAssembler: Sendable {
  /// Nil is no limit.
  public var tokenLimit: Int?
  public var options: ContextOptions
  /// Passages with no more bytes than this between them become one, when the document is at hand.
  public var joinedGapByteLimit = 200
  private let countTokens: @Sendable (String) -> Int

  /// - Parameter countTokens: by the tokenizer of the model that will read.
  public init(
    tokenLimit: Int?, options: ContextOptions = ContextOptions(), countTokens: @escaping @Sendable (String) -> Int
  ) {
    self.tokenLimit = tokenLimit
    self.options = options
    self.countTokens = countTokens
  }

  /// - Parameters:
  ///   - passages: best first.
  ///   - document: gives the document version that a passage is part of, or nil to somebody who may not read it. Asked
  ///     once for each version, and only where something is to be joined or added.
  /// - Complexity: O(words) to find what is repeated, O(passages²) to join.
  public func assemble(
    _ passages: [Passage], document: (Passage) async throws -> ContextDocument? = { _ in nil }
  ) async throws -> AssembledContext {
    let found = passages.filter { $0.text.contains { !$0.isWhitespace } }
    var documents: [Version: ContextDocument] = [:]
    let counts = Dictionary(grouping: found, by: Version.init).mapValues(\.count)
    for passage in found where documents[Version(passage)] == nil {
      guard options.neighbours > 0 || counts[Version(passage)] ?? 0 > 1 else { continue }
      documents[Version(passage)] = try await document(passage)
    }
    let join = PassageJoin(documents: documents, gapByteLimit: joinedGapByteLimit)
    var distinct = join.joined(found)
    let joinedCount = distinct.count
    distinct = Self.withoutRepetitions(distinct)
    let repeated = joinedCount - distinct.count
    let candidates = distinct.count
    if let most = options.perDocument {
      var seen: [String: Int] = [:]
      distinct = distinct.filter { passage in
        seen[passage.document, default: 0] += 1
        return seen[passage.document, default: 0] <= max(0, most)
      }
    }
    var packed = packed(distinct)
    if options.neighbours > 0 { expand(&packed, join) }
    // Tokens of parts do not always add up to those of the whole: the last word is the whole's.
    while let limit = tokenLimit, !packed.isEmpty, countTokens(context(packed).text) > limit { packed.removeLast() }
    var context = context(packed)
    context.tokenCount = countTokens(context.text)
    context.omittedCount = max(0, candidates - packed.reduce(0) { $0 + $1.candidateCount })
    context.repeatedCount = repeated
    return context
  }

  // MARK: Packing

  /// A passage on its way into the context.
  private struct Piece {
    var passage: Passage
    var tokens: Int
    /// Candidates that became part of it.
    var candidateCount = 1
    /// It had to be cut, so that nothing can be added to it.
    var isCut = false
  }

  /// Tokens of the passage as a source with the longest number that there may be.
  private func cost(_ passage: Passage, of count: Int) -> Int {
    countTokens(ContextSource(number: max(1, count), passage: passage, label: Self.label(passage)).text + "\n\n")
  }

  private func packed(_ passages: [Passage]) -> [Piece] {
    var pieces: [Piece] = []
    var total = 0
    for passage in passages {
      var piece = Piece(passage: passage, tokens: cost(passage, of: passages.count))
      if let limit = tokenLimit, total + piece.tokens > limit {
        // Only the best may be cut; a part of a later one is worth less than the next that fits whole.
        guard pieces.isEmpty, let start = beginning(of: passage, within: limit, of: passages.count) else { continue }
        piece = Piece(passage: start, tokens: cost(start, of: passages.count), isCut: true)
      }
      total += piece.tokens
      pieces.append(piece)
    }
    return pieces
  }

  /// As many whole sentences from the start as fit; nil when not even one does.
  private func beginning(of passage: Passage, within limit: Int, of count: Int) -> Passage? {
    let bytes = Array(passage.text.utf8)
    let ends = SentenceSplitter.sentences(bytes, in: 0..<bytes.count).map(\.upperBound)
    func shortened(to end: Int) -> Passage {
      var shorter = passage
      shorter.range = passage.range.lowerBound..<passage.range.lowerBound + end
      shorter.text = bytes.text(0..<end)
      return shorter
    }
    // More text takes more tokens, so the last end that fits is found by halving.
    var low = 0
    var high = ends.count
    while low < high {
      let middle = (low + high + 1) / 2
      if cost(shortened(to: ends[middle - 1]), of: count) <= limit { low = middle } else { high = middle - 1 }
    }
    return low > 0 ? shortened(to: ends[low - 1]) : nil
  }

  // MARK: Neighbours

  /// Round by round and best first, one chunk after and one before each passage, as long as there is room.
  private func expand(_ pieces: inout [Piece], _ join: PassageJoin) {
    let count = pieces.count
    for _ in 0..<options.neighbours {
      for isAfter in [true, false] {
        var index = 0
        while index < pieces.count {
          if !pieces[index].isCut, let wider = join.neighbour(of: pieces[index].passage, isAfter: isAfter) {
            take(wider, at: index, in: &pieces, count, join)
          }
          index += 1
        }
      }
    }
  }

  /// Puts the wider passage in the place of the one at `index` and of all that it now touches, if it fits and says
  /// nothing that another passage says.
  private func take(_ wider: Passage, at index: Int, in pieces: inout [Piece], _ count: Int, _ join: PassageJoin) {
    var whole = wider
    var absorbed: Set<Int> = [index]
    while let next = pieces.indices.first(where: { other in
      !absorbed.contains(other) && !pieces[other].isCut && join.join(whole, pieces[other].passage) != nil
    }), let larger = join.join(whole, pieces[next].passage) {
      whole = larger
      absorbed.insert(next)
    }
    let rest = pieces.indices.filter { !absorbed.contains($0) }
    guard
      !rest.contains(where: {
        pieces[$0].isCut && Version(pieces[$0].passage) == Version(whole)
          && pieces[$0].passage.range.overlaps(whole.range)
      })
    else { return }
    var others = RepeatedText()
    for other in rest { others.add(pieces[other].passage.text, as: other) }
    let matches = others.matches(whole.text)
    guard matches.containing == nil, matches.contained.isEmpty else { return }
    let tokens = cost(whole, of: count)
    guard let first = absorbed.min() else { return }
    if let limit = tokenLimit, tokens + rest.reduce(0, { $0 + pieces[$1].tokens }) > limit { return }
    var piece = pieces[index]
    piece.passage = whole
    piece.tokens = tokens
    piece.candidateCount = absorbed.reduce(0) { $0 + pieces[$1].candidateCount }
    pieces[first] = piece
    for other in absorbed.sorted(by: >) where other != first { pieces.remove(at: other) }
  }

  // MARK: Order

  private func context(_ pieces: [Piece]) -> AssembledContext {
    var order = pieces.map(\.passage)
    if options.order == .bestAtEnds {
      let front = order.indices.filter { $0.isMultiple(of: 2) }
      let back = order.indices.filter { !$0.isMultiple(of: 2) }.reversed()
      order = (front + back).map { order[$0] }
    }
    let sources = order.enumerated().map { index, passage in
      ContextSource(number: index + 1, passage: passage, label: Self.label(passage))
    }
    return AssembledContext(sources: sources, tokenCount: 0, omittedCount: 0, repeatedCount: 0)
  }

  private static func label(_ passage: Passage) -> String {
    var label = DocumentChunk.context(title: passage.title, headingPath: passage.headingPath)
    if label.isEmpty { label = passage.document }
    return passage.page.map { "\(label), page \($0)" } ?? label
  }

  /// Each text once, in the place of the best that says it; the longest of those that do.
  private static func withoutRepetitions(_ passages: [Passage]) -> [Passage] {
    var kept: [Int: (place: Int, passage: Passage)] = [:]
    var known = RepeatedText()
    for (index, passage) in passages.enumerated() {
      let matches = known.matches(passage.text)
      guard matches.containing == nil else { continue }
      var place = index
      for other in matches.contained {
        known.remove(other)
        place = min(place, kept.removeValue(forKey: other)?.place ?? index)
      }
      kept[index] = (place, passage)
      known.add(passage.text, as: index)
    }
    return kept.values.sorted { $0.place < $1.place }.map(\.passage)
  }
}

/// A document version, as passages name it.
struct Version: Hashable {
  var document: String
  var number: Int

  init(_ passage: Passage) {
    document = passage.document
    number = passage.version
  }
}
