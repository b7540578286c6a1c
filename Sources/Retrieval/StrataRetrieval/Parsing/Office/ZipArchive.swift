// Owns reading the parts of a zip archive through libarchive, within bounds. Knows nothing about what they mean.
import CLibArchive

/// The wanted entries of a zip archive, unpacked.
struct ZipArchive {
  /// What an archive may unpack to. An archive of a few kilobytes can otherwise fill any memory.
  struct Limits {
    var entryCount = 50_000
    var byteCount = 256 << 20
    /// Bytes out per byte in, for archives that unpack to more than `ratioFreeByteCount`.
    var ratio = 200
    var ratioFreeByteCount = 16 << 20
  }

  private var entries: [String: [UInt8]] = [:]
  private(set) var names: Set<String> = []

  subscript(name: String) -> [UInt8]? { entries[name] }

  /// - Parameter wanted: which entries are unpacked, by name.
  /// - Throws: ``RetrievalError`` when the archive is damaged, encrypted or too large.
  init(_ bytes: [UInt8], path: String, limits: Limits = Limits(), wanted: (String) -> Bool) throws {
    guard let archive = archive_read_new() else {
      throw RetrievalError.parserFailed("libarchive did not start.", path: path)
    }
    defer { archive_read_free(archive) }
    archive_read_support_format_zip(archive)
    try bytes.withUnsafeBytes { buffer in
      guard archive_read_open_memory(archive, buffer.baseAddress, buffer.count) == ARCHIVE_OK else {
        throw Self.damaged(archive, path)
      }
      try read(archive, archiveByteCount: buffer.count, limits, path, wanted)
    }
  }

  private mutating func read(
    _ archive: OpaquePointer, archiveByteCount: Int, _ limits: Limits, _ path: String, _ wanted: (String) -> Bool
  ) throws {
    let ratioLimit = max(limits.ratioFreeByteCount, archiveByteCount.multipliedReportingOverflow(by: limits.ratio).0)
    let byteLimit = min(limits.byteCount, ratioLimit)
    var total = 0
    var count = 0
    var entry: OpaquePointer?
    while true {
      try Task.checkCancellation()
      let status = archive_read_next_header(archive, &entry)
      if status == ARCHIVE_EOF { return }
      guard status == ARCHIVE_OK || status == ARCHIVE_WARN, let entry else { throw Self.damaged(archive, path) }
      count += 1
      guard count <= limits.entryCount else {
        throw RetrievalError.parserFailed(
          "The file has more than \(limits.entryCount) parts.", remedy: "Save it again with the program that made it.",
          path: path)
      }
      guard let pointer = archive_entry_pathname_utf8(entry) ?? archive_entry_pathname(entry) else { continue }
      let name = String(cString: pointer)
      names.insert(name)
      guard wanted(name), entries[name] == nil else { continue }
      guard archive_entry_is_encrypted(entry) == 0 else { throw RetrievalError.passwordProtected(path: path) }
      entries[name] = try unpack(archive, room: byteLimit - total, path)
      total += entries[name]?.count ?? 0
    }
  }

  private func unpack(_ archive: OpaquePointer, room: Int, _ path: String) throws -> [UInt8] {
    var result: [UInt8] = []
    var block = [UInt8](repeating: 0, count: 1 << 16)
    while true {
      let count = block.withUnsafeMutableBytes { archive_read_data(archive, $0.baseAddress, $0.count) }
      if count == 0 { return result }
      guard count > 0 else { throw Self.damaged(archive, path) }
      guard result.count + count <= room else {
        throw RetrievalError.parserFailed(
          "The file is \(room >> 20) MB or more when unpacked, far more than it should be.",
          remedy: "It may be made to exhaust memory. If you trust it, save it again with the program that made it.",
          path: path)
      }
      result += block[..<count]
    }
  }

  private static func damaged(_ archive: OpaquePointer, _ path: String) -> RetrievalError {
    let reason = archive_error_string(archive).map { ": " + String(cString: $0) } ?? ""
    return RetrievalError.parserFailed(
      "The file is damaged\(reason).", remedy: "Open it with the program that made it, and save it again.", path: path)
  }
}
