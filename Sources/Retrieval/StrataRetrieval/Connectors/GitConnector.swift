// Owns a commit of a Git repository as a source, read by the `git` program. Never checks anything out, and runs nothing
// that the repository brings along.
import Foundation
import StrataCore

/// The files of one commit, as far as they have a known type; hidden ones, links and submodules are passed over.
///
/// A file's stamp is the name of its blob, so what did not change between two commits is not even read. What is not
/// committed is not seen.
public struct GitConnector: Connector {
  public let kind = "git"
  public let key: String
  /// What was given: a path or a URL.
  public let location: String
  /// Branch, tag or commit that was asked for.
  public let reference: String
  /// Full name of the commit that ``reference`` was when the connector was made.
  public let commit: String
  /// Path inside the repository, ending with `/`, or empty.
  private let folder: String
  private let git: GitProgram
  private let committedAt: Date
  private let readers: [Reader]?
  private let fileByteLimit: Int

  public var uri: String {
    let base = location.hasPrefix("/") ? "file://\(location)" : location
    return "git+\(base)#\(reference)\(folder.isEmpty ? "" : ":" + folder)"
  }

  /// Finds out which commit is meant; a repository that is named by URL is fetched first, without its history.
  /// - Parameters:
  ///   - location: a path, or an `https`, `ssh` or `file` URL.
  ///   - folder: takes only what lies below.
  ///   - key: begins the paths of the documents; by default the repository's name and `/`.
  ///   - mirrors: folder in which copies of remote repositories are kept.
  /// - Throws: ``RetrievalError`` when there is no such repository or reference.
  public init(
    _ location: String, reference: String = "HEAD", folder: String = "", key: String? = nil,
    readers: [Reader]? = nil, mirrors: String, fileByteLimit: Int = 64 << 20
  ) async throws {
    guard !reference.isEmpty, !reference.hasPrefix("-"),
      reference.unicodeScalars.allSatisfy({ $0.value > 32 && $0.value != 127 }), !reference.contains(":")
    else { throw GitProgram.failure("`\(reference)` is no name of a branch, tag or commit.", location) }
    let name = Self.name(of: location)
    self.key = key ?? "\(name)/"
    self.reference = reference
    self.readers = readers
    self.fileByteLimit = fileByteLimit
    self.folder = folder.isEmpty || folder.hasSuffix("/") ? folder : folder + "/"
    if location.contains("://") {
      self.location = location
      git = try await GitProgram.mirror(of: location, reference: reference, in: mirrors)
      commit = try await git.line(["rev-parse", "--verify", "--end-of-options", "refs/strata/\(reference)^{commit}"])
    } else {
      guard let path = realpath(location, nil) else {
        throw RetrievalError.unreadableFolder(location, reason: String(cString: strerror(errno)))
      }
      defer { free(path) }
      self.location = String(cString: path)
      git = GitProgram(repository: self.location)
      commit = try await git.line(["rev-parse", "--verify", "--end-of-options", "\(reference)^{commit}"])
    }
    let seconds = try await git.line(["show", "-s", "--format=%ct", commit])
    committedAt = Date(timeIntervalSince1970: Double(seconds) ?? 0)
  }

  static func name(of location: String) -> String {
    let last = location.split(separator: "/").last.map(String.init) ?? "repository"
    return last.hasSuffix(".git") && last.count > 4 ? String(last.dropLast(4)) : last
  }

  public func accessPolicy() async throws -> AccessPolicy? {
    let path = folder + AccessPolicy.fileName
    guard let blob = try await tree(["--", path]).first(where: { $0.path == path }) else {
      return readers.map { AccessPolicy(rules: [AccessPolicy.Rule("**", readers: $0)]) }
    }
    let bytes = try await git.blobs([blob.name], byteLimit: 1 << 20)
    guard let text = bytes[blob.name].flatMap({ String(validating: $0, as: UTF8.self) }) else {
      throw RetrievalError.invalidAccessFile(
        "The access file is not UTF-8.", line: nil, file: path, remedy: "Save it as UTF-8.")
    }
    return try AccessPolicy(yaml: text, file: path)
  }

