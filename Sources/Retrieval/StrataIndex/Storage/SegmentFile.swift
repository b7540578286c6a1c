// Owns reading a segment file. Trusts nothing in it; knows nothing about what its sections mean.
import Foundation
import Synchronization

/// An immutable file of named columns, mapped into memory.
///
/// Opening checks the header and the table; the first ``column(_:of:)`` of a section checks its bytes. What a checksum
/// cannot tell is whether numbers make sense together: whoever decodes a section checks that before trusting an offset.
///
/// The file may be removed while it is mapped: columns stay readable and the disk gets the space when the last one is
/// gone. It must never be written into or truncated, which would end the process with SIGBUS.
public final class SegmentFile: Sendable {
  public let path: String
  public var byteCount: Int { memory.bytes.count }
  /// CRC-32C of the table, which holds those of all sections.
  public let checksum: UInt32
  private let memory: MappedMemory
  private let sections: [String: SegmentLayout.Section]
  private let verified = Mutex<Set<String>>([])

  /// - Throws: ``IndexError`` when the file cannot be read or is not a whole segment file.
  public convenience init(path: String) throws(IndexError) {
    try self.init(MappedMemory(path: path), path: path)
  }

  /// The same from a copy of bytes, for tests.
  package convenience init(copying bytes: [UInt8]) throws(IndexError) {
    try self.init(MappedMemory(copying: bytes), path: "memory")
  }

  private init(_ memory: MappedMemory, path: String) throws(IndexError) {
    let (header, sections) = try SegmentLayout.decode(memory.bytes, path: path)
    self.path = path
    self.memory = memory
    checksum = header.tableChecksum
    self.sections = Dictionary(sections.map { ($0.name, $0) }) { $1 }
    guard self.sections.count == sections.count else {
      throw .corrupted("two sections have the same name", path: path)
    }
  }

  /// Names of the sections, in alphabetical order.
  public var names: [String] { sections.keys.sorted() }
  public func contains(_ name: String) -> Bool { sections[name] != nil }

  /// The section `name`, without copying it.
  ///
  /// - Parameter isVerified: false leaves the checksum alone, for sections that are too large to be read whole when the
  ///   index is opened and whose contents cannot lead anywhere, such as vectors. ``verify()`` still checks them.
  /// - Throws: when it is missing, has elements of another size, or its checksum is wrong.
  public func column<E: BitwiseCopyable & Sendable>(
    _ name: String, of type: E.Type, isVerified: Bool = true
  ) throws(IndexError) -> Column<E> {
    guard let section = sections[name] else { throw .missingSection(name, path: path) }
    guard section.stride == MemoryLayout<E>.stride, MemoryLayout<E>.alignment <= SegmentLayout.alignment else {
      throw .corrupted("the section \(name) has elements of \(section.stride) bytes", path: path)
    }
    if isVerified { try check(section) }
    return Column(bytes(section).bindMemory(to: E.self), in: memory)
  }

  /// Checks the bytes of all sections.
  public func verify() throws(IndexError) {
    for name in names { if let section = sections[name] { try check(section, again: true) } }
  }

  private func check(_ section: SegmentLayout.Section, again: Bool = false) throws(IndexError) {
    if !again, verified.withLock({ $0.contains(section.name) }) { return }
    guard SegmentLayout.checksum(bytes(section)) == section.checksum else {
      throw .corrupted("the checksum of the section \(section.name) is wrong", path: path)
    }
    _ = verified.withLock { $0.insert(section.name) }
  }

  private func bytes(_ section: SegmentLayout.Section) -> UnsafeRawBufferPointer {
    UnsafeRawBufferPointer(rebasing: memory.bytes[section.offset..<(section.offset + section.byteCount)])
  }
}

/// The bytes of a file, mapped, or a copy of bytes.
private final class MappedMemory: ColumnMemory, @unchecked Sendable {
  // Unchecked: the bytes are written only before `init` returns.
  let bytes: UnsafeRawBufferPointer
  private let isMapped: Bool

  convenience init(path: String) throws(IndexError) {
    let descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW)
    guard descriptor >= 0 else { throw .system("open a file", errno, path: path) }
    defer { close(descriptor) }
    var status = stat()
    guard fstat(descriptor, &status) == 0 else { throw .system("look at a file", errno, path: path) }
    guard status.st_mode & S_IFMT == S_IFREG else { throw .corrupted("it is not a regular file", path: path) }
    let count = Int(status.st_size)
    guard count > 0 else { throw .corrupted("it is empty", path: path) }
    try self.init(descriptor, count, path: path)
  }

  /// The first `count` bytes of an open file; more than none.
  init(_ descriptor: Int32, _ count: Int, path: String) throws(IndexError) {
    guard let address = mmap(nil, count, PROT_READ, MAP_PRIVATE, descriptor, 0), address != MAP_FAILED else {
      throw .system("map a file", errno, path: path)
    }
    bytes = UnsafeRawBufferPointer(start: address, count: count)
    isMapped = true
  }

  init(copying contents: [UInt8]) {
    let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: Swift.max(contents.count, 1), alignment: 64)
    buffer.copyBytes(from: contents)
    bytes = UnsafeRawBufferPointer(rebasing: UnsafeRawBufferPointer(buffer)[0..<contents.count])
    isMapped = false
  }

  deinit {
    guard let address = bytes.baseAddress else { return }
    let mutable = UnsafeMutableRawPointer(mutating: address)
    if isMapped { munmap(mutable, bytes.count) } else { mutable.deallocate() }
  }
}

extension Column {
  /// Elements in an open file that nothing will shorten, for as long as the column lives; the file may be closed.
  ///
  /// - Parameter offset: a multiple of 64.
  init(mapping descriptor: Int32, at offset: Int, byteCount: Int, path: String) throws(IndexError) {
    guard byteCount > 0 else {
      self.init()
      return
    }
    let memory = try MappedMemory(descriptor, offset + byteCount, path: path)
    let bytes = UnsafeRawBufferPointer(rebasing: memory.bytes[offset...])
    self.init(bytes.bindMemory(to: Element.self), in: memory)
  }
}
