// Owns the errors of the server and how any error looks over HTTP, in the shape of the OpenAI API.
import HTTPTypes
import Logging
import StrataCore

/// What went wrong in the server or in what a client sent.
public struct ServerError: StrataError {
  public let code: ErrorCode
  public let message: String
  public let remedy: String?
  public let cause: (any Error)?
  /// The request parameter at fault, for example `messages[0].content`.
  public let parameter: String?
  /// How long the client should wait before it tries again, where that is known.
  public let retryAfter: Duration?
  public var location: String? { parameter }

  public init(
    _ code: ErrorCode, _ message: String, parameter: String? = nil, remedy: String? = nil,
    retryAfter: Duration? = nil, cause: (any Error)? = nil
  ) {
    self.code = code
    self.message = message
    self.parameter = parameter
    self.remedy = remedy
    self.retryAfter = retryAfter
    self.cause = cause
  }
}

extension ErrorCode {
  public static let invalidConfiguration = ErrorCode("server_configuration", .invalidInput)
  public static let keysRequired = ErrorCode("server_keys_required", .permissionDenied)
  public static let portInUse = ErrorCode("server_port_in_use", .conflict)
  public static let cannotListen = ErrorCode("server_cannot_listen", .unavailable)
  static let invalidJSON = ErrorCode("invalid_json", .invalidInput)
  static let invalidParameter = ErrorCode("invalid_parameter", .invalidInput)
  static let missingParameter = ErrorCode("missing_required_parameter", .invalidInput)
  static let unsupportedParameter = ErrorCode("unsupported_parameter", .invalidInput)
  static let contextLengthExceeded = ErrorCode("context_length_exceeded", .invalidInput)
  static let incompleteBody = ErrorCode("incomplete_body", .invalidInput)
  static let bodyTooLarge = ErrorCode("request_too_large", .invalidInput)
  static let invalidAPIKey = ErrorCode("invalid_api_key", .permissionDenied)
  static let invalidKeyFile = ErrorCode("key_file", .invalidInput)
  static let adapterPathForbidden = ErrorCode("adapter_path_forbidden", .permissionDenied)
  static let administratorsOnly = ErrorCode("administrators_only", .permissionDenied)
  static let rateLimitExceeded = ErrorCode("rate_limit_exceeded", .exhausted)
  static let deadlineExceeded = ErrorCode("deadline_exceeded", .unavailable)
  static let responseNotFound = ErrorCode("response_not_found", .notFound)
  static let modelPinned = ErrorCode("model_pinned", .conflict)
  static let modelUnloading = ErrorCode("model_unloading", .unavailable)
  static let forbiddenHost = ErrorCode("forbidden_host", .permissionDenied)
  static let forbiddenOrigin = ErrorCode("forbidden_origin", .permissionDenied)
  static let otherPrincipal = ErrorCode("other_principal", .permissionDenied)
  static let modelNotFound = ErrorCode("model_not_found", .notFound)
  static let routeNotFound = ErrorCode("unknown_url", .notFound)
  static let methodNotAllowed = ErrorCode("method_not_allowed", .invalidInput)
  static let resourceNotFound = ErrorCode("not_found", .notFound)
  static let serverBusy = ErrorCode("server_busy", .exhausted)
  static let clientGone = ErrorCode("client_gone", .cancelled)
  static let shuttingDown = ErrorCode("shutting_down", .unavailable)
  static let incompleteGeneration = ErrorCode("incomplete_generation", .internal)
}

/// An error as a client sees it: nothing of the inside of the server is in it.
struct ErrorReply: Sendable {
  let status: HTTPResponse.Status
  let message: String
  let type: String
  let parameter: String?
  let code: String
  let remedy: String?
  /// For the header of that name.
  let retryAfterSeconds: Int?

