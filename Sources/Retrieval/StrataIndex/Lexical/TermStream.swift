// Owns an analyzer at work, and keeping such for the next text. Knows nothing about what the terms are for.
import Synchronization

/// An ``Analyzer`` at work: holds the stemmer, for one thread at a time.
final class TermStream {
  private let stopWords: TermDictionary
  private let elisions: Set<String>
  private let stemmer: Stemmer?
  /// In Turkish, endings of names follow an apostrophe.
  private let cutsAtApostrophe: Bool
  /// English words lose their accents before they are stemmed, others after, since endings of theirs carry accents.
  let foldsFirst: Bool

  /// Words met before, so that frequent ones are stemmed once.
  private var words = TermTable(slotCount: 64)
  /// The term of each, or nil for a stop word.
  private var termOfWord: [(term: Int, hash: UInt64)?] = []
  private var terms = TermTable(slotCount: 64)
  private static let mostWords = 4096
  /// Words of more bytes are not remembered.
  private static let longestKept = 32

  init(_ analyzer: Analyzer) {
    var stopWords = TermTable()
    for word in analyzer.stopWords { Array(word.utf8).withUnsafeBufferPointer { _ = stopWords.insert($0) } }
    self.stopWords = stopWords.dictionary()
    elisions = analyzer.language?.elisions ?? []
    cutsAtApostrophe = analyzer.language == .turkish
    stemmer = analyzer.language.flatMap(Stemmer.init)
    foldsFirst = analyzer.language == nil || analyzer.language == .english
  }

  /// Calls `body` with each term of `text` and its hash, nil in the place of a stop word.
  func forEachTerm(in text: String, _ body: (_ term: UnsafeBufferPointer<UInt8>?, _ hash: UInt64) -> Void) {
    Analyzer.forEachWord(in: text, folded: foldsFirst) { word in
      guard word.count <= Self.longestKept else {
        if withTerm(of: word, { body($0, TermTable.hash($0)) }) == nil { body(nil, 0) }
        return
      }
      let (index, isNew) = words.insert(word)
      if isNew {
        termOfWord.append(
          withTerm(of: word) { term in
            let hash = TermTable.hash(term)
            return (terms.insert(term, hash: hash).index, hash)
          })
      }
      if let known = termOfWord[index] {
        terms.withTerm(known.term) { body($0, known.hash) }
      } else {
        body(nil, 0)
      }
    }
    guard words.count > Self.mostWords else { return }
    words = TermTable(slotCount: 64)
    termOfWord = []
    terms = TermTable(slotCount: 64)
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

/// Keeps ``TermStream``s that are not in use, since making a stemmer costs as much as a question's stems.
final class TermStreams: Sendable {
  let analyzer: Analyzer
  private let idle = Mutex<[Stream]>([])
  private static let mostIdle = 64

  /// Unchecked, since nothing but ``withStream(_:)`` hands a stream on: it is in ``idle`` or with one caller.
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
