// Owns numbers that are written once from front to back, read for a while and then gone: in memory, or in a file without
// a name, so that they may be more than memory holds. Knows nothing about what they mean.
import Foundation

/// Where such numbers go.
package struct ScratchPlace: Sendable {
  /// Nil: memory.
  let folder: String?
  let steps: FileSteps

  package static let memory = ScratchPlace(folder: nil)

  package init(folder: String?) { self.init(folder: folder, steps: .real) }

  init(folder: String?, steps: FileSteps) {
    self.folder = folder
    self.steps = steps
  }
}

/// Writes `count` numbers piece by piece, to be read as a ``Column``.
final class ScratchWriter<Element: BitwiseCopyable & Sendable> {
  private let place: ScratchPlace
  private let path: String
  private let count: Int
  /// How many are there.
  private var written = 0
  private var descriptor: Int32 = -1
  private var memory: UnsafeMutableBufferPointer<Element>?

  /// - Throws: when no file can be made.
  init(_ count: Int, in place: ScratchPlace) throws(IndexError) {
    self.place = place
    self.count = count
    path = (place.folder ?? "") + "/" + UUID().uuidString + SegmentWriter.temporarySuffix
    guard place.folder != nil else {
      let bytes = UnsafeMutableRawBufferPointer.allocate(
        byteCount: count * MemoryLayout<Element>.stride, alignment: 64)
      memory = bytes.bindMemory(to: Element.self)
      return
    }
    // Without a name at once: whatever becomes of this process, the disk has its space back.
    descriptor = try place.steps.create(path)
    try place.steps.remove(path)
  }

  deinit {
    if descriptor >= 0 { close(descriptor) }
    memory?.deallocate()
  }

  /// - Precondition: in all no more than `count`.
  func append(_ values: UnsafeBufferPointer<Element>) throws(IndexError) {
    precondition(values.count <= count - written, "more than was said")
    if let memory {
      _ = UnsafeMutableBufferPointer(rebasing: memory[written..<(written + values.count)]).initialize(
        fromContentsOf: values)
    } else {
      try place.steps.write(
        UnsafeRawBufferPointer(values), to: descriptor, at: written * MemoryLayout<Element>.stride, path: path)
    }
    written += values.count
  }

  func append(_ values: [Element]) throws(IndexError) {
    let result = values.withUnsafeBufferPointer { values in
      Result { () throws(IndexError) in try append(values) }
    }
    try result.get()
  }

  /// What was written. Nothing can be appended after it.
  func finish() throws(IndexError) -> Column<Element> {
    if let memory {
      let kept = UnsafeMutableBufferPointer(rebasing: memory[0..<written])
      let column = Column(UnsafeBufferPointer(kept), in: OwnedMemory(UnsafeMutableRawBufferPointer(memory)))
      self.memory = nil
      return column
    }
    return try Column(
      mapping: descriptor, at: 0, byteCount: written * MemoryLayout<Element>.stride, path: path)
  }
}
