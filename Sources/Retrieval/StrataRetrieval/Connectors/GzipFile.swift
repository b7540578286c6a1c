// Owns unpacking one gzip file (RFC 1952) through libarchive, within a bound. Knows nothing about what is in it.
import CLibArchive

package enum GzipFile {
  /// What every gzip file begins with.
  package static let magic: [UInt8] = [0x1F, 0x8B]

  /// - Throws: ``RetrievalError`` when the file is damaged, or larger than `byteLimit` when unpacked.
  package static func unpack(_ bytes: [UInt8], byteLimit: Int, path: String) throws -> [UInt8] {
    guard let archive = archive_read_new() else {
      throw RetrievalError.parserFailed("libarchive did not start.", path: path)
    }
    defer { archive_read_free(archive) }
    archive_read_support_filter_gzip(archive)
    archive_read_support_format_raw(archive)
    return try bytes.withUnsafeBytes { buffer in
      var entry: OpaquePointer?
      guard archive_read_open_memory(archive, buffer.baseAddress, buffer.count) == ARCHIVE_OK,
        archive_read_next_header(archive, &entry) == ARCHIVE_OK
      else { throw damaged(archive, path) }
      var result: [UInt8] = []
      var block = [UInt8](repeating: 0, count: 1 << 16)
      while true {
        let count = block.withUnsafeMutableBytes { archive_read_data(archive, $0.baseAddress, $0.count) }
        if count == 0 { return result }
        guard count > 0 else { throw damaged(archive, path) }
        guard result.count + count <= byteLimit else {
          throw RetrievalError.parserFailed("The file has more than \(byteLimit >> 20) MB when unpacked.", path: path)
        }
        result += block[..<count]
      }
    }
  }

  private static func damaged(_ archive: OpaquePointer, _ path: String) -> RetrievalError {
    let reason = archive_error_string(archive).map { ": " + String(cString: $0) } ?? ""
    return RetrievalError.parserFailed("The gzip file is damaged\(reason).", path: path)
  }
}
