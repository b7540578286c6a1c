// Owns `strata ingest`: bringing a collection up to date with a source, with a progress bar and a report.
import ArgumentParser
import Foundation
import StrataCore
import StrataProviders
import StrataRetrieval

struct Ingest: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Bring a collection up to date with a folder, a repository, a site or a table.",
    discussion: """
      Unchanged documents cost nothing, changed ones become a new version, deleted ones disappear.
      A collection may have several sources; each keeps to its own documents (docs/ingest.md).
      Examples:
        strata ingest Examples/handbook
        strata ingest git:https://example.org/wiki.git#main:docs
        strata ingest https://example.org/sitemap.xml
        strata ingest "sqlite:shop.db?SELECT id, name, text FROM products" \\
          --key-column id --title-column name --readers everyone
      """)
  @OptionGroup var common: CommonOptions
  @OptionGroup var documents: CollectionOptions
  @OptionGroup var source: SourceOptions
  @OptionGroup var lineage: LineageOptions
  @OptionGroup var loading: LoaderArguments
  @Argument(
    help: "A folder, git:LOCATION[#REF[:FOLDER]], the URL of a sitemap, or sqlite:FILE?QUERY.",
    completion: .directory)
  var name: String
  @Option(name: .long, help: "How to cut documents from now on, such as structural, semantic:200 or fixed:200/50.")
  var chunker: String?
  @Flag(name: .long, help: "Go on following the source until interrupted; a folder is noticed at once.")
  var watch = false
  @Option(name: .long, help: "Threads for the embedder (default: all processors).") var threads: Int?

  func run() async throws {
    try await common.run {
      let wiring = try Wiring()
      let chunking = try chunker.map { try ChunkingStrategy($0) }
      try wiring.modelStore.pull(try wiring.catalog.model(named: wiring.catalog.defaultEncoder))
      let collection = try await wiring.collection(
        documents.collection, pool: wiring.pool(threads: threads), creates: true)
      let (web, connections) = (
        WebFetcher(userAgent: Self.userAgent, allowsPrivateAddresses: source.private),
        RemoteConnections()
      )
      let name = try SourceName(name)
      var options = Ingestor.Options()
      options.loader = loading.options
      options.chunking = chunking
      options.lineage = try lineage.reporting(connections)
      let ingestor = collection.ingestor(options)
      let report = try await IngestView.run(try await source.connector(name, wiring, web: web), ingestor)
      if !report.deleted.isEmpty || !report.updated.isEmpty { try await collection.store.reclaim() }
      if common.json { Terminal.json(IngestView.json(report)) } else { IngestView.show(report) }
      if watch { try await follow(name, wiring, ingestor, web) }
      try? await web.shutdown()
      try? await connections.shutdown()
      if !report.failed.isEmpty, report.added.isEmpty, report.updated.isEmpty, report.unchanged == 0 {
        throw ExitCode(ErrorKind.invalidInput.exitCode)
      }
    }
  }

  private static var userAgent: String { "strata/\(Strata.version)" }

  /// Ingests again whenever the source may have changed, and tells when it had.
  private func follow(_ name: SourceName, _ wiring: Wiring, _ ingestor: Ingestor, _ web: WebFetcher) async throws {
    var folderWatch: FolderWatch?
    if case .folder(let path) = name { folderWatch = try FolderWatch(path) }
    if !common.json { Terminal.out("following; interrupt to end") }
    while true {
      if let folderWatch { try await folderWatch.next() } else { try await Task.sleep(for: .seconds(60)) }
      do {
        let report = try await ingestor.ingest(try await source.connector(name, wiring, web: web))
        guard report.hasChanges else { continue }
        if common.json { Terminal.json(IngestView.json(report)) } else { IngestView.show(report) }
      } catch let error as RetrievalError {
        // What cannot be read now may be read the next time.
        _ = Terminal.prints(error, json: common.json)
      }
    }
  }
}

/// How an ingest looks to people and machines.
enum IngestView {
  static func run(_ connector: any Connector, _ ingestor: Ingestor) async throws -> IngestReport {
    let bar = ProgressBar("ingest") { Terminal.formatted($0 * 100, digits: 1) + "%/s" }
    defer { bar.finish() }
    return try await ingestor.ingest(connector) { progress in show(progress, on: bar) }
  }

  static func run(_ folder: String, into collection: Collection) async throws -> IngestReport {
    try await run(FolderConnector(folder), collection.ingestor())
  }

  static func show(_ progress: IngestProgress, on bar: ProgressBar) {
    let seconds = progress.elapsed.inSeconds
    let rate = seconds > 0 ? Double(progress.documentsDone) / seconds : 0
    var line = "\(progress.documentsDone)/\(progress.documentsTotal) documents"
    line += " · \(Terminal.formatted(rate, digits: rate < 10 ? 1 : 0))/s"
    if progress.vectorsTotal > 0 {
      let rate = seconds > 0 ? Double(progress.vectorsDone) / seconds : 0
      line += " · \(progress.vectorsDone)/\(progress.vectorsTotal) vectors · \(Terminal.formatted(rate, digits: 0))/s"
    }
    if let left = progress.timeLeft { line += " · \(Terminal.formatted(seconds: left.inSeconds)) left" }
    bar.show(progress.fraction, line)
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
    let seconds = report.duration.inSeconds
    Terminal.out(
      "\(report.added.count) added, \(report.updated.count) updated, \(report.unchanged) unchanged, "
        + "\(report.deleted.count) deleted, \(report.failed.count) failed in "
        + "\(Terminal.formatted(seconds, digits: seconds < 10 ? 2 : 0)) s")
    for warning in report.warnings { Terminal.out(Terminal.wrapped("note: \(warning)", indent: "  ")) }
    for failure in report.failed {
      Terminal.out(Terminal.wrapped("failed: \(failure.document): \(failure.reason)", indent: "  "))
      if let remedy = failure.remedy { Terminal.out(Terminal.wrapped(remedy, indent: "    ")) }
    }
  }
}

extension IngestReport {
  var hasChanges: Bool {
    !(added.isEmpty && updated.isEmpty && deleted.isEmpty && readersChanged.isEmpty && failed.isEmpty)
  }
}

extension Duration {
  var inSeconds: Double { Double(components.seconds) + Double(components.attoseconds) / 1e18 }
}
