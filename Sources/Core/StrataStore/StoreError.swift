// Owns the errors of the store, and what each SQLite failure means to a user.
import Foundation
import GRDB
import StrataCore

/// What can go wrong with the database.
public struct StoreError: StrataError {
  public let code: ErrorCode
  public let message: String
  public let remedy: String?
  public let location: String?
  public let cause: (any Error)?

  init(
    _ code: ErrorCode, _ message: String, remedy: String? = nil, location: String? = nil, cause: (any Error)? = nil
  ) {
    self.code = code
    self.message = message
    self.remedy = remedy
    self.location = location
    self.cause = cause
  }

  /// The disk took no more; the transaction is undone.
  public static let diskFull = ErrorCode("store_disk_full", .exhausted)
  /// Another process kept the database for too long.
  public static let locked = ErrorCode("store_locked", .unavailable)
  /// The file is no database, or a damaged one.
  public static let corrupted = ErrorCode("store_corrupted", .corrupted)
  /// The file system forbids it.
  public static let notAccessible = ErrorCode("store_not_accessible", .permissionDenied)
  /// The disk failed to read or write.
  public static let inputOutput = ErrorCode("store_io", .unavailable)
  /// A newer Strata made the file.
  public static let futureVersion = ErrorCode("store_future_version", .conflict)
  /// A database of some other program.
  public static let foreignFile = ErrorCode("store_foreign_file", .invalidInput)
  /// Somebody else changed the document in the meantime.
  public static let versionConflict = ErrorCode("store_version_conflict", .conflict)
  public static let noSuchDocument = ErrorCode("store_document_not_found", .notFound)
  /// The record contradicts itself.
  public static let invalidRecord = ErrorCode("store_invalid_record", .invalidInput)
  public static let runExists = ErrorCode("journal_run_exists", .conflict)
  public static let noSuchRun = ErrorCode("journal_run_not_found", .notFound)
  /// Another process has written this place of the run.
  public static let eventConflict = ErrorCode("journal_event_conflict", .conflict)
  /// A query that is wrong.
  public static let queryInvalid = ErrorCode("query_invalid", .invalidInput)
  /// A query that would do what it may not.
  public static let queryRefused = ErrorCode("query_refused", .permissionDenied)
  public static let queryTooLong = ErrorCode("query_too_long", .exhausted)
  /// Tuples were not as the writer of others wanted them to be.
  public static let relationConflict = ErrorCode("store_relation_conflict", .conflict)
  public static let unexpected = ErrorCode("store_unexpected", .internal)

  /// What `error` means, for the database at `path`.
  static func wrapping(_ error: any Error, path: String) -> any Error {
    guard let error = error as? DatabaseError else { return error }
    switch error.resultCode {
    case .SQLITE_FULL:
      return StoreError(
        diskFull, "The disk is full; nothing of the last change was kept.",
        remedy: "Free some space, or move STRATA_HOME to a larger disk, and try again.", location: path, cause: error)
    case .SQLITE_BUSY, .SQLITE_LOCKED:
      return StoreError(
        locked, "Another process is writing to the database.",
        remedy: "Wait for the other `strata` command to finish and try again.", location: path, cause: error)
    case .SQLITE_CORRUPT, .SQLITE_NOTADB:
      return StoreError(
        corrupted, "The file is not a readable database.",
        remedy: "Restore it from a backup, or move it away and ingest again; documents are not kept only here.",
        location: path, cause: error)
    case .SQLITE_CANTOPEN, .SQLITE_PERM, .SQLITE_READONLY, .SQLITE_AUTH:
      return StoreError(
        notAccessible, "The database cannot be opened for writing.",
        remedy: "Check that the folder exists and that this user may write to it.", location: path, cause: error)
    case .SQLITE_IOERR:
      return StoreError(
        inputOutput, "The disk reported an error.", remedy: "Check the disk and the system log, then try again.",
        location: path, cause: error)
    default:
      return StoreError(unexpected, "The database refused an operation.", location: path, cause: error)
    }
  }
}
