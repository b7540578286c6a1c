// Owns the endpoints about models: lists for everybody, loading and unloading for administrators, as llama-server's
// router has them.
import Hummingbird
import StrataCore

struct ModelRoutes: Sendable {
  let catalog: ModelCatalog
  let limits: ServerLimits

  var routes: [Route] {
    [
      Route(.get, "/v1/models") { _, context in list(catalog.listing(for: context)) },
      Route(.get, "/models", .administrator) { _, context in list(try await catalog.everything(for: context)) },
      Route(.get, "/v1/models/{id*}") { _, context in
        let id = context.pathParameters["id"] ?? ""
        guard let entry = catalog.listing(for: context).first(where: { $0["id"]?.stringValue == id }) else {
          throw ServerError(.modelNotFound, "The model `\(id.prefix(200))` does not exist.", parameter: "model")
        }
        return .json(entry)
      },
    ]
      + ["/v1/models", "/models"].flatMap { path in
        [
          Route(.post, "\(path)/load", .administrator) { request, _ in
            try await catalog.load(try await name(in: request))
            return .json(["success": true])
          },
          Route(.post, "\(path)/unload", .administrator) { request, _ in
            try await catalog.unload(try await name(in: request), grace: limits.unloadGrace)
            return .json(["success": true])
          },
        ]
      }
  }

  private func name(in request: Request) async throws -> String {
    let reader = ParameterReader(try await RequestBodyReader.object(of: request, limits: limits))
    return try reader.require("model", try reader.string("model"))
  }

  private func list(_ entries: [JSON]) -> Response {
    .json([
      "object": "list", "data": .array(entries), "has_more": false, "first_id": entries.first?["id"] ?? .null,
      "last_id": entries.last?["id"] ?? .null,
    ])
  }
}
