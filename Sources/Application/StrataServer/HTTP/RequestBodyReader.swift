// Owns reading request bodies within bounds. Knows nothing about what is in them.
import HTTPTypes
import Hummingbird
import NIOCore
import StrataCore

enum RequestBodyReader {
  /// The whole body, refused before a byte is kept when its announced size is over the limit.
  static func bytes(of request: Request, limit: Int) async throws -> [UInt8] {
    try checkAnnouncedLength(of: request, limit: limit)
    var bytes: [UInt8] = []
    do {
      for try await buffer in request.body {
        guard buffer.readableBytes <= limit - bytes.count else { throw tooLarge(limit) }
        bytes.append(contentsOf: buffer.readableBytesView)
      }
    } catch {
      throw explain(error)
    }
    return bytes
  }

  /// The body as a JSON object.
  static func object(of request: Request, limits: ServerLimits) async throws -> JSONObject {
    let bytes = try await bytes(of: request, limit: limits.jsonByteCount)
    guard !bytes.isEmpty else { throw ServerError(.invalidJSON, "The request has no body; it must be a JSON object.") }
    do {
      let value = try JSON(parsing: bytes, depthLimit: limits.jsonDepth)
      guard let object = value.objectValue else {
        throw ServerError(.invalidJSON, "The body must be a JSON object, not \(value.typeName).")
      }
      return object
    } catch let error as JSONParseError {
      throw ServerError(.invalidJSON, "\(error.message) Byte \(error.offset) of the body.", cause: error)
    }
  }

  static func checkAnnouncedLength(of request: Request, limit: Int) throws {
    if let length = request.headers[.contentLength], (Int(length) ?? .max) > limit { throw tooLarge(limit) }
  }

  /// What it means when a body cannot be read to its end.
  static func explain(_ error: any Error) -> any Error {
    guard !(error is any StrataError), !(error is CancellationError) else { return error }
    return ServerError(.incompleteBody, "The body ended before it was complete.", cause: error)
  }

  static func tooLarge(_ limit: Int) -> ServerError {
    ServerError(.bodyTooLarge, "The body is larger than the limit of \(limit) bytes.")
  }
}
