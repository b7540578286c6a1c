// Owns an embedder without weights: similar words give similar vectors, always the same ones.
import StrataCore

/// Feature hashing of lower-case words into a normalized vector (Weinberger et al. 2009).
public struct HashEmbedder: Embedder {
  public let id = "hash"
  public let dimension: Int
  public let maxTokens = 256

  public init(dimension: Int = 64) { self.dimension = dimension }

  public func embed(_ texts: [String]) async throws -> [[Float]] {
    texts.map { text in
      var vector = [Float](repeating: 0, count: dimension)
      for word in text.lowercased().split(whereSeparator: { !$0.isLetter && !$0.isNumber }) {
        var hash: UInt64 = 0xcbf2_9ce4_8422_2325
        for byte in word.utf8 { hash = (hash ^ UInt64(byte)) &* 0x0000_0100_0000_01b3 }
        vector[Int(hash % UInt64(dimension))] += hash >> 63 == 0 ? 1 : -1
      }
      let norm = vector.reduce(0) { $0 + $1 * $1 }.squareRoot()
      return norm > 0 ? vector.map { $0 / norm } : vector
    }
  }

  public func countTokens(_ text: String) -> Int { text.split(separator: " ").count }
}
