// Owns `strata ingest`: bringing the index up to date with a folder, with a progress bar and a report.
import ArgumentParser
import Foundation
import StrataCore
import StrataRetrieval

struct Ingest: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Bring the index up to date with a folder.",
    discussion: """
      Unchanged files cost nothing, changed ones become a new version, deleted ones disappear.
      Example: strata ingest Examples/handbook
      """)
  @OptionGroup var common: CommonOptions
  @OptionGroup var documents: CollectionOptions
  @Argument(help: "A folder of documents.", completion: .directory) var folder: String
  @Option(name: .long, help: "Threads for the embedder (default: all processors).") var threads: Int?

  func run() async throws {
    try await common.run {
      let wiring = try Wiring()
      try wiring.modelStore.pull(try wiring.catalog.model(named: wiring.catalog.defaultEncoder))
      let collection = try await wiring.collection(documents.collection, pool: wiring.pool(threads: threads))
      let report = try await IngestView.run(folder, into: collection)
      if common.json { Terminal.json(IngestView.json(report)) } else { IngestView.show(report) }
      if !report.failed.isEmpty, report.added.isEmpty, report.updated.isEmpty, report.unchanged == 0 {
        throw ExitCode(ErrorKind.invalidInput.exitCode)
      }
    }
  }
}

/// How an ingest looks to people and machines.
enum IngestView {
  static func run(_ folder: String, into collection: Collection) async throws -> IngestReport {
    let bar = ProgressBar("ingest") { "\(Terminal.formatted($0, digits: $0 < 10 ? 1 : 0)) documents/s" }
    defer { bar.finish() }
    return try await collection.ingestor.ingest(folder) { progress in
      bar.update(progress.documentsDone, of: progress.documentsTotal, note: progress.document)
    }
  }

  /// The report with counts beside the names, for scripts.
  static func json(_ report: IngestReport) -> JSON {
    var value = report.json.objectValue ?? [:]
    value["counts"] = [
      "added": .int(report.added.count), "updated": .int(report.updated.count), "unchanged": .int(report.unchanged),
      "deleted": .int(report.deleted.count), "failed": .int(report.failed.count),
    ]
    return .object(value)
  }

  static func show(_ report: IngestReport) {
    let seconds = Terminal.formatted(report.seconds, digits: report.seconds < 10 ? 2 : 0)
    Terminal.out(
      "\(report.added.count) added, \(report.updated.count) updated, \(report.unchanged) unchanged, "
        + "\(report.deleted.count) deleted, \(report.failed.count) failed in \(seconds) s")
    for warning in report.warnings { Terminal.out(Terminal.wrapped("note: \(warning)", indent: "  ")) }
    for failure in report.failed {
      Terminal.out(Terminal.wrapped("failed: \(failure.document): \(failure.reason)", indent: "  "))
      if let remedy = failure.remedy { Terminal.out(Terminal.wrapped(remedy, indent: "    ")) }
    }
  }
}

extension IngestReport {
  var seconds: Double {
    Double(duration.components.seconds) + Double(duration.components.attoseconds) / 1e18
  }
}
