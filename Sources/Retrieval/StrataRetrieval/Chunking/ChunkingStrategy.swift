// Owns which ways of cutting there are and what they are called. Knows nothing about how they cut.
import StrataCore

/// Cuts a parsed document into chunks.
///
/// Whatever the way: `text` is exactly the bytes of `range`, no text has more tokens than the strategy's limit, and what
/// is embedded fits the embedder.
public protocol DocumentChunker: Sendable {
  /// - Throws: what the embedder throws, for chunkers that need one; `CancellationError`.
  func chunks(of document: ParsedDocument) async throws -> [DocumentChunk]
}

/// How the documents of a collection are cut, for example `structural`, `semantic:200` or `fixed:200/100`.
public struct ChunkingStrategy: Sendable, Hashable {
  public enum Method: String, Sendable, Hashable, CaseIterable {
    /// Along headings, blocks and sentences.
    case structural
    /// One vector for each sentence; the sentences around it are found with it.
    case sentenceWindow = "sentence-window"
    /// Where neighbouring sentences differ most (Kamradt 2023, 5 Levels of Text Splitting).
    case semantic
    /// Sentences that are most similar within their chunks, by dynamic programming (Smith and Troynikov 2024,
    /// Evaluating Chunking Strategies for Retrieval, ClusterSemanticChunker).
    case cluster
    /// Structural chunks whose vectors were made with the text around them in view (Günther et al. 2024, Late Chunking).
    case late
    /// Windows of words whatever the document says; a baseline.
    case fixed
  }

  /// Part of the identity of a collection: another value means that everything has to be cut again.
  static let revision = 4

  /// The store's setting that holds a collection's strategy.
  package static let setting = "chunker"

  public var method: Method
  /// Most tokens of a chunk's text, headings not counted.
  public var tokenLimit: Int
  /// Of `fixed`: tokens that a window shares with the next. Of `sentence-window`: sentences on either side.
  public var overlap: Int

  public init(_ method: Method = .structural, tokenLimit: Int? = nil, overlap: Int? = nil) {
    self.method = method
    self.tokenLimit = max(8, tokenLimit ?? Self.defaultTokenLimit)
    self.overlap = max(0, overlap ?? (method == .sentenceWindow ? 1 : 0))
  }

  public static let defaultTokenLimit = 200

  /// Reads `METHOD`, `METHOD:TOKENS` or `METHOD:TOKENS/OVERLAP`.
  /// - Throws: ``RetrievalError`` `chunker_unknown`.
  public init(_ name: String) throws(RetrievalError) {
    let parts = name.split(separator: ":", maxSplits: 1, omittingEmptySubsequences: false)
    let numbers = parts.count < 2 ? [] : parts[1].split(separator: "/", omittingEmptySubsequences: false)
    let values = numbers.map { Int($0) }
    guard let method = Method(rawValue: String(parts[0])), values.count <= 2,
      values.allSatisfy({ $0.map { (0...100_000).contains($0) } ?? false })
    else { throw RetrievalError.unknownChunker(name, known: Method.allCases.map(\.rawValue)) }
    self.init(method, tokenLimit: values.first ?? nil, overlap: values.count > 1 ? values[1] : nil)
  }

  /// What ``init(_:)-(String)`` reads.
  public var name: String {
    let takesOverlap = method == .fixed || method == .sentenceWindow
    return "\(method.rawValue):\(tokenLimit)\(takesOverlap ? "/\(overlap)" : "")"
  }

  /// Documents that were made with equal fingerprints are cut the same, and embedded in the same way.
  package func fingerprint(embedder: (any Embedder)?) -> String {
    let usesVectors = ![.structural, .fixed].contains(method)
    return "chunker \(name) r\(Self.revision)" + (usesVectors ? " by \(embedder?.id ?? "words")" : "")
  }

  /// - Parameter embedder: counts tokens and bounds them by its window; without one, four bytes are a token.
  /// - Throws: ``RetrievalError`` `chunker_needs_embedder`.
  public func chunker(embedder: (any Embedder)?) throws(RetrievalError) -> any DocumentChunker {
    let limit = min(tokenLimit, max(8, (embedder?.maxTokens ?? tokenLimit) - Self.reserve))
    let count: @Sendable (String) -> Int = { embedder?.countTokens($0) ?? ($0.utf8.count + 3) / 4 }
    switch method {
    case .structural: return StructuralChunker(tokenLimit: limit, countTokens: count)
    case .fixed: return FixedWindowChunker(tokenLimit: limit, overlap: overlap, countTokens: count)
    case .sentenceWindow:
      return SentenceWindowChunker(tokenLimit: limit, sentencesAround: overlap, embedder: embedder, countTokens: count)
    case .semantic, .cluster:
      guard let embedder else { throw RetrievalError.chunkerNeedsEmbedder(name) }
      return SemanticChunker(tokenLimit: limit, rule: method == .cluster ? .clusters : .breakpoints, embedder: embedder)
    case .late:
      guard let embedder = embedder as? any TokenEmbedder else { throw RetrievalError.chunkerNeedsEmbedder(name) }
      return LateChunker(tokenLimit: limit, embedder: embedder)
    }
  }

  /// Tokens of the embedder's window that a chunk's text leaves free.
  private static let reserve = 4
}

extension RetrievalError {
  static func unknownChunker(_ name: String, known: [String]) -> RetrievalError {
    RetrievalError(
      ErrorCode("chunker_unknown", .invalidInput), "There is no chunker `\(name)`.",
      remedy: "Use METHOD, METHOD:TOKENS or METHOD:TOKENS/OVERLAP with one of: \(known.joined(separator: ", ")).")
  }

  static func chunkerNeedsEmbedder(_ name: String) -> RetrievalError {
    RetrievalError(
      ErrorCode("chunker_needs_embedder", .invalidInput),
      "The chunker `\(name)` compares vectors of the text, and this collection has no embedder that gives them.",
      remedy: "Fetch the embedder (`strata model pull`), or use the structural chunker.")
  }
}
