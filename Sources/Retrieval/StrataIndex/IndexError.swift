// Owns the errors of the index. An index lives in memory, so there are few.
import StrataCore

/// What the index refuses.
public struct IndexError: StrataError {
  public let code: ErrorCode
  public let message: String
  public let remedy: String?

  /// A vector whose length is not the index's dimension.
  static func dimension(expected: Int?, found: Int) -> IndexError {
    let wanted = expected.map { "\($0) components" } ?? "no vectors"
    return IndexError(
      code: ErrorCode("index_dimension_mismatch", .invalidInput),
      message: "The vector has \(found) components, but the index takes \(wanted).",
      remedy: "Use one embedder for a collection, or ingest it again after changing the embedder.")
  }

  /// A vector with NaN or infinity in it, which no ranking survives.
  static func notFinite() -> IndexError {
    IndexError(
      code: ErrorCode("index_vector_not_finite", .invalidInput),
      message: "The vector contains NaN or infinity.",
      remedy: "Check the embedding model that made it.")
  }
}
