// Owns the endpoints that operators look at first: health and metrics.
import Hummingbird
import StrataCore

struct OperationsRoutes: Sendable {
  let metrics: ServerMetrics
  let admission: Admission

  var routes: [Route] {
    [
      Route(.get, "/healthz", .everybody) { _, _ in .json(["status": "ok"]) },
      Route(.get, "/metrics") { _, _ in
        .text(metrics.text(queue: admission.counts), contentType: "text/plain; version=0.0.4; charset=utf-8")
      },
    ]
  }
}
