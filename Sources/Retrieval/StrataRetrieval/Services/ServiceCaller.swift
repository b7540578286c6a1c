// Owns calling an operation of a described service and making its answer citable. Knows nothing about agents.
import Foundation
import StrataCore

/// What a service said.
public struct ServiceReply: Sendable, Hashable {
  public var url: String
  public var body: JSON
  /// The answer as one passage: the document is the URL, the text the answer itself.
  public var passage: Passage
}

/// Calls `GET` operations under one base URL, with bounds.
public struct ServiceCaller: Sendable {
  public let service: OpenAPIService
  private let fetcher: any HTTPFetcher
  /// Such as `Authorization`; given by whoever owns the credentials, never by a model.
  private let headers: [(String, String)]
  private let byteLimit: Int

  public init(
    _ service: OpenAPIService, fetcher: any HTTPFetcher, headers: [(String, String)] = [], byteLimit: Int = 200_000
  ) {
    self.service = service
    self.fetcher = fetcher
    self.headers = headers
    self.byteLimit = byteLimit
  }

  /// - Parameter arguments: an object, valid under the operation's schema.
  /// - Throws: ``RetrievalError`` when the service does not answer with 200.
  public func call(_ operation: OpenAPIService.Operation, _ arguments: JSON) async throws -> ServiceReply {
    let url = try url(operation, arguments)
    var headers = headers
    for parameter in operation.parameters where parameter.place == .header {
      guard let value = arguments[parameter.name].map(Self.plain), !value.contains(where: \.isNewline) else { continue }
      headers.append((parameter.name, value))
    }
    let reply = try await fetcher.get(url, headers: [("Accept", "application/json")] + headers, byteLimit: byteLimit)
    guard reply.status == 200 else { throw RetrievalError.serviceFailed(reply.status, url: url) }
    let text = String(decoding: reply.body, as: UTF8.self)
    let passage = Passage(
      chunk: 0, document: url, version: 1, range: 0..<text.utf8.count, text: text, title: service.title,
      headingPath: [operation.name], score: 1)
    return ServiceReply(url: url, body: (try? JSON(parsing: text)) ?? .string(text), passage: passage)
  }

  /// The address, with each argument encoded so that it stays in its place.
  package func url(_ operation: OpenAPIService.Operation, _ arguments: JSON) throws -> String {
    var path = operation.path
    var query: [String] = []
    for parameter in operation.parameters {
      guard let value = arguments[parameter.name] else {
        guard !parameter.isRequired else {
          throw RetrievalError.invalidService("The argument \(parameter.name) is missing.", at: operation.name)
        }
        continue
      }
      switch parameter.place {
      case .path:
        let text = Self.plain(value)
        // A path of dots would climb out of the operation's place.
        guard !text.isEmpty, !text.allSatisfy({ $0 == "." }) else {
          throw RetrievalError.invalidService("The argument \(parameter.name) is no path segment.", at: operation.name)
        }
        path = path.replacingOccurrences(of: "{\(parameter.name)}", with: Self.encoded(text))
      case .query:
        let values = value.arrayValue ?? [value]
        query += values.map { "\(Self.encoded(parameter.name))=\(Self.encoded(Self.plain($0)))" }
      case .header: continue
      }
    }
    return service.baseURL + path + (query.isEmpty ? "" : "?" + query.joined(separator: "&"))
  }

  private static func plain(_ value: JSON) -> String { value.stringValue ?? value.text() }

  private static func encoded(_ text: String) -> String {
    let unreserved = CharacterSet(charactersIn: "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~")
    return text.addingPercentEncoding(withAllowedCharacters: unreserved) ?? ""
  }
}
