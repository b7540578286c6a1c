// Owns the words of vector search: metrics, codes, and what may be chosen. Knows nothing about how any is computed.
import CStrataKernels

/// What makes two vectors near.
public enum VectorMetric: UInt8, Sendable, CaseIterable {
  /// The cosine of the angle between them.
  case cosine = 0
  /// Their dot product.
  case dot = 1
  /// Less the square of their distance, so that here too a greater score is nearer.
  case euclidean = 2
}

/// How vectors are kept for searching. All but ``float32`` lose something, which scoring the best few again by their
/// exact vectors gives back.
public enum VectorCode: UInt8, Sendable, CaseIterable {
  case float32 = 0
  case float16 = 1
  /// Eight bits a component and a scale per vector: a vector of up to 56 components is one cache line.
  case int8 = 2
  /// One bit a component (RaBitQ: Gao and Long 2024, SIGMOD).
  case bit = 3
}

/// How a ``VectorIndex`` is built and searched.
public struct VectorOptions: Sendable, Hashable {
  /// What searches look at.
  public var code: VectorCode
  /// Links of a vector above level 0 of the graph, M in the paper; twice as many at level 0. 2...64.
  public var links: Int
  /// How many near vectors are looked for when one is linked, efConstruction in the paper.
  public var buildBreadth: Int
  /// How many near vectors a search keeps in view, ef in the paper; more finds more and takes longer.
  public var searchBreadth: Int
  /// Fewer vectors than this are searched exactly and get no graph.
  public var graphFrom: Int

  /// Values outside their range are moved to the nearest that is inside.
  public init(
    code: VectorCode = .int8, links: Int = 16, buildBreadth: Int = 128, searchBreadth: Int = 200, graphFrom: Int = 4096
  ) {
    self.code = code
    self.links = min(Int(STRATA_GRAPH_LINKS), max(2, links))
    self.buildBreadth = min(4096, max(self.links, buildBreadth))
    self.searchBreadth = min(1 << 16, max(1, searchBreadth))
    self.graphFrom = max(2, graphFrom)
  }

  public static let `default` = VectorOptions()
}

/// A vector that a search found, by its row.
public struct ScoredRow: Sendable, Hashable {
  public var row: Int
  /// Exact; see ``VectorMetric``.
  public var score: Float

  public init(row: Int, score: Float) {
    self.row = row
    self.score = score
  }
}

/// Threads for building.
final class VectorThreads: @unchecked Sendable {
  // Unchecked: calls that share a pool from several threads take turns in C.
  let pool: OpaquePointer?

  /// - Parameter count: the calling thread is one of them; when threads cannot be had it works alone.
  init(_ count: Int) { pool = count > 1 ? strata_pool_create(Int32(clamping: min(count, 256))) : nil }
  deinit { strata_pool_destroy(pool) }
}
