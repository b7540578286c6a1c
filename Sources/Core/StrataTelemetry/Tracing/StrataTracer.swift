// Owns making spans and handing finished ones on. Knows nothing about models, HTTP or the collector.
import Foundation
import StrataCore
import Synchronization
import Tracing

/// A tracer for `swift-distributed-tracing` whose finished spans go to a ``SpanSink``.
///
/// Pass it to what should be traced, or install it for the whole process with `InstrumentationSystem.bootstrap`, so that the
/// spans of other libraries (HTTP clients, for example) join the same traces.
public final class StrataTracer: Tracer {
  private let sink: any SpanSink
  private let ratio: Double
  private let random: @Sendable () -> UInt64

  /// - Parameter ratio: Share of the traces beginning here that are recorded, in 0...1; traces that began elsewhere keep
  ///   the choice of their caller (OpenTelemetry's `ParentBased(TraceIdRatioBased)`).
  public init(
    sink: any SpanSink, ratio: Double = 1, random: @escaping @Sendable () -> UInt64 = { .random(in: 1 ... .max) }
  ) {
    self.sink = sink
    self.ratio = min(max(ratio, 0), 1)
    self.random = random
  }

  public func startSpan<Instant: TracerInstant>(
    _ operationName: String, context: @autoclosure () -> ServiceContext, ofKind kind: SpanKind,
    at instant: @autoclosure () -> Instant, function: String, file fileID: String, line: UInt
  ) -> RecordedSpan {
    let outer = context()
    let parent = outer.traceContext
    let low = random()
    let isSampled = parent?.isSampled ?? (Double(low >> 11) * 0x1p-53 < ratio)
    let own = TraceContext(
      traceID: parent?.traceID ?? TraceContext.hex([random(), low]), spanID: TraceContext.hex([random()]),
      isSampled: isSampled)
    var inner = outer
    inner.traceContext = own
    return RecordedSpan(
      SpanRecord(
        context: own, parentSpanID: parent?.spanID, name: operationName, kind: kind,
        start: instant().nanosecondsSinceEpoch, end: 0, attributes: [:], events: [], links: []),
      context: inner, sink: sink)
  }

  /// Waits for nothing: the sink sends on its own; call ``SpanExporter/shutdown()`` at the end.
  public func forceFlush() { sink.flush() }

  public func extract<Carrier, Extract>(
    _ carrier: Carrier, into context: inout ServiceContext, using extractor: Extract
  )
  where Extract: Extractor, Extract.Carrier == Carrier {
    guard let header = extractor.extract(key: "traceparent", from: carrier) else { return }
    if let parent = TraceContext(traceparent: header) { context.traceContext = parent }
  }

  public func inject<Carrier, Inject>(_ context: ServiceContext, into carrier: inout Carrier, using injector: Inject)
  where Inject: Injector, Inject.Carrier == Carrier {
    guard let own = context.traceContext else { return }
    injector.inject(own.traceparent, forKey: "traceparent", into: &carrier)
  }
}

/// Takes finished spans; must not block.
public protocol SpanSink: Sendable {
  func record(_ span: SpanRecord)
  /// Asks for what is held to be sent soon.
  func flush()
}

/// A span that is under way. What is set after its end is ignored.
public final class RecordedSpan: Span {
  private struct State {
    var record: SpanRecord
    var isOver = false
  }

  public let context: ServiceContext
  private let sink: any SpanSink
  private let state: Mutex<State>

  init(_ record: SpanRecord, context: ServiceContext, sink: any SpanSink) {
    self.context = context
    self.sink = sink
    state = Mutex(State(record: record))
  }

  private func change(_ body: (inout SpanRecord) -> Void) {
    state.withLock { state in
      if !state.isOver { body(&state.record) }
    }
  }

  public var isRecording: Bool { state.withLock { !$0.isOver && $0.record.context.isSampled } }

  public var operationName: String {
    get { state.withLock { $0.record.name } }
    set { change { $0.name = newValue } }
  }

  public var attributes: SpanAttributes {
    get { state.withLock { $0.record.attributes } }
    set { change { $0.attributes = newValue } }
  }

  public func setStatus(_ status: SpanStatus) { change { $0.status = status } }

  public func addEvent(_ event: SpanEvent) {
    change {
      $0.events.append(
        SpanRecord.Event(name: event.name, time: event.nanosecondsSinceEpoch, attributes: event.attributes))
    }
  }

  public func addLink(_ link: SpanLink) {
    guard let other = link.context.traceContext else { return }
    change { $0.links.append(other) }
  }

  /// The error's code and message become an `exception` event; messages of ``StrataError``s hold no user's text.
  public func recordError<Instant: TracerInstant>(
    _ error: any Error, attributes: SpanAttributes, at instant: @autoclosure () -> Instant
  ) {
    var attributes = attributes
    let known = error as? any StrataError
    attributes["exception.type"] = known?.code.name ?? "\(type(of: error))"
    if let known { attributes["exception.message"] = known.message }
    let time = instant().nanosecondsSinceEpoch
    change { $0.events.append(SpanRecord.Event(name: "exception", time: time, attributes: attributes)) }
  }

  public func end<Instant: TracerInstant>(at instant: @autoclosure () -> Instant) {
    let time = instant().nanosecondsSinceEpoch
    let record: SpanRecord? = state.withLock { state in
      guard !state.isOver else { return nil }
      state.isOver = true
      state.record.end = max(time, state.record.start)
      return state.record
    }
    if let record, record.context.isSampled { sink.record(record) }
  }
}

/// A moment given as a number, for spans that are written down after they happened.
public struct RecordedInstant: TracerInstant {
  public var nanosecondsSinceEpoch: UInt64

  public init(nanosecondsSinceEpoch: UInt64) { self.nanosecondsSinceEpoch = nanosecondsSinceEpoch }

  public static func < (lhs: Self, rhs: Self) -> Bool { lhs.nanosecondsSinceEpoch < rhs.nanosecondsSinceEpoch }

  /// The moment `duration` later (earlier when negative).
  public func advanced(by duration: Duration) -> RecordedInstant {
    let nanoseconds = duration.components.seconds * 1_000_000_000 + duration.components.attoseconds / 1_000_000_000
    return RecordedInstant(
      nanosecondsSinceEpoch: UInt64(clamping: Int64(clamping: nanosecondsSinceEpoch) + nanoseconds))
  }
}
