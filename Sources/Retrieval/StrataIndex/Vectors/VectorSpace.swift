// Owns how vectors are changed so that one kind of score ranks them by any metric. Knows nothing about codes.
import CStrataKernels

/// The space in which a metric's nearest neighbours are those of greatest dot product, or least distance.
struct VectorSpace: Sendable, Hashable {
  /// Of vectors as they come.
  let dimension: Int
  let metric: VectorMetric
  /// The greatest length of a vector, where dot products are sought between vectors of different lengths. Each vector
  /// then gets one more component that makes it this long. That changes no product with a query, which has zero there,
  /// and makes all vectors equally long, so that the greatest product is the smallest angle and links between
  /// neighbours mean something (Bachrach et al. 2014). Zero: nothing is added.
  let lift: Float

  /// Components of changed vectors.
  var width: Int { dimension + (lift > 0 ? 1 : 0) }

  /// Whether vectors stay as they are.
  var keepsVectors: Bool { metric != .cosine && lift == 0 }

  init(dimension: Int, metric: VectorMetric, lift: Float) {
    self.dimension = dimension
    self.metric = metric
    self.lift = lift
  }

  /// The space of `vectors`, row-major [rows, dimension]. Rows of zeros are taken to be missing.
  init(of vectors: Column<Float>, dimension: Int, metric: VectorMetric) {
    var least = Float.infinity
    var greatest: Float = 0
    if metric == .dot, dimension > 0, let start = vectors.buffer.baseAddress {
      for row in 0..<(vectors.count / dimension) {
        let vector = start + row * dimension
        let length = strata_dot_f32(vector, vector, Int64(dimension)).squareRoot()
        guard length > 0 else { continue }
        least = min(least, length)
        greatest = max(greatest, length)
      }
    }
    self.init(dimension: dimension, metric: metric, lift: greatest > least * 1.001 ? greatest : 0)
  }

  /// - Parameter out: ``width`` values at least.
  func change(_ vector: UnsafeBufferPointer<Float>, into out: UnsafeMutableBufferPointer<Float>) {
    _ = out.update(fromContentsOf: vector)
    guard !keepsVectors, let start = vector.baseAddress else { return }
    let squares = strata_dot_f32(start, start, Int64(vector.count))
    if metric == .cosine {
      normalize(out, squares)
    } else {
      out[dimension] = max(0, lift * lift - squares).squareRoot()
    }
  }

  /// - Parameter out: ``width`` values at least, zero.
  func changeQuery(_ query: UnsafeBufferPointer<Float>, into out: UnsafeMutableBufferPointer<Float>) {
    _ = out.update(fromContentsOf: query)
    guard metric == .cosine, let start = query.baseAddress else { return }
    normalize(out, strata_dot_f32(start, start, Int64(query.count)))
  }

  private func normalize(_ vector: UnsafeMutableBufferPointer<Float>, _ squares: Float) {
    guard squares > 0, squares.isFinite else { return }
    let factor = 1 / squares.squareRoot()
    for index in 0..<dimension { vector[index] *= factor }
  }

  /// The exact score of a vector; see ``VectorMetric``.
  func score(_ query: UnsafePointer<Float>, _ vector: UnsafePointer<Float>) -> Float {
    let count = Int64(dimension)
    switch metric {
    case .dot: return strata_dot_f32(query, vector, count)
    case .euclidean: return -strata_l2_f32(query, vector, count)
    case .cosine:
      let squares = strata_dot_f32(query, query, count) * strata_dot_f32(vector, vector, count)
      return squares > 0 ? strata_dot_f32(query, vector, count) / squares.squareRoot() : 0
    }
  }
}
