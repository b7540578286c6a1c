// Owns turning passages into the numbered sources that a model reads, within a bound on tokens. Knows nothing about
// prompts: how a source is written into one is the contract's business.
import StrataCore

/// One numbered source of an answer.
public struct ContextSource: Sendable, Hashable {
  /// From 1; what a citation names.
  public var number: Int
  public var passage: Passage
  /// Title, headings and page, for the model to see.
  public var label: String
}

/// What fits of the passages that a search found.
public struct AssembledContext: Sendable, Hashable {
  public var sources: [ContextSource]
  public var tokenCount: Int
  /// Passages that were left out for want of room.
  public var omittedCount: Int

  /// `[1] label` and the text below it, separated by empty lines.
  public var text: String {
    sources.map { "[\($0.number)] \($0.label)\n\($0.passage.text)" }.joined(separator: "\n\n")
  }
}

/// Puts passages together: the same text once, neighbours joined, the best first, no more than fits.
public struct ContextAssembler: Sendable {
  public var tokenLimit: Int
  /// Neighbours with no more bytes than this between them become one, when the document's text is at hand.
  public var joinedGapByteLimit = 200
  private let countTokens: @Sendable (String) -> Int

  public init(tokenLimit: Int, countTokens: @escaping @Sendable (String) -> Int) {
    self.tokenLimit = tokenLimit
    self.countTokens = countTokens
  }

  /// - Parameters:
  ///   - passages: best first.
  ///   - texts: canonical texts by document path, for joining neighbours that do not touch; overlapping passages are
  ///     joined without.
  public func assemble(_ passages: [Passage], texts: [String: String] = [:]) -> AssembledContext {
    let bytes = texts.mapValues { Array($0.utf8) }
    var distinct: [Passage] = []
    var seenTexts: Set<String> = []
    for passage in passages {
      let key = passage.text.lowercased().split(whereSeparator: \.isWhitespace).joined(separator: " ")
      if !key.isEmpty, seenTexts.insert(key).inserted { distinct.append(passage) }
    }
    var context = AssembledContext(sources: [], tokenCount: 0, omittedCount: 0)
    for passage in joined(distinct, bytes) {
      let label = Self.label(passage)
      let overhead = countTokens("[\(context.sources.count + 1)] \(label)\n")
      let room = tokenLimit - context.tokenCount - overhead
      var passage = passage
      var tokens = countTokens(passage.text)
      if tokens > room {
        // Only the best may be cut; a part of a later one is worth less than the next that fits whole.
        guard context.sources.isEmpty, let start = beginning(of: passage, tokens: room) else {
          context.omittedCount += 1
          continue
        }
        passage = start
        tokens = countTokens(start.text)
      }
      context.tokenCount += tokens + overhead
      context.sources.append(ContextSource(number: context.sources.count + 1, passage: passage, label: label))
    }
    return context
  }

  private static func label(_ passage: Passage) -> String {
    var label = DocumentChunk.context(title: passage.title, headingPath: passage.headingPath)
    if label.isEmpty { label = passage.document }
    return passage.page.map { "\(label), page \($0)" } ?? label
  }

  // MARK: Joining

  /// Each joined passage stays where its best part was.
  private func joined(_ passages: [Passage], _ bytes: [String: [UInt8]]) -> [Passage] {
    var result: [Passage] = []
    for passage in passages {
      var current = passage
      var place = result.count
      // A passage may close the gap between two that are there already, so look again after each joining.
      while let index = result.firstIndex(where: { join($0, current, bytes[current.document]) != nil }),
        let whole = join(result[index], current, bytes[current.document])
      {
        current = whole
        place = min(place, index)
        result.remove(at: index)
      }
      result.insert(current, at: min(place, result.count))
    }
    return result
  }

  private func join(_ left: Passage, _ right: Passage, _ bytes: [UInt8]?) -> Passage? {
    guard left.document == right.document, left.version == right.version, left.page == right.page else { return nil }
    let (first, second) = left.range.lowerBound <= right.range.lowerBound ? (left, right) : (right, left)
    let gap = second.range.lowerBound - first.range.upperBound
    let range = first.range.lowerBound..<max(first.range.upperBound, second.range.upperBound)
    let text: String
    if gap <= 0 {
      let extra = second.range.upperBound - first.range.upperBound
      text = extra <= 0 ? first.text : first.text + String(decoding: second.text.utf8.suffix(extra), as: UTF8.self)
    } else if let bytes, gap <= joinedGapByteLimit, range.upperBound <= bytes.count {
      text = bytes.text(range)
    } else {
      return nil
    }
    var whole = left.score >= right.score ? left : right
    whole.headingPath = Array(
      zip(left.headingPath, right.headingPath).prefix { $0 == $1 }.map(\.0))
    whole.range = range
    whole.text = text
    return whole
  }

  /// As many whole sentences from the start as fit; nil when not even one does.
  private func beginning(of passage: Passage, tokens: Int) -> Passage? {
    let bytes = Array(passage.text.utf8)
    var end = 0
    for sentence in SentenceSplitter.sentences(bytes, in: 0..<bytes.count) {
      if countTokens(bytes.text(0..<sentence.upperBound)) > tokens { break }
      end = sentence.upperBound
    }
    guard end > 0 else { return nil }
    var shorter = passage
    shorter.range = passage.range.lowerBound..<passage.range.lowerBound + end
    shorter.text = bytes.text(0..<end)
    return shorter
  }
}
