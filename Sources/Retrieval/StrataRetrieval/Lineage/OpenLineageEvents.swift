// Owns what an ingest tells other lineage tools: run events of OpenLineage 2-0-2. Sends nothing itself.
import Foundation
import StrataCore

/// Makes the run events of one ingest (openlineage.io, spec 2-0-2): the source is the input, the collection the output.
public struct OpenLineageEvents: Sendable {
  public static let schemaURL = "https://openlineage.io/spec/2-0-2/OpenLineage.json#/$defs/RunEvent"

  private let producer: String
  private let version: String
  private let namespace: String
  private let run: String
  private let collection: String
  private let kind: String
  private let uri: String

  /// - Parameters:
  ///   - producer: URI of the program that tells.
  ///   - namespace: of the job and of the collection, such as a host name.
  init(
    _ connector: any Connector, collection: String, run: UUID = UUID(), producer: String, version: String,
    namespace: String
  ) {
    self.producer = producer
    self.version = version
    self.namespace = namespace
    self.run = run.uuidString.lowercased()
    self.collection = collection
    kind = connector.kind
    uri = connector.uri
  }

  func start(at time: Date) -> JSON { event("START", time, facets: [:], input: [:], output: [:]) }

  func complete(_ report: IngestReport, source: SourceRecord?, at time: Date) -> JSON {
    var facets = JSONObject()
    if !report.failed.isEmpty {
      let total = report.added.count + report.updated.count + report.unchanged + report.failed.count
      facets["extractionError"] = facet(
        "1-1-2/ExtractionErrorRunFacet",
        [
          "totalTasks": .int(total), "failedTasks": .int(report.failed.count),
          "errors": .array(
            report.failed.prefix(100).map {
              ["errorMessage": .string($0.reason), "task": .string($0.document)]
            }),
        ])
    }
    var input = JSONObject()
    if let cursor = source?.cursor {
      input["version"] = facet("1-0-1/DatasetVersionDatasetFacet", ["datasetVersion": .string(cursor)])
    }
    let output = facet(
      "1-0-2/OutputStatisticsOutputDatasetFacet",
      [
        "rowCount": .int(report.chunks), "size": .int(report.bytes),
        "fileCount": .int(report.added.count + report.updated.count),
      ])
    return event("COMPLETE", time, facets: facets, input: input, output: ["outputStatistics": output])
  }

  func fail(_ error: any Error, at time: Date) -> JSON {
    let message = (error as? any StrataError)?.message ?? "\(error)"
    return event(
      error is CancellationError ? "ABORT" : "FAIL", time,
      facets: [
        "errorMessage": facet(
          "1-0-1/ErrorMessageRunFacet", ["message": .string(message), "programmingLanguage": "Swift"])
      ], input: [:], output: [:])
  }

  private func facet(_ schema: String, _ members: JSONObject) -> JSON {
    var facet: JSONObject = [
      "_producer": .string(producer),
      "_schemaURL": .string(
        "https://openlineage.io/spec/facets/\(schema).json#/$defs/\(schema.split(separator: "/").last ?? "")"),
    ]
    for (key, value) in members { facet[key] = value }
    return .object(facet)
  }

  private func event(
    _ type: String, _ time: Date, facets: JSONObject, input: JSONObject, output: JSONObject
  ) -> JSON {
    var runFacets: JSONObject = [
      "processing_engine": facet(
        "1-1-1/ProcessingEngineRunFacet", ["name": "strata", "version": .string(version)])
    ]
    for (key, value) in facets { runFacets[key] = value }
    var inputFacets: JSONObject = [
      "dataSource": facet("1-0-1/DatasourceDatasetFacet", ["name": .string(kind), "uri": .string(uri)])
    ]
    for (key, value) in input { inputFacets[key] = value }
    let (sourceNamespace, name) = Self.name(of: uri)
    var collected: JSONObject = ["namespace": .string(namespace), "name": .string("collections/\(collection)")]
    if !output.isEmpty { collected["outputFacets"] = .object(output) }
    return [
      "eventType": .string(type), "eventTime": .string(Self.format(time)), "producer": .string(producer),
      "schemaURL": .string(Self.schemaURL), "run": ["runId": .string(run), "facets": .object(runFacets)],
      "job": [
        "namespace": .string(namespace), "name": .string("ingest.\(collection).\(kind)"),
        "facets": [
          "jobType": facet(
            "2-0-3/JobTypeJobFacet",
            ["processingType": "BATCH", "integration": "STRATA", "jobType": "INGEST"])
        ],
      ],
      "inputs": [
        ["namespace": .string(sourceNamespace), "name": .string(name), "facets": .object(inputFacets)]
      ],
      "outputs": [.object(collected)],
    ]
  }

  private static func format(_ time: Date) -> String {
    time.formatted(Date.ISO8601FormatStyle(includingFractionalSeconds: true))
  }

  /// `file:///a/b` → `file`, `/a/b`; `https://host/a` → `https://host`, `/a` (the spec's naming of datasets).
  static func name(of uri: String) -> (namespace: String, name: String) {
    guard let scheme = uri.range(of: "://") else { return ("strata", uri) }
    let rest = uri[scheme.upperBound...]
    let slash = rest.firstIndex(of: "/") ?? rest.endIndex
    let authority = rest[..<slash]
    let name = rest[slash...].isEmpty ? "/" : String(rest[slash...])
    return (authority.isEmpty ? String(uri[..<scheme.lowerBound]) : String(uri[..<slash]), name)
  }
}

/// Where an ingest tells what it did.
public struct LineageReporting: Sendable {
  /// Takes one event. What it throws is told in the report, and stops nothing.
  public var send: @Sendable (JSON) async throws -> Void
  public var producer: String
  public var version: String
  public var namespace: String

  public init(
    producer: String, version: String, namespace: String, send: @escaping @Sendable (JSON) async throws -> Void
  ) {
    self.send = send
    self.producer = producer
    self.version = version
    self.namespace = namespace
  }
}
