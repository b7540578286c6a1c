// Owns the JSON form of spans in the OpenTelemetry protocol (OTLP 1.x, opentelemetry-proto `trace/v1`, JSON mapping).
import StrataCore
import Tracing

enum OTLPSpans {
  /// The body of one `POST /v1/traces`.
  static func body(_ spans: [SpanRecord], resource: [(String, String)], scope: String, version: String) -> JSON {
    [
      "resourceSpans": [
        [
          "resource": ["attributes": .array(resource.map { attribute($0.0, ["stringValue": .string($0.1)]) })],
          "scopeSpans": [
            [
              "scope": ["name": .string(scope), "version": .string(version)],
              "spans": .array(spans.map(span)),
            ]
          ],
        ]
      ]
    ]
  }

  private static func span(_ record: SpanRecord) -> JSON {
    var object: JSONObject = [
      "traceId": .string(record.context.traceID), "spanId": .string(record.context.spanID),
      "name": .string(record.name), "kind": .int(number(of: record.kind)),
      // 64-bit integers are strings in the protocol's JSON.
      "startTimeUnixNano": .string("\(record.start)"), "endTimeUnixNano": .string("\(record.end)"),
      "attributes": attributes(record.attributes), "flags": .int(record.context.isSampled ? 1 : 0),
    ]
    object["parentSpanId"] = record.parentSpanID.map(JSON.string)
    if !record.events.isEmpty {
      object["events"] = .array(
        record.events.map { event in
          [
            "name": .string(event.name), "timeUnixNano": .string("\(event.time)"),
            "attributes": attributes(event.attributes),
          ]
        })
    }
    if !record.links.isEmpty {
      object["links"] = .array(
        record.links.map { ["traceId": .string($0.traceID), "spanId": .string($0.spanID)] })
    }
    if let status = record.status {
      var value: JSONObject = ["code": .int(status.code == .error ? 2 : 1)]
      value["message"] = status.message.map(JSON.string)
      object["status"] = .object(value)
    }
    return .object(object)
  }

  private static func number(of kind: SpanKind) -> Int {
    switch kind {
    case .internal: 1
    case .server: 2
    case .client: 3
    case .producer: 4
    case .consumer: 5
    }
  }

  private static func attribute(_ key: String, _ value: JSON) -> JSON { ["key": .string(key), "value": value] }

  static func attributes(_ attributes: SpanAttributes) -> JSON {
    var list: [(String, JSON)] = []
    attributes.forEach { key, value in
      if let value = self.value(value) { list.append((key, value)) }
    }
    return .array(list.sorted { $0.0 < $1.0 }.map(attribute))
  }

  private static func value(_ attribute: SpanAttribute) -> JSON? {
    func array(_ values: [JSON]) -> JSON { ["arrayValue": ["values": .array(values)]] }
    switch attribute {
    case .int32(let value): return ["intValue": .string("\(value)")]
    case .int64(let value): return ["intValue": .string("\(value)")]
    case .double(let value):
      return value.isFinite ? ["doubleValue": .double(value)] : ["stringValue": .string("\(value)")]
    case .bool(let value): return ["boolValue": .bool(value)]
    case .string(let value): return ["stringValue": .string(value)]
    case .stringConvertible(let value): return ["stringValue": .string("\(value)")]
    case .int32Array(let values): return array(values.map { ["intValue": .string("\($0)")] })
    case .int64Array(let values): return array(values.map { ["intValue": .string("\($0)")] })
    case .doubleArray(let values): return array(values.filter(\.isFinite).map { ["doubleValue": .double($0)] })
    case .boolArray(let values): return array(values.map { ["boolValue": .bool($0)] })
    case .stringArray(let values): return array(values.map { ["stringValue": .string($0)] })
    case .stringConvertibleArray(let values): return array(values.map { ["stringValue": .string("\($0)")] })
    default: return nil
    }
  }
}
