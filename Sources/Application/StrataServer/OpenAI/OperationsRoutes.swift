// Owns the endpoints that operators look at first: health and metrics.
import Hummingbird
import StrataCore
import StrataTelemetry

struct OperationsRoutes: Sendable {
  let metrics: ServerMetrics
  let telemetry: Telemetry
  let admission: Admission

  var routes: [Route] {
    [
      Route(.get, "/healthz", .everybody) { _, _ in .json(["status": "ok"]) },
      Route(.get, "/metrics") { _, _ in
        var page = PrometheusText()
        metrics.write(queue: admission.counts, to: &page)
        telemetry.write(to: &page)
        return .text(page.text, contentType: "text/plain; version=0.0.4; charset=utf-8")
      },
    ]
  }
}
