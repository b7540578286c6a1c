// Owns the set of tokens that may come next, as bits.

/// One bit for each token of a vocabulary.
public struct TokenMask: Sendable, Hashable {
  public let count: Int
  /// Bit `id % 64` of word `id / 64`.
  public package(set) var words: [UInt64]

  /// Allows nothing.
  public init(count: Int) {
    self.count = max(0, count)
    words = Array(repeating: 0, count: (max(0, count) + 63) / 64)
  }

  public func contains(_ token: Int32) -> Bool {
    guard token >= 0, Int(token) < count else { return false }
    return words[Int(token) >> 6] >> (UInt64(token) & 63) & 1 == 1
  }

  /// Tokens allowed.
  public var allowedCount: Int { words.reduce(0) { $0 + $1.nonzeroBitCount } }

  public var isEmpty: Bool { words.allSatisfy { $0 == 0 } }

  /// Ids of the allowed tokens, in order.
  public var allowedTokens: [Int32] {
    var result: [Int32] = []
    for (index, word) in words.enumerated() {
      var rest = word
      while rest != 0 {
        result.append(Int32(index << 6 + rest.trailingZeroBitCount))
        rest &= rest - 1
      }
    }
    return result
  }

  mutating func insert(_ token: Int32) {
    words[Int(token) >> 6] |= 1 << (UInt64(token) & 63)
  }
}

/// A stored set of tokens: a list while it is small, bits otherwise.
enum StoredTokens: Sendable {
  case list([Int32])
  case bits([UInt64])

  init(_ tokens: [Int32], vocabularySize: Int) {
    if tokens.count * 2 <= vocabularySize / 64 {
      self = .list(tokens)
    } else {
      var mask = TokenMask(count: vocabularySize)
      for token in tokens { mask.insert(token) }
      self = .bits(mask.words)
    }
  }

  init(_ mask: TokenMask) {
    let count = mask.allowedCount
    self = count * 2 <= mask.words.count ? .list(mask.allowedTokens) : .bits(mask.words)
  }

  func merge(into mask: inout TokenMask) {
    switch self {
    case .list(let tokens): for token in tokens { mask.insert(token) }
    case .bits(let bits):
      for index in 0..<min(bits.count, mask.words.count) { mask.words[index] |= bits[index] }
    }
  }

  /// Replaces the whole mask.
  func write(to mask: inout TokenMask) {
    switch self {
    case .bits(let bits) where bits.count == mask.words.count: mask.words = bits
    default:
      for index in mask.words.indices { mask.words[index] = 0 }
      merge(into: &mask)
    }
  }

  var byteCount: Int {
    switch self {
    case .list(let tokens): tokens.count * 4
    case .bits(let bits): bits.count * 8
    }
  }
}
