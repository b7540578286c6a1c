// Owns what one process observes with: its tracer and its numbers.

/// Handed to whatever calls models or answers requests.
public struct Telemetry: Sendable {
  public let metrics: GenerationMetrics
  /// Nil when nothing collects spans.
  public let tracer: StrataTracer?
  private let gauges: @Sendable (inout PrometheusText) -> Void

  /// - Parameter gauges: appends what only the owner of engines knows (queue depth, pages in use) to a page of numbers.
  public init(
    tracer: StrataTracer? = nil, metrics: GenerationMetrics = GenerationMetrics(),
    gauges: @escaping @Sendable (inout PrometheusText) -> Void = { _ in }
  ) {
    self.tracer = tracer
    self.metrics = metrics
    self.gauges = gauges
  }

  /// Appends all numbers to a page.
  public func write(to page: inout PrometheusText) {
    metrics.write(to: &page)
    gauges(&page)
  }
}
