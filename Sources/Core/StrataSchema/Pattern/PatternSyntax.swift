// Owns what a parsed pattern is: a tree over sets of Unicode scalars. Parses nothing and runs nothing.

/// A regular expression without back-references and look-around, so that a finite automaton can run it.
indirect enum PatternNode: Hashable, Sendable {
  case empty
  case scalar(ScalarSet)
  case sequence([PatternNode])
  case choice([PatternNode])
  /// `most` nil is unbounded.
  case loop(PatternNode, least: Int, most: Int?)
  case start
  case end
  case wordBoundary(Bool)

  static func text(_ text: String) -> PatternNode {
    .sequence(text.unicodeScalars.map { .scalar(ScalarSet($0.value)) })
  }
}
