// Owns every failure of ingest and retrieval, worded for the person who has to act on it.
import StrataCore

/// What goes wrong between a folder of files and a list of passages.
public struct RetrievalError: StrataError {
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
}

extension RetrievalError {
  static func invalidAccessFile(_ message: String, line: Int?, file: String, remedy: String) -> RetrievalError {
    RetrievalError(
      ErrorCode("acl_invalid", .invalidInput), message, remedy: remedy,
      location: line.map { "\(file), line \($0)" } ?? file)
  }

  static func unreadableFolder(_ path: String, reason: String) -> RetrievalError {
    RetrievalError(
      ErrorCode("folder_unreadable", .notFound), "The folder cannot be read: \(reason).",
      remedy: "Check that it exists and that you may list it.", location: path)
  }

  static func unreadableFile(_ reason: String, path: String) -> RetrievalError {
    RetrievalError(
      ErrorCode("file_unreadable", .unavailable), "The file cannot be read: \(reason).",
      remedy: "Check that it exists and that you may read it.", location: path)
  }

  static func fileTooLarge(_ byteCount: Int, limit: Int, path: String) -> RetrievalError {
    RetrievalError(
      ErrorCode("file_too_large", .exhausted),
      "The file has \(byteCount) bytes; the limit is \(limit).",
      remedy: "Split the file, ignore it in .strata-acl.yaml, or raise the limit.", location: path)
  }

  static func fileChanging(path: String) -> RetrievalError {
    RetrievalError(
      ErrorCode("file_changing", .unavailable), "The file changed each time while it was being read.",
      remedy: "Ingest again when nothing writes to it.", location: path)
  }

  static func binaryFile(path: String) -> RetrievalError {
    RetrievalError(
      ErrorCode("file_binary", .invalidInput), "The file is named like a text but holds binary data.",
      remedy: "Give it its right extension or ignore it in .strata-acl.yaml.", location: path)
  }

  static func noText(_ message: String, remedy: String, path: String) -> RetrievalError {
    RetrievalError(ErrorCode("document_without_text", .invalidInput), message, remedy: remedy, location: path)
  }

  static func parserFailed(_ message: String, remedy: String? = nil, path: String) -> RetrievalError {
    RetrievalError(ErrorCode("document_unparsable", .invalidInput), message, remedy: remedy, location: path)
  }

  static func passwordProtected(path: String) -> RetrievalError {
    RetrievalError(
      ErrorCode("document_encrypted", .invalidInput), "The document is protected by a password.",
      remedy: "Save a copy without a password.", location: path)
  }

  static func toolMissing(_ tool: String, package: String) -> RetrievalError {
    RetrievalError(
      ErrorCode("tool_missing", .unavailable), "The program \(tool) is not installed.",
      remedy: "Install it: apt-get install \(package)")
  }

  static func unsupportedType(_ path: String) -> RetrievalError {
    RetrievalError(
      ErrorCode("type_unsupported", .invalidInput), "Files of this type are not ingested.",
      remedy: "Supported: \(DocumentFormat.supportedExtensions.joined(separator: ", ")).", location: path)
  }

  static func busy(collection: String) -> RetrievalError {
    RetrievalError(
      ErrorCode("ingest_running", .conflict), "The collection \(collection) is being ingested already.",
      remedy: "Wait until that is done.")
  }

  static func pathTaken(_ path: String) -> RetrievalError {
    RetrievalError(
      ErrorCode("path_taken", .conflict), "A document of another source has this path.",
      remedy: "Ingest one of the two under another --key, or into another collection.", location: path)
  }

  static func storeFailed(_ cause: any Error, path: String?) -> RetrievalError {
    RetrievalError(
      ErrorCode("ingest_store_failed", .unavailable), "The document store refused a change; ingest stopped there.",
      remedy: "What was saved before is complete. Free disk space or repair the store, then ingest again.",
      location: path, cause: cause)
  }

  static func embedderFailed(_ message: String, path: String?, cause: (any Error)? = nil) -> RetrievalError {
    RetrievalError(ErrorCode("embedding_failed", .internal), message, location: path, cause: cause)
  }

  static func rerankerMissing(_ method: RerankMethod) -> RetrievalError {
    RetrievalError(
      ErrorCode("reranker_missing", .unavailable), "Nothing here can rerank by \(method.rawValue).",
      remedy: "Give the model that it needs, or ask for another `rerank`.")
  }

  static func decomposerMissing() -> RetrievalError {
    RetrievalError(
      ErrorCode("decomposer_missing", .unavailable), "Nothing here can split a question into parts.",
      remedy: "Give a language model (`strata search --model`), or ask for `\"multi_hop\": \"graph\"`.")
  }

  static func invalidQuery(_ message: String) -> RetrievalError {
    RetrievalError(
      ErrorCode("query_invalid", .invalidInput), "The query is not one: \(message)",
      remedy: "docs/search.md shows what a query may have.")
  }
}
