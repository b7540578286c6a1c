// Owns an analyzer at work, and keeping such for the next text. Knows nothing about what the terms are for.
import Synchronization

/// An ``Analyzer`` at work: holds the stemmer, for one thread at a time.
struct TermStream {
  private let stopWords: TermDictionary
  private let elisions: Set<String>
  private let stemmer: Stemmer?
  /// In Turkish, endings of names follow an apostrophe.
  private let cutsAtApostrophe: Bool
  /// English words lose their accents before they are stemmed, others after, since endings of theirs carry accents.
  let foldsFirst: Bool

  init(_ analyzer: Analyzer) {
    var stopWords = TermTable()
    for word in analyzer.stopWords { Array(word.utf8).withUnsafeBufferPointer { _ = stopWords.insert($0) } }
    self.stopWords = stopWords.dictionary()
    elisions = analyzer.language?.elisions ?? []
    cutsAtApostrophe = analyzer.language == .turkish
    stemmer = analyzer.language.flatMap(Stemmer.init)
    foldsFirst = analyzer.language == nil || analyzer.language == .english
  }

  /// Calls `body` with each term of `text`, nil in the place of a stop word.
  func forEachTerm(in text: String, _ body: (UnsafeBufferPointer<UInt8>?) -> Void) {
    Analyzer.forEachWord(in: text, folded: foldsFirst) { word in
      if withTerm(of: word, { body($0) }) == nil { body(nil) }
    }
  }

  /// Calls `body` with the term that a word is indexed under; nil for a stop word.
  func withTerm<R>(of word: UnsafeBufferPointer<UInt8>, _ body: (UnsafeBufferPointer<UInt8>) -> R) -> R? {
    var word = word
    if !elisions.isEmpty, let quote = word.prefix(8).firstIndex(of: UInt8(ascii: "'")), quote + 1 < word.count,
      elisions.contains(String(decoding: word[..<quote], as: UTF8.self))
    {
      word = UnsafeBufferPointer(rebasing: word[(quote + 1)...])
    }
    if cutsAtApostrophe, let quote = word.firstIndex(of: UInt8(ascii: "'")), quote > 0 {
      word = UnsafeBufferPointer(rebasing: word[..<quote])
    }
    if stopWords.index(of: word) != nil { return nil }
    guard let stemmer else { return body(word) }
    if foldsFirst {
      // Words in other scripts have no English endings.
      return word.contains { $0 >= 0x80 } ? body(word) : stemmer.withStem(of: word, body)
    }
    return stemmer.withStem(of: word) { stem in
      guard stem.contains(where: { $0 >= 0x80 }) else { return body(stem) }
      var folded: [UInt8] = []
      CharacterFolding.lower(stem, folded: true, into: &folded)
      return folded.withUnsafeBufferPointer(body)
    }
  }
}

/// Keeps ``TermStream``s that are not in use, since making a stemmer costs more than a question's stems.
final class TermStreams: @unchecked Sendable {
  // Unchecked: a stream is in `idle` or with one caller of `withStream`.

  let analyzer: Analyzer
  private let idle = Mutex<[Stream]>([])
  private static let mostIdle = 64

  private struct Stream: @unchecked Sendable {
    let stream: TermStream
  }

  init(_ analyzer: Analyzer) { self.analyzer = analyzer }

  func withStream<R>(_ body: (TermStream) -> R) -> R {
    let taken = idle.withLock { $0.popLast() } ?? Stream(stream: TermStream(analyzer))
    defer { idle.withLock { if $0.count < Self.mostIdle { $0.append(taken) } } }
    return body(taken.stream)
  }
}