  init(_ error: any Error) {
    guard !(error is CancellationError) else {
      self = ErrorReply(ServerError(.clientGone, "The request was cancelled."))
      return
    }
    guard let known = error as? any StrataError else {
      self.init(
        status: .internalServerError, message: "Something went wrong in the server. The log has the details.",
        type: "server_error", parameter: nil, code: "internal_error", remedy: nil, retryAfterSeconds: nil)
      return
    }
    let name = known.code.name
    let status = ErrorReply.status(of: known.code)
    let isInside = status == .internalServerError
    self.init(
      status: status,
      message: isInside ? "Something went wrong in the server. The log has the details." : known.message,
      type: ErrorReply.type(of: status), parameter: (known as? ServerError)?.parameter,
      code: ErrorReply.isContextLength(known.code) ? ErrorCode.contextLengthExceeded.name : name,
      remedy: isInside ? nil : known.remedy,
      retryAfterSeconds: ErrorReply.retryAfter(known, status))
  }

  /// The reply to an error that a stream ends with, which nobody else logs.
  init(_ error: any Error, of task: String, _ logger: Logger) {
    self.init(error)
    if status.code >= 500 { logger.error("\(task) failed", metadata: ["error": "\(error)"]) }
  }

  /// What the error knows, else a moment for states that pass by themselves.
  private static func retryAfter(_ error: any StrataError, _ status: HTTPResponse.Status) -> Int? {
    if let duration = error.retryAfter { return max(1, Int(duration.seconds.rounded(.up))) }
    return status.code == 429 || status.code == 503 ? 2 : nil
  }

  private init(
    status: HTTPResponse.Status, message: String, type: String, parameter: String?, code: String, remedy: String?,
    retryAfterSeconds: Int?
  ) {
    self.status = status
    self.message = message
    self.type = type
    self.parameter = parameter
    self.code = code
    self.remedy = remedy
    self.retryAfterSeconds = retryAfterSeconds
  }

  func json(_ dialect: Dialect) -> JSON {
    switch dialect {
    case .openAI: json
    case .anthropic: anthropicJSON
    }
  }

  /// `{"type":"error","error":{"type","message"}}` of the Messages API; the way out is part of the message.
  var anthropicJSON: JSON {
    let type =
      switch status.code {
      case 400, 405, 409: "invalid_request_error"
      case 401: "authentication_error"
      case 403: "permission_error"
      case 404: "not_found_error"
      case 413: "request_too_large"
      case 429: "rate_limit_error"
      case 503: "overloaded_error"
      case 504: "timeout_error"
      default: "api_error"
      }
    let text = [message, remedy].compactMap { $0 }.joined(separator: " ")
    return ["type": "error", "error": ["type": .string(type), "message": .string(text)]]
  }

  /// `{"error":{"message","type","param","code"}}`, with `remedy` where there is one.
  var json: JSON {
    var body: JSONObject = [
      "message": .string(message), "type": .string(type), "param": parameter.map(JSON.string) ?? .null,
      "code": .string(code),
    ]
    if let remedy { body["remedy"] = .string(remedy) }
    return ["error": .object(body)]
  }

  private static func isContextLength(_ code: ErrorCode) -> Bool {
    code.name.contains("context_length") || code.name.contains("context_exceeded")
      || code.name.contains("prompt_too_long")
  }

  private static func status(of code: ErrorCode) -> HTTPResponse.Status {
    switch code {
    case .bodyTooLarge: return .contentTooLarge
    case .invalidAPIKey: return .unauthorized
    case .methodNotAllowed: return .methodNotAllowed
    default: break
    }
    if isContextLength(code) { return .badRequest }
    if code.name == ErrorCode.deadlineExceeded.name { return .gatewayTimeout }
    switch code.kind {
    case .invalidInput: return .badRequest
    case .notFound: return .notFound
    case .permissionDenied: return .forbidden
    case .conflict: return .conflict
    case .exhausted: return .tooManyRequests
    case .unavailable: return .serviceUnavailable
    case .cancelled: return .clientClosedRequest
    case .corrupted, .internal: return .internalServerError
    }
  }

  private static func type(of status: HTTPResponse.Status) -> String {
    switch status.code {
    case 401: "authentication_error"
    case 403: "permission_error"
    case 429: "rate_limit_error"
    case 500...599: "server_error"
    default: "invalid_request_error"
    }
  }
}

extension HTTPResponse.Status {
  /// What proxies log when the client closed the connection; never seen by it.
  static var clientClosedRequest: Self { .init(code: 499, reasonPhrase: "Client Closed Request") }
}