  public func list(since cursor: String?) async throws -> SourceListing? {
    guard cursor != commit else { return nil }
    var listing = SourceListing(cursor: commit)
    for entry in try await tree(folder.isEmpty ? [] : ["--", folder]) where entry.path.hasPrefix(folder) {
      let path = String(entry.path.dropFirst(folder.count))
      guard !path.split(separator: "/").contains(where: { $0.hasPrefix(".") }) else { continue }
      switch entry.mode {
      case "120000": listing.skipped.append(IngestReport.Skipped(path: path, reason: "a symbolic link"))
      case "160000": listing.skipped.append(IngestReport.Skipped(path: path, reason: "a submodule"))
      case _ where DocumentFormat(path: path) == nil:
        listing.skipped.append(IngestReport.Skipped(path: path, reason: "files of this type are not ingested"))
      default:
        listing.items.append(
          SourceItem(path: key + path, locator: path, stamp: entry.name, byteCount: entry.byteCount))
      }
    }
    return listing
  }

  public func fetch(_ items: [SourceItem]) async -> [Result<FetchedItem, any Error>] {
    let small = items.filter { $0.byteCount <= fileByteLimit }
    let blobs: [String: [UInt8]]
    do {
      blobs = try await git.blobs(
        small.compactMap(\.stamp), byteLimit: small.reduce(1 << 20) { $0 + $1.byteCount + 128 })
    } catch {
      return items.map { _ in .failure(error) }
    }
    return items.map { item in Result { try content(of: item, blobs) } }
  }

  private func content(of item: SourceItem, _ blobs: [String: [UInt8]]) throws -> FetchedItem {
    guard item.byteCount <= fileByteLimit else {
      throw RetrievalError.fileTooLarge(item.byteCount, limit: fileByteLimit, path: item.path)
    }
    guard let format = DocumentFormat(path: item.locator) else { throw RetrievalError.unsupportedType(item.path) }
    guard let bytes = item.stamp.flatMap({ blobs[$0] }) else { return .gone }
    guard !bytes.starts(with: Array("version https://git-lfs.github.com/spec/".utf8)) else {
      throw RetrievalError.noText(
        "The file is kept in Git LFS; only a pointer to it is in the repository.",
        remedy: "Ingest a checkout that has the file, as a folder.", path: item.path)
    }
    return .content(
      SourceContent(
        bytes: bytes, format: format, stamp: item.stamp,
        origin: uri.split(separator: "#")[0] + "@\(commit)#\(folder)\(item.locator)", sourceVersion: commit,
        modifiedAt: committedAt, metadata: ["commit": .string(commit)]))
  }

  // MARK: Trees

  private struct TreeEntry {
    var mode: String
    var name: String
    var byteCount: Int
    var path: String
  }

  private func tree(_ paths: [String]) async throws -> [TreeEntry] {
    let output = try await git.run(["ls-tree", "-r", "-z", "-l", "--full-tree", commit] + paths)
    return output.split(separator: 0).compactMap { line in
      // `MODE TYPE NAME SIZE<tab>PATH`; a path that is not UTF-8 has no name that we could show.
      guard let tab = line.firstIndex(of: 9), let path = String(validating: line[(tab + 1)...], as: UTF8.self) else {
        return nil
      }
      let words = line[..<tab].split(separator: 32).map { String(decoding: $0, as: UTF8.self) }
      guard words.count == 4 else { return nil }
      return TreeEntry(mode: words[0], name: words[2], byteCount: Int(words[3]) ?? 0, path: path)
    }
  }
}

/// Runs `git` on one repository: without hooks, prompts, credentials and configuration of the user.
struct GitProgram: Sendable {
  let repository: String

