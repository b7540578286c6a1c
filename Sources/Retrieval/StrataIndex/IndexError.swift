// Owns every failure of the index, worded for the person who has to act on it.
import Foundation
import StrataCore

/// What the index refuses, and what goes wrong with its files.
public struct IndexError: StrataError {
  public let code: ErrorCode
  public let message: String
  public let remedy: String?
  public let location: String?
  public let cause: (any Error)?

  package init(
    _ code: ErrorCode, _ message: String, remedy: String? = nil, location: String? = nil, cause: (any Error)? = nil
  ) {
    self.code = code
    self.message = message
    self.remedy = remedy
    self.location = location
    self.cause = cause
  }

  /// A vector whose length is not the index's dimension.
  static func dimension(expected: Int?, found: Int) -> IndexError {
    let wanted = expected.map { "\($0) components" } ?? "no vectors"
    return IndexError(
      ErrorCode("index_dimension_mismatch", .invalidInput),
      "The vector has \(found) components, but the index takes \(wanted).",
      remedy: "Use one embedder for a collection, or ingest it again after changing the embedder.")
  }

  /// A vector with NaN or infinity in it, which no ranking survives.
  static func notFinite() -> IndexError {
    IndexError(
      ErrorCode("index_vector_not_finite", .invalidInput), "The vector contains NaN or infinity.",
      remedy: "Check the embedding model that made it.")
  }
}

// MARK: Files

extension IndexError {
  /// Whether an index made again from the store would not have the problem.
  package var isCuredByRebuilding: Bool { code.name == "index_corrupted" || code.name == "index_version_unknown" }

  /// A file whose bytes are not what this version of Strata wrote. The index is derived from the store, so a damaged
  /// file costs a rebuild and never data.
  package static func corrupted(_ reason: String, path: String) -> IndexError {
    IndexError(
      ErrorCode("index_corrupted", .corrupted), "The index file is damaged: \(reason).",
      remedy: "Rebuild the index from the store: strata index rebuild", location: path)
  }

  static func futureVersion(_ version: UInt32, path: String) -> IndexError {
    IndexError(
      ErrorCode("index_version_unknown", .conflict), "The index file has format \(version), which is not known here.",
      remedy: "Update Strata, or rebuild the index: strata index rebuild", location: path)
  }

  static func busy(_ path: String) -> IndexError {
    IndexError(
      ErrorCode("index_busy", .conflict), "Another process writes to the index.",
      remedy: "Stop it (strata serve, strata ingest), then try again.", location: path)
  }

  static func historyUnavailable(_ date: Date, since: Date) -> IndexError {
    IndexError(
      ErrorCode("index_history_unavailable", .notFound),
      "The index cannot be searched as of \(date.formatted(.iso8601)): it has every state since "
        + "\(since.formatted(.iso8601)).",
      remedy: "Ask for a later time. To keep more from now on: strata index history --days 7")
  }

  static func missingSection(_ name: String, path: String) -> IndexError {
    corrupted("the section \(name) is missing", path: path)
  }

  static func system(_ action: String, _ errorNumber: Int32, path: String) -> IndexError {
    IndexError(
      ErrorCode("index_file_failed", errorNumber == 28 ? .exhausted : .unavailable),
      "The index cannot \(action): \(errorText(errorNumber)).",
      remedy: "Check that the disk has room and that you may write there.", location: path)
  }
}
