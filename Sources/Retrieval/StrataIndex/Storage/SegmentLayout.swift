// Owns the bytes of a segment file: what is where, in which order, and how it is checked. Reads and writes nothing.
import CStrataKernels

/// A segment file, version 1. Numbers are little-endian.
///
/// | bytes | what |
/// |---|---|
/// | 0..<64 | header, see ``Header`` |
/// | … | sections, each at a multiple of 64, gaps filled with zeros |
/// | at `tableOffset` | the table: one entry per section, see ``Section`` |
///
/// The header's checksum covers the header, the header holds that of the table, and the table those of the sections.
/// The table's checksum and the file's length therefore name the contents of the whole file.
enum SegmentLayout {
  static let magic = Array("StrataSg".utf8)
  static let version: UInt32 = 1
  static let alignment = 64
  static let headerByteCount = 64
  static let entryByteCount = 24

  static func aligned(_ offset: Int) -> Int { (offset + alignment - 1) / alignment * alignment }

  /// - Parameter before: that of the bytes before these.
  static func checksum(_ bytes: UnsafeRawBufferPointer, after before: UInt32 = 0) -> UInt32 {
    strata_crc32c(before, bytes.baseAddress, bytes.count)
  }

  /// One named run of equal elements.
  struct Section: Sendable, Hashable {
    var name: String
    /// Bytes of one element.
    var stride: Int
    var checksum: UInt32
    var offset: Int
    var byteCount: Int
  }

  struct Header: Sendable, Hashable {
    var tableOffset: Int
    var tableByteCount: Int
    var tableChecksum: UInt32
    var sectionCount: Int
    /// Of the whole file.
    var byteCount: Int
  }

  // MARK: Writing

  static func encode(_ sections: [Section]) -> [UInt8] {
    var bytes: [UInt8] = []
    for section in sections {
      let name = Array(section.name.utf8)
      bytes.append(littleEndian: UInt16(name.count))
      bytes.append(littleEndian: UInt16(section.stride))
      bytes.append(littleEndian: section.checksum)
      bytes.append(littleEndian: UInt64(section.offset))
      bytes.append(littleEndian: UInt64(section.byteCount))
      bytes += name
    }
    return bytes
  }

  static func encode(_ header: Header) -> [UInt8] {
    var bytes = magic
    bytes.append(littleEndian: version)
    bytes.append(littleEndian: UInt32(header.sectionCount))
    bytes.append(littleEndian: UInt64(header.tableOffset))
    bytes.append(littleEndian: UInt64(header.tableByteCount))
    bytes.append(littleEndian: UInt64(header.byteCount))
    bytes.append(littleEndian: header.tableChecksum)
    bytes += [UInt8](repeating: 0, count: headerByteCount - 4 - bytes.count)
    bytes.append(littleEndian: bytes.withUnsafeBytes { checksum($0) })
    return bytes
  }

  // MARK: Reading

  /// The header and table of a whole file, with every number checked against the file's length.
  static func decode(
    _ file: UnsafeRawBufferPointer, path: String
  ) throws(IndexError) -> (header: Header, sections: [Section]) {
    guard file.count >= headerByteCount else { throw .corrupted("it has only \(file.count) bytes", path: path) }
    guard file[0..<8].elementsEqual(magic) else { throw .corrupted("it is no segment file", path: path) }
    let found: UInt32 = file.littleEndian(at: 8)
    guard found == version else { throw .futureVersion(found, path: path) }
    guard checksum(UnsafeRawBufferPointer(rebasing: file[0..<60])) == file.littleEndian(at: 60) as UInt32 else {
      throw .corrupted("the header's checksum is wrong", path: path)
    }
    guard let tableOffset = Int(exactly: file.littleEndian(at: 16) as UInt64),
      let tableByteCount = Int(exactly: file.littleEndian(at: 24) as UInt64),
      let byteCount = Int(exactly: file.littleEndian(at: 32) as UInt64), byteCount == file.count,
      tableOffset >= headerByteCount, tableOffset <= byteCount, tableByteCount == byteCount - tableOffset
    else { throw .corrupted("its length is not what the header says", path: path) }
    let header = Header(
      tableOffset: tableOffset, tableByteCount: tableByteCount, tableChecksum: file.littleEndian(at: 40),
      sectionCount: Int(file.littleEndian(at: 12) as UInt32), byteCount: byteCount)
    let table = UnsafeRawBufferPointer(rebasing: file[tableOffset..<byteCount])
    guard checksum(table) == header.tableChecksum else {
      throw .corrupted("the table's checksum is wrong", path: path)
    }
    return (header, try decodeTable(table, header, path: path))
  }

  private static func decodeTable(
    _ table: UnsafeRawBufferPointer, _ header: Header, path: String
  ) throws(IndexError) -> [Section] {
    var sections: [Section] = []
    var at = 0
    while at < table.count {
      guard table.count - at >= entryByteCount else { throw .corrupted("the table is cut off", path: path) }
      let nameByteCount = Int(table.littleEndian(at: at) as UInt16)
      let stride = Int(table.littleEndian(at: at + 2) as UInt16)
      guard nameByteCount <= table.count - at - entryByteCount else {
        throw .corrupted("the table is cut off", path: path)
      }
      guard let offset = Int(exactly: table.littleEndian(at: at + 8) as UInt64),
        let byteCount = Int(exactly: table.littleEndian(at: at + 16) as UInt64),
        offset % alignment == 0, offset >= headerByteCount, offset <= header.tableOffset,
        byteCount <= header.tableOffset - offset, stride > 0, byteCount % stride == 0
      else { throw .corrupted("a section lies outside the file", path: path) }
      let name = String(decoding: table[(at + entryByteCount)..<(at + entryByteCount + nameByteCount)], as: UTF8.self)
      sections.append(
        Section(
          name: name, stride: stride, checksum: table.littleEndian(at: at + 4), offset: offset, byteCount: byteCount))
      at += entryByteCount + nameByteCount
    }
    guard sections.count == header.sectionCount else {
      throw .corrupted("it has \(sections.count) sections, not \(header.sectionCount)", path: path)
    }
    return sections
  }
}

extension [UInt8] {
  mutating func append(littleEndian value: some FixedWidthInteger) {
    Swift.withUnsafeBytes(of: value.littleEndian) { append(contentsOf: $0) }
  }
}

extension UnsafeRawBufferPointer {
  /// - Precondition: the number lies inside.
  func littleEndian<T: FixedWidthInteger & BitwiseCopyable>(at offset: Int) -> T {
    T(littleEndian: loadUnaligned(fromByteOffset: offset, as: T.self))
  }
}
