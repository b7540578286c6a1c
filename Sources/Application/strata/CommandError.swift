// Owns every failure that the command itself reports, and what exit code each kind of error has.
import StrataCore

struct CommandError: StrataError {
  let code: ErrorCode
  let message: String
  let remedy: String?
  let cause: (any Error)?

  init(_ code: ErrorCode, _ message: String, remedy: String? = nil, cause: (any Error)? = nil) {
    self.code = code
    self.message = message
    self.remedy = remedy
    self.cause = cause
  }

  static let usage = ErrorCode("usage", .invalidInput)
  static let unknownModel = ErrorCode("unknown_model", .notFound)
  static let modelMissing = ErrorCode("model_missing", .notFound)
  static let hashMismatch = ErrorCode("hash_mismatch", .corrupted)
  static let downloadFailed = ErrorCode("download_failed", .unavailable)
  static let fileUnreadable = ErrorCode("file_unreadable", .notFound)
  static let diskFull = ErrorCode("disk_full", .exhausted)
  static let toolMissing = ErrorCode("tool_missing", .unavailable)
  static let nothingIngested = ErrorCode("nothing_ingested", .notFound)
  static let unknownRun = ErrorCode("unknown_run", .notFound)
  static let unknownKey = ErrorCode("unknown_key", .notFound)
  static let notYours = ErrorCode("not_yours", .permissionDenied)
  static let noModel = ErrorCode("no_authorization_model", .notFound)
  static let noDocument = ErrorCode("no_document", .notFound)
  static let nameTaken = ErrorCode("name_taken", .conflict)
}

extension ErrorKind {
  /// Documented in docs/cli.md.
  var exitCode: Int32 {
    switch self {
    case .internal: 1
    case .invalidInput: 2
    case .notFound: 3
    case .permissionDenied: 4
    case .conflict: 5
    case .exhausted: 6
    case .unavailable: 7
    case .corrupted: 8
    case .cancelled: 130
    }
  }
}
