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

/// What leads a search to the nearest of many vectors.
public enum VectorStructure: Sendable, Hashable {
  /// Links between near vectors (HNSW): the fastest while codes and links fit memory.
  case graph
  /// Lists of near vectors in 4 bits for every few components (IVF-PQ): for more vectors than memory holds.
  case lists(VectorListOptions)

  var isGraph: Bool { self == .graph }
}

/// How lists of vectors are made and searched.
public struct VectorListOptions: Sendable, Hashable {
  /// Lists; nil: four times the square root of the vectors.
  public var count: Int?
  /// Components that share a code of 4 bits, 1...64: two take a quarter of a byte a component.
  public var partWidth: Int
  /// Lists that a search looks into; nil: a twentieth of them.
  public var probes: Int?

  /// Values outside their range are moved to the nearest that is inside.
  public init(count: Int? = nil, partWidth: Int = 2, probes: Int? = nil) {
    self.count = count.map { min(VectorLists.most, max(1, $0)) }
    self.partWidth = min(VectorLists.widest, max(1, partWidth))
    self.probes = probes.map { max(1, $0) }
  }

  /// Lists of so many vectors.
  func lists(of vectors: Int) -> Int {
    min(count ?? Int(4 * Double(vectors).squareRoot()), VectorLists.most, max(1, vectors))
  }

  func probes(of lists: Int) -> Int { min(probes ?? max(8, lists / 20), max(1, lists)) }
}

/// How a ``VectorIndex`` is built and searched.
public struct VectorOptions: Sendable, Hashable {
  public var structure: VectorStructure
  /// What searches of a graph look at.
  public var code: VectorCode
  /// Links of a vector above level 0 of the graph, M in the paper; twice as many at level 0. 2...64.
  public var links: Int
  /// How many near vectors are looked for when one is linked, efConstruction in the paper.
  public var buildBreadth: Int
  /// How many near vectors a search of the graph keeps in view, ef in the paper, or how many of what it finds in lists are
  /// scored by their exact vectors; more finds more and takes longer.
  public var searchBreadth: Int
  /// Fewer vectors than this are searched exactly and get neither graph nor lists.
  public var graphFrom: Int

  /// Values outside their range are moved to the nearest that is inside.
  public init(
    structure: VectorStructure = .graph, code: VectorCode = .int8, links: Int = 16, buildBreadth: Int = 128,
    searchBreadth: Int = 200, graphFrom: Int = 4096
  ) {
    self.structure = structure
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
