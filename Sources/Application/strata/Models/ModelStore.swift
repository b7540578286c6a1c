// Owns the models on disk: which are there, that their bytes are the pinned ones, and where to fetch missing ones.
import Foundation
import StrataCore

/// Files of catalog models under `STRATA_HOME/models/NAME/`.
struct ModelStore: Sendable {
  let home: Home
  let catalog: Catalog

  func folder(of model: CatalogModel) -> URL { home.models.appendingPathComponent(model.name) }

  /// Whether every file is there with its size and was verified when it was fetched.
  func isPresent(_ model: CatalogModel) -> Bool {
    model.files.allSatisfy { file in
      let url = folder(of: model).appendingPathComponent(file.name)
      let size = (try? FileManager.default.attributesOfItem(atPath: url.path))?[.size] as? Int
      return size == file.byteCount
    }
  }

  /// Path of a decoder for what a person typed: a catalog name, `file:PATH` or a path of a file that exists.
  /// - Throws: ``CommandError`` when the model is unknown, or known but not fetched yet.
  func decoderPath(_ name: String) throws -> (id: String, path: String) {
    if name.hasPrefix("file:") || name.hasSuffix(".gguf") {
      let path = name.hasPrefix("file:") ? String(name.dropFirst(5)) : name
      guard FileManager.default.fileExists(atPath: path) else {
        throw CommandError(
          CommandError.modelMissing, "There is no file at \(path).", remedy: "Check the path after `file:`.")
      }
      return (URL(fileURLWithPath: path).deletingPathExtension().lastPathComponent, path)
    }
    let model = try catalog.model(named: name)
    guard isPresent(model) else { throw missing(model) }
    return (model.name, folder(of: model).appendingPathComponent("model.gguf").path)
  }

  func encoderFolder(_ name: String) throws -> URL {
    if name.hasPrefix("file:") { return URL(fileURLWithPath: String(name.dropFirst(5))) }
    let model = try catalog.model(named: name)
    guard isPresent(model) else { throw missing(model) }
    return folder(of: model)
  }

  private func missing(_ model: CatalogModel) -> CommandError {
    CommandError(
      CommandError.modelMissing, "The model \(model.name) is not on this machine yet.",
      remedy: "Fetch it with `strata model pull \(model.name)` (\(Terminal.formatted(bytes: model.byteCount))).")
  }

  /// Fetches what is missing, each file from the first of its sources that gives the pinned bytes.
  func pull(_ model: CatalogModel) throws {
    try home.prepare()
    let folder = folder(of: model)
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    for file in model.files {
      let target = folder.appendingPathComponent(file.name)
      if let size = (try? FileManager.default.attributesOfItem(atPath: target.path))?[.size] as? Int,
        size == file.byteCount, try Self.sha256(of: target) == file.sha256
      {
        continue
      }
      try checkSpace(for: file, at: folder)
      try pull(file, of: model, to: target)
    }
  }

  private func pull(_ file: CatalogFile, of model: CatalogModel, to target: URL) throws {
    var failures: [String] = []
    for source in file.sources {
      let partial = target.appendingPathExtension("partial")
      defer { try? FileManager.default.removeItem(at: partial) }
      do {
        try Fetcher(title: "\(model.name)/\(file.name)", byteCount: file.byteCount).fetch(source, to: partial)
        let found = try Self.sha256(of: partial)
        guard found == file.sha256 else {
          throw CommandError(
            CommandError.hashMismatch, "SHA-256 is \(found), the catalog pins \(file.sha256).",
            remedy: "Nothing was kept. The source changed or the download was damaged; try again.")
        }
        try? FileManager.default.removeItem(at: target)
        try FileManager.default.moveItem(at: partial, to: target)
        return
      } catch {
        failures.append("\(source.label): \((error as? any StrataError)?.message ?? "\(error)")")
      }
    }
    throw CommandError(
      CommandError.downloadFailed,
      "\(model.name)/\(file.name) could not be fetched.\n  " + failures.joined(separator: "\n  "),
      remedy: "Check the network, or put the file at \(target.path) by hand.")
  }

  private func checkSpace(for file: CatalogFile, at folder: URL) throws {
    let attributes = try? FileManager.default.attributesOfFileSystem(forPath: folder.path)
    guard let free = attributes?[.systemFreeSize] as? Int, free < file.byteCount * 2 + 64_000_000 else { return }
    throw CommandError(
      CommandError.diskFull,
      "\(folder.path) has \(Terminal.formatted(bytes: free)) free; fetching \(file.name) takes twice its "
        + "\(Terminal.formatted(bytes: file.byteCount)).",
      remedy: "Free some space or set STRATA_HOME to a larger disk.")
  }

  /// SHA-256 of a file, read in pieces of 4 MiB.
  static func sha256(of url: URL) throws -> String {
    guard let handle = try? FileHandle(forReadingFrom: url) else {
      throw CommandError(CommandError.fileUnreadable, "\(url.path) cannot be read.")
    }
    defer { try? handle.close() }
    var hash = SHA256()
    while let piece = try handle.read(upToCount: 4 << 20), !piece.isEmpty {
      piece.withUnsafeBytes { hash.update($0) }
    }
    return hash.finish()
  }
}