  private static let safety = [
    "-c", "core.hooksPath=/dev/null", "-c", "core.fsmonitor=false", "-c", "core.askPass=true",
    "-c", "credential.helper=", "-c", "protocol.allow=never", "-c", "protocol.file.allow=always",
    "-c", "protocol.https.allow=always", "-c", "protocol.ssh.allow=always", "--no-pager", "--literal-pathspecs",
  ]

  static func failure(_ message: String, _ location: String) -> RetrievalError {
    RetrievalError(
      ErrorCode("git_failed", .unavailable), message,
      remedy: "Check the repository and the branch, tag or commit after `#`.", location: location)
  }

  func run(_ arguments: [String], input: [UInt8] = [], byteLimit: Int = 256 << 20) async throws -> [UInt8] {
    var process = FilterProcess(program: "git", arguments: Self.safety + ["-C", repository] + arguments)
    process.timeout = .seconds(600)
    process.memoryByteLimit = 16 << 30
    process.outputByteLimit = byteLimit
    switch await process.run(input: input) {
    case .finished(let output, _, 0): return output
    case .finished(_, let errors, let status):
      let said = errors.split(separator: "\n").prefix(3).joined(separator: " ")
      throw Self.failure(said.isEmpty ? "git ended with status \(status)." : "git says: \(said)", repository)
    case .timedOut: throw Self.failure("git took longer than ten minutes.", repository)
    case .tooMuchOutput: throw Self.failure("git gave more than \(byteLimit) bytes.", repository)
    case .cancelled: throw CancellationError()
    case .notInstalled: throw RetrievalError.toolMissing("git", package: "git")
    case .failedToStart(let reason): throw Self.failure("git cannot be started: \(reason).", repository)
    }
  }

  /// The first line that the command writes.
  func line(_ arguments: [String]) async throws -> String {
    let output = try await run(arguments)
    return String(decoding: output.prefix { $0 != 10 }, as: UTF8.self)
  }

  /// The bytes of blobs by name; absent ones are left out.
  func blobs(_ names: [String], byteLimit: Int) async throws -> [String: [UInt8]] {
    guard !names.isEmpty else { return [:] }
    let input = Array(Set(names).sorted().joined(separator: "\n").utf8) + [10]
    let output = try await run(["cat-file", "--batch"], input: input, byteLimit: byteLimit)
    var blobs: [String: [UInt8]] = [:]
    var index = 0
    // `NAME blob SIZE<newline>BYTES<newline>`, or `NAME missing<newline>`.
    while let end = output[index...].firstIndex(of: 10) {
      let words = output[index..<end].split(separator: 32).map { String(decoding: $0, as: UTF8.self) }
      index = end + 1
      guard words.count == 3, words[1] == "blob", let size = Int(words[2]), size >= 0, size < output.count - index
      else { continue }
      blobs[words[0]] = Array(output[index..<(index + size)])
      index += size + 1
    }
    return blobs
  }

  /// A bare copy of what `reference` names now, in a folder of its own below `folder`.
  static func mirror(of url: String, reference: String, in folder: String) async throws -> GitProgram {
    guard ["https://", "ssh://", "file://"].contains(where: url.hasPrefix) else {
      throw failure("Repositories are fetched from https, ssh and file URLs only.", url)
    }
    let path = "\(folder)/\(SHA256.hash(url).prefix(16)).git"
    do {
      try FileManager.default.createDirectory(
        atPath: path, withIntermediateDirectories: true, attributes: [.posixPermissions: 0o700])
    } catch {
      throw RetrievalError.unreadableFolder(path, reason: "it cannot be made")
    }
    let git = GitProgram(repository: path)
    _ = try await git.run(["init", "--quiet", "--bare", "."])
    _ = try await git.run([
      "fetch", "--quiet", "--depth=1", "--no-tags", "--no-recurse-submodules", "--end-of-options", url,
      "+\(reference):refs/strata/\(reference)",
    ])
    return git
  }
}
