// Owns the app API's routes for looking into a collection: search with its reasons, details of a document, who may read
// what. Decides nothing about documents.
import Foundation
import Hummingbird
import StrataCore

struct AppExploring: Sendable {
  let app: any AppService
  let access: AccessControl
  let limits: ServerLimits
  /// Whom a request is for.
  let principal: @Sendable (String?, RequestContext) async throws -> Principal

  var routes: [Route] {
    [
      Route(.get, "/api/collections") { request, context in
        let collections = try await app.collections(as: try await principal(request.query("as"), context))
        return .json(["collections": .array(collections.map(\.json))])
      },
      Route(.get, "/api/search") { request, context in try await search(request, context) },
      Route(.get, "/api/documents/details") { request, context in try await details(request, context) },
      Route(.get, "/api/access") { request, context in
        // Who else there is concerns nobody who came with a key.
        guard access.isLocal else {
          throw ServerError(.administratorsOnly, "Who may read what is shown on the machine itself only.")
        }
        return .json(try await app.accessTable(as: try await principal(request.query("as"), context)).json)
      },
    ]
  }

  private func search(_ request: Request, _ context: RequestContext) async throws -> Response {
    let text = (request.query("q") ?? "").trimmingCharacters(in: .whitespacesAndNewlines)
    guard !text.isEmpty else {
      throw ServerError(.missingParameter, "Missing required parameter: 'q'.", parameter: "q")
    }
    guard text.utf8.count <= limits.questionByteCount else {
      throw ServerError(
        .invalidParameter, "The query is longer than \(limits.questionByteCount) bytes.", parameter: "q")
    }
    var query = QuerySpec(text, limit: 10, legs: try legs(request.query("legs")), explains: true)
    if let limit = request.query("limit") {
      guard let number = Int(limit), (1...100).contains(number) else {
        throw ServerError(.invalidParameter, "Invalid 'limit': expected 1 to 100.", parameter: "limit")
      }
      query.limit = number
    }
    let start = ContinuousClock.now
    let hits = try await app.search(query, as: try await principal(request.query("as"), context))
    return .json([
      "hits": .array(hits.map(\.hitJSON)), "milliseconds": .double((ContinuousClock.now - start).seconds * 1000),
    ])
  }

  private func legs(_ text: String?) throws -> RetrievalLegs {
    guard let text else { return .hybrid }
    let names = text.split(separator: ",").map(String.init)
    let legs = names.compactMap(RetrievalLeg.init(rawValue:))
    guard !legs.isEmpty, legs.count == names.count else {
      let known = RetrievalLeg.allCases.map(\.rawValue).joined(separator: ", ")
      throw ServerError(.invalidParameter, "Invalid 'legs': expected some of \(known).", parameter: "legs")
    }
    return Set(legs)
  }

  private func details(_ request: Request, _ context: RequestContext) async throws -> Response {
    guard let path = request.query("path"), !path.isEmpty else {
      throw ServerError(.missingParameter, "Missing required parameter: 'path'.", parameter: "path")
    }
    guard let details = try await app.details(of: path, as: try await principal(request.query("as"), context)) else {
      throw ServerError(.resourceNotFound, "There is no such document.")
    }
    return .json(details.json(showsUsers: access.isLocal))
  }
}

extension Passage {
  /// A hit, with the reasons for its place.
  fileprivate var hitJSON: JSON {
    [
      "document": .string(document), "version": .int(version), "title": .string(title),
      "headings": .array(headingPath.map(JSON.string)), "page": page.map(JSON.int) ?? .null,
      "start": .int(range.lowerBound), "end": .int(range.upperBound), "text": .string(text), "score": .double(score),
      "explanation": explanation?.json ?? .null,
    ]
  }
}
