// Owns making a segment file that is whole or not there. Knows nothing about what its sections mean.
import Foundation

/// Writes a segment file section by section under a temporary name; ``finish()`` flushes it to disk and gives it its
/// name. A writer that is given up leaves nothing.
///
/// A failure (a full disk, say) is kept and thrown by ``finish()``, so that encoders need not care.
public struct SegmentWriter: ~Copyable {
  /// What identifies a finished file's contents.
  public struct Receipt: Sendable, Hashable {
    public var byteCount: Int
    /// CRC-32C of the table, which holds those of all sections.
    public var checksum: UInt32
  }

  static let temporarySuffix = ".tmp"

  public let path: String
  private let steps: FileSteps
  private let temporaryPath: String
  private var descriptor: Int32
  /// Where the next section may begin.
  private var offset = SegmentLayout.headerByteCount
  /// Bytes that are not in the file yet, and their place there: small sections are written together.
  private var pending: [UInt8] = []
  private var pendingOffset = SegmentLayout.headerByteCount
  private static let pendingLimit = 1 << 20
  private var sections: [SegmentLayout.Section] = []
  private var names: Set<String> = []
  /// The section that pieces go to.
  private var open: SegmentLayout.Section?
  private var failure: IndexError?

  public init(path: String) throws(IndexError) { try self.init(path: path, steps: .real) }

  package init(path: String, steps: FileSteps) throws(IndexError) {
    self.path = path
    self.steps = steps
    temporaryPath = path + Self.temporarySuffix
    descriptor = try steps.create(temporaryPath)
  }

  deinit {
    guard descriptor >= 0 else { return }
    close(descriptor)
    try? steps.remove(temporaryPath)
  }

  /// Adds a section. Names are unique in a file and at most 65,535 bytes long.
  public mutating func add<E: BitwiseCopyable>(_ name: String, _ values: UnsafeBufferPointer<E>) {
    begin(name, of: E.self)
    append(values)
    end()
  }

  public mutating func add<E: BitwiseCopyable>(_ name: String, _ values: [E]) {
    values.withUnsafeBufferPointer { add(name, $0) }
  }

  public mutating func add<E>(_ name: String, _ values: Column<E>) {
    values.withUnsafeBufferPointer { add(name, $0) }
  }

  // MARK: Piece by piece

  /// Begins a section that ``append(_:)`` fills and ``end()`` ends, so that it may be more than memory holds.
  package mutating func begin<E: BitwiseCopyable>(_ name: String, of type: E.Type) {
    guard failure == nil else { return }
    let stride = MemoryLayout<E>.stride
    guard open == nil, names.insert(name).inserted, name.utf8.count <= Int(UInt16.max), stride <= Int(UInt16.max) else {
      failure = .corrupted("the section \(name) is there twice, or its name or elements are too long", path: path)
      return
    }
    open = SegmentLayout.Section(
      name: name, stride: stride, checksum: 0, offset: SegmentLayout.aligned(offset), byteCount: 0)
  }

  /// Adds elements to the section that was begun.
  package mutating func append<E: BitwiseCopyable>(_ values: UnsafeBufferPointer<E>) {
    guard failure == nil, var section = open else { return }
    let bytes = UnsafeRawBufferPointer(values)
    do throws(IndexError) {
      try append(bytes, at: section.offset + section.byteCount)
    } catch {
      failure = error
      return
    }
    section.checksum = SegmentLayout.checksum(bytes, after: section.checksum)
    section.byteCount += bytes.count
    open = section
  }

  package mutating func end() {
    guard failure == nil, let section = open else { return }
    sections.append(section)
    offset = section.offset + section.byteCount
    open = nil
  }

  /// A section that is already in the file, to be read while the rest is written.
  ///
  /// - Throws: also when an earlier write failed.
  package mutating func column<E: BitwiseCopyable & Sendable>(_ name: String, of type: E.Type) throws(IndexError)
    -> Column<E>
  {
    if let failure { throw failure }
    guard let section = sections.first(where: { $0.name == name }), section.stride == MemoryLayout<E>.stride else {
      throw .missingSection(name, path: path)
    }
    try flush()
    return try Column(mapping: descriptor, at: section.offset, byteCount: section.byteCount, path: path)
  }

  /// Makes the file durable under its name: table and header, fsync, rename, fsync of the folder.
  ///
  /// - Throws: when any write failed; then there is no file of that name, or the one that was there before.
  @discardableResult
  public consuming func finish() throws(IndexError) -> Receipt {
    if let failure { throw failure }
    let table = SegmentLayout.encode(sections)
    let tableOffset = SegmentLayout.aligned(offset)
    let header = SegmentLayout.Header(
      tableOffset: tableOffset, tableByteCount: table.count,
      tableChecksum: table.withUnsafeBytes { SegmentLayout.checksum($0) },
      sectionCount: sections.count, byteCount: tableOffset + table.count)
    try Self.withBytes(table) { (bytes) throws(IndexError) in try append(bytes, at: tableOffset) }
    try flush()
    try Self.withBytes(SegmentLayout.encode(header)) { (bytes) throws(IndexError) in
      try steps.write(bytes, to: descriptor, at: 0, path: path)
    }
    try steps.sync(descriptor, path: path)
    try steps.rename(temporaryPath, to: path)
    close(descriptor)
    descriptor = -1
    try steps.syncFolder((path as NSString).deletingLastPathComponent)
    return Receipt(byteCount: header.byteCount, checksum: header.tableChecksum)
  }

  /// Puts bytes where they belong, with zeros before them up to there.
  private mutating func append(_ bytes: UnsafeRawBufferPointer, at start: Int) throws(IndexError) {
    pending += repeatElement(0, count: start - pendingOffset - pending.count)
    if bytes.count < Self.pendingLimit {
      pending += bytes
      if pending.count >= Self.pendingLimit { try flush() }
    } else {
      try flush()
      try steps.write(bytes, to: descriptor, at: start, path: path)
      pendingOffset = start + bytes.count
    }
  }

  private mutating func flush() throws(IndexError) {
    guard !pending.isEmpty else { return }
    try Self.withBytes(pending) { (bytes) throws(IndexError) in
      try steps.write(bytes, to: descriptor, at: pendingOffset, path: path)
    }
    pendingOffset += pending.count
    pending.removeAll(keepingCapacity: true)
  }

  private static func withBytes(
    _ bytes: [UInt8], _ body: (UnsafeRawBufferPointer) throws(IndexError) -> Void
  ) throws(IndexError) {
    let result = bytes.withUnsafeBytes { buffer in Result { () throws(IndexError) in try body(buffer) } }
    try result.get()
  }
}
