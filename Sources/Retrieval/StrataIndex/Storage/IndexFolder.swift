// Owns the files of one index: which there are, in which order they are written, which may go. Knows nothing about
// searching.
import Foundation
import StrataCore
import Synchronization

/// A folder with a manifest and segment files.
///
/// A commit writes and flushes new segments first, then replaces the manifest, then removes what it no longer names. A
/// process that dies in between leaves files that no manifest names; the next writer removes them.
final class IndexFolder: Sendable {
  let path: String
  /// Nil while another process writes to the folder: then nothing here does.
  private let lock: Mutex<FolderLock?>
  let steps: FileSteps

  var isWritable: Bool { lock.withLock { $0 != nil } }
  private var manifestPath: String { "\(path)/\(Manifest.fileName)" }

  /// Makes the folder when there is none.
  init(path: String, steps: FileSteps) throws(IndexError) {
    self.path = path
    self.steps = steps
    do {
      try FileManager.default.createDirectory(
        atPath: path, withIntermediateDirectories: true, attributes: [.posixPermissions: 0o700])
    } catch {
      throw IndexError(
        ErrorCode("index_file_failed", .unavailable), "The folder of the index cannot be made.",
        remedy: "Choose another place with STRATA_HOME.", location: path, cause: error)
    }
    lock = Mutex(try FolderLock(folder: path))
  }

  /// Becomes the writer if nobody is it any more and the folder is still as it was at `generation` (nil: empty).
  func becomeWriter(ifStill generation: UInt64?) {
    guard !isWritable, let new = try? FolderLock(folder: path) else { return }
    let now = FileManager.default.fileExists(atPath: manifestPath) ? try? Manifest(path: manifestPath).generation : nil
    if now == generation { lock.withLock { $0 = new } }
  }

  /// The manifest and the open segments that it names; nil when there is none yet.
  func open() throws(IndexError) -> (manifest: Manifest, files: [SegmentFile])? {
    // Another process may replace the manifest and remove segments while we look: then there is a newer manifest.
    var lastGeneration: UInt64?
    while true {
      guard FileManager.default.fileExists(atPath: manifestPath) else { return nil }
      let manifest = try Manifest(path: manifestPath)
      do throws(IndexError) {
        var files: [SegmentFile] = []
        for entry in manifest.entries { files.append(try open(entry)) }
        return (manifest, files)
      } catch {
        guard !isWritable, lastGeneration != manifest.generation else { throw error }
        lastGeneration = manifest.generation
      }
    }
  }

  private func open(_ entry: Manifest.Entry) throws(IndexError) -> SegmentFile {
    let path = self.path + "/" + entry.fileName
    guard FileManager.default.fileExists(atPath: path) else {
      throw .corrupted("it is named by the manifest, but missing", path: path)
    }
    let file = try SegmentFile(path: path)
    guard file.byteCount == entry.receipt.byteCount, file.checksum == entry.receipt.checksum else {
      throw .corrupted("it is not the file that the manifest names", path: path)
    }
    return file
  }

  /// Writes a segment and opens it; the manifest does not name it yet.
  ///
  /// - Parameter structure: what is built over its vectors, if anything.
  func write(
    _ merge: SegmentMerge, structure: VectorOptions?, serial: UInt64
  ) throws(IndexError) -> SegmentFile {
    let path = self.path + "/" + Manifest.segmentName(serial)
    var writer = try SegmentWriter(path: path, steps: steps)
    let scratch = ScratchPlace(folder: self.path, steps: steps)
    try merge.encode(into: &writer, structure: structure, scratch: scratch)
    try writer.finish()
    return try SegmentFile(path: path)
  }

  func commit(_ manifest: Manifest) throws(IndexError) {
    try manifest.write(to: manifestPath, steps: steps)
  }

  /// Removes the segment files that `manifest` does not name, and what an interrupted commit left. Snapshots that still
  /// have one mapped go on reading it; the disk gets its space when the last of them is gone.
  ///
  /// - Parameter writing: segments that are on their way into a later manifest.
  func sweep(keeping manifest: Manifest, writing: Set<UInt64> = []) throws(IndexError) {
    try sweep(keeping: Set(manifest.entries.map(\.fileName) + writing.map(Manifest.segmentName)), writing: writing)
  }

  private func sweep(keeping kept: Set<String>, writing: Set<UInt64>) throws(IndexError) {
    let suffix = SegmentWriter.temporarySuffix
    for name in (try? FileManager.default.contentsOfDirectory(atPath: path)) ?? [] {
      let isGarbage =
        name.hasSuffix(suffix)
        ? !writing.contains { name == Manifest.segmentName($0) + suffix }
        : Manifest.isSegmentName(name) && !kept.contains(name)
      if isGarbage { try steps.remove("\(path)/\(name)") }
    }
  }

  /// Removes everything but the lock: the manifest first, so that what is left is never taken for an index.
  func clear() throws(IndexError) {
    try steps.remove(manifestPath)
    try steps.syncFolder(path)
    try sweep(keeping: [], writing: [])
  }

  /// Bytes that the folder's files take.
  var byteCount: Int {
    let names = (try? FileManager.default.contentsOfDirectory(atPath: path)) ?? []
    return names.reduce(0) { sum, name in
      let attributes = try? FileManager.default.attributesOfItem(atPath: "\(path)/\(name)")
      return sum + ((attributes?[.size] as? Int) ?? 0)
    }
  }
}
