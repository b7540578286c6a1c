// Owns the endpoints that operators and client libraries look at first: models, health, metrics.
import Hummingbird
import StrataCore

struct OperationsRoutes: Sendable {
  let metrics: ServerMetrics
  let admission: Admission
  let catalog: ModelCatalog

  var routes: [Route] {
    [
      Route(.get, "/healthz", .everybody) { _, _ in .json(["status": "ok"]) },
      Route(.get, "/metrics") { _, _ in
        .text(metrics.text(queue: admission.counts), contentType: "text/plain; version=0.0.4; charset=utf-8")
      },
      Route(.get, "/v1/models") { _, _ in .json(["object": "list", "data": .array(catalog.listing)]) },
      Route(.get, "/v1/models/{id*}") { _, context in
        let id = context.pathParameters["id"] ?? ""
        guard let entry = catalog.listing.first(where: { $0["id"]?.stringValue == id }) else {
          throw ServerError(.modelNotFound, "The model `\(id.prefix(200))` does not exist.", parameter: "model")
        }
        return .json(entry)
      },
    ]
  }
}
