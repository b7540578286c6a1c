// Owns what a person types to name a source, and the connector that reads it.
import ArgumentParser
import Foundation
import StrataCore
import StrataProviders
import StrataRetrieval
import StrataStore

/// A folder, `git:LOCATION[#REF[:FOLDER]]`, the URL of a sitemap, or `sqlite:FILE?SELECT…`.
enum SourceName: Sendable, Hashable {
  case folder(String)
  case git(location: String, reference: String, folder: String)
  case site(String)
  case sqlite(file: String, query: String)

  init(_ text: String) throws {
    if text.hasPrefix("git:") {
      let parts = text.dropFirst(4).split(separator: "#", maxSplits: 1, omittingEmptySubsequences: false)
      let tail = parts.count < 2 ? [] : parts[1].split(separator: ":", maxSplits: 1, omittingEmptySubsequences: false)
      guard let location = parts.first, !location.isEmpty else {
        throw CommandError(CommandError.usage, "`git:` needs a path or a URL.", remedy: "For example git:../wiki#main")
      }
      let reference = tail.first.map(String.init) ?? ""
      self = .git(
        location: String(location), reference: reference.isEmpty ? "HEAD" : reference,
        folder: tail.count > 1 ? String(tail[1]) : "")
    } else if text.hasPrefix("http://") || text.hasPrefix("https://") {
      self = .site(text)
    } else if text.hasPrefix("sqlite:") {
      let parts = text.dropFirst(7).split(separator: "?", maxSplits: 1)
      guard parts.count == 2 else {
        throw CommandError(
          CommandError.usage, "`sqlite:` needs a file and a query.",
          remedy: "For example \"sqlite:shop.db?SELECT id, name, text FROM products\" --key-column id")
      }
      self = .sqlite(file: String(parts[0]), query: String(parts[1]))
    } else {
      self = .folder(text)
    }
  }
}

/// How a source is read.
struct SourceOptions: ParsableArguments {
  @Option(
    name: .long,
    help:
      "Begins the paths of the documents, so that several sources can share a collection (default: none for the folder, a name for others)."
  )
  var key: String?

  @Option(
    name: .long,
    help: "Who may read what has no access rules of its own: everyone, user:NAME, group:NAME; separated by commas.")
  var readers: String?

  @Option(name: .long, help: "sqlite: the column that names a row.") var keyColumn: String?
  @Option(name: .long, help: "sqlite: a column that changes whenever its row does.") var updatedColumn: String?
  @Option(name: .long, help: "sqlite: the column that is the title.") var titleColumn: String?
  @Option(name: .long, help: "sqlite: a column that is searched (repeatable; default: all with text).")
  var textColumn: [String] = []
  @Option(name: .long, help: "sqlite: a column that says who may read its row.") var readersColumn: String?
  @Flag(name: .long, help: "sitemap: also a site on a private network or on this machine.")
  var `private` = false

  private func givenReaders() throws -> [Reader]? {
    guard let readers else { return nil }
    return try readers.split(separator: ",").map { word in
      guard let reader = Reader(word.trimmingCharacters(in: .whitespaces)) else {
        throw CommandError(
          CommandError.usage, "`\(word)` is no reader.", remedy: "Write everyone, user:NAME or group:NAME.")
      }
      return reader
    }
  }

  /// A connector that looks at the source as it is now.
  func connector(_ name: SourceName, _ wiring: Wiring, web: WebFetcher) async throws -> any Connector {
    let readers = try givenReaders()
    switch name {
    case .folder(let path): return try FolderConnector(path, key: key ?? "", readers: readers)
    case .git(let location, let reference, let folder):
      return try await GitConnector(
        location, reference: reference, folder: folder, key: key, readers: readers,
        mirrors: wiring.home.root.appendingPathComponent("repositories").path)
    case .site(let url): return try SitemapConnector(url, fetcher: web, key: key, readers: readers ?? [.everyone])
    case .sqlite(let file, let query):
      guard let keyColumn else {
        throw CommandError(
          CommandError.usage, "Rows need a name.", remedy: "Say which column names them: --key-column id")
      }
      guard readers != nil || readersColumn != nil else {
        throw CommandError(
          CommandError.usage, "It is not said who may read the rows.",
          remedy: "Add --readers everyone (or user:NAME, group:NAME), or --readers-column COLUMN.")
      }
      let path = URL(fileURLWithPath: file).standardizedFileURL.path
      let stem = URL(fileURLWithPath: file).deletingPathExtension().lastPathComponent
      return SQLConnector(
        try SQLiteSource(path: path, timeout: .seconds(60), valueByteLimit: SQLiteSource.recordByteLimit),
        uri: "sqlite:\(path)", query: query,
        columns: SQLConnector.Columns(
          key: keyColumn, updated: updatedColumn, title: titleColumn, text: textColumn.isEmpty ? nil : textColumn,
          readers: readersColumn),
        key: key ?? "\(stem)/", readers: readers ?? [])
    }
  }
}

/// Where the events of OpenLineage go.
struct LineageOptions: ParsableArguments {
  @Option(
    name: .customLong("openlineage"),
    help: "A file that gets a line, or an address that gets a POST, for each OpenLineage event of the ingest.")
  var target: String?

  func reporting(_ connections: RemoteConnections) throws -> LineageReporting? {
    guard let target else { return nil }
    let send: @Sendable (JSON) async throws -> Void
    if target.hasPrefix("http://") || target.hasPrefix("https://") {
      // The path that the HTTP transport of OpenLineage's clients uses when none is given.
      let path = URLComponents(string: target)?.path ?? ""
      let url = path.isEmpty || path == "/" ? target.trimmingCharacters(in: ["/"]) + "/api/v1/lineage" : target
      send = { event in
        let reply = try await connections.post(json: Array(event.text().utf8), to: url)
        guard (200..<300).contains(reply.status) else {
          throw CommandError(CommandError.downloadFailed, "\(url) answered \(reply.status).")
        }
      }
    } else {
      send = { event in
        let file = open(target, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0o644)
        guard file >= 0 else {
          throw CommandError(
            CommandError.fileUnreadable, "\(target) cannot be written: \(String(cString: strerror(errno))).")
        }
        defer { close(file) }
        let line = Array((event.text() + "\n").utf8)
        guard line.withUnsafeBytes({ write(file, $0.baseAddress, $0.count) }) == line.count else {
          throw CommandError(CommandError.diskFull, "\(target) takes no more.")
        }
      }
    }
    return LineageReporting(
      producer: "urn:strata:\(Strata.version)", version: Strata.version,
      namespace: "strata://\(ProcessInfo.processInfo.hostName)", send: send)
  }
}
