// Owns changing numbers in the one segment file of an index folder, under right checksums.
import Foundation
import StrataIndex

struct SegmentForgery {
  /// A section of a segment file, with the size of its elements.
  private struct Section {
    var name: String
    var stride: Int
    var bytes: [UInt8]
  }

  private let folder: String
  private let path: String
  private let checksum: UInt32
  private let whole: [Section]
  private let manifest: [Section]

  init(folder: String) throws {
    self.folder = folder
    let names = try FileManager.default.contentsOfDirectory(atPath: folder)
    path = names.first { $0.hasPrefix("segment-") }.map { folder + "/" + $0 } ?? folder + "/segment-0"
    whole = try Self.sections(of: path)
    manifest = try Self.sections(of: folder + "/MANIFEST")
    checksum = try SegmentFile(path: path).checksum
  }

  /// Gives one to three bytes in sections that begin with `prefix` other values.
  func damage(_ prefix: String, _ random: inout SeededGenerator) throws {
    var damaged = whole
    let sections = damaged.indices.filter { damaged[$0].name.hasPrefix(prefix) && !damaged[$0].bytes.isEmpty }
    for _ in 0..<Int.random(in: 1...3, using: &random) {
      guard let section = sections.randomElement(using: &random) else { continue }
      let place = Int.random(in: 0..<damaged[section].bytes.count, using: &random)
      damaged[section].bytes[place] = UInt8.random(in: 0...255, using: &random)
    }
    try write(damaged)
  }

  func restore() throws { try write(whole) }

  private func write(_ sections: [Section]) throws {
    let new = try Self.write(sections, to: path)
    var summary = manifest
    for index in summary.indices where summary[index].name == "manifest" {
      let text = String(decoding: summary[index].bytes, as: UTF8.self)
      summary[index].bytes = Array(
        text.replacing("\"checksum\":\(checksum)", with: "\"checksum\":\(new.checksum)").utf8)
    }
    _ = try Self.write(summary, to: folder + "/MANIFEST")
  }

  private static func sections(of path: String) throws -> [Section] {
    let file = try SegmentFile(path: path)
    func read<E: BitwiseCopyable & Sendable>(_ name: String, _ type: E.Type) -> [UInt8]? {
      (try? file.column(name, of: type)).map { column in
        column.withUnsafeBufferPointer { Array(UnsafeRawBufferPointer($0)) }
      }
    }
    return file.names.compactMap { name in
      if let bytes = read(name, UInt8.self) { return Section(name: name, stride: 1, bytes: bytes) }
      if let bytes = read(name, UInt16.self) { return Section(name: name, stride: 2, bytes: bytes) }
      if let bytes = read(name, UInt32.self) { return Section(name: name, stride: 4, bytes: bytes) }
      return read(name, UInt64.self).map { Section(name: name, stride: 8, bytes: $0) }
    }
  }

  private static func write(_ sections: [Section], to path: String) throws -> SegmentWriter.Receipt {
    var writer = try SegmentWriter(path: path)
    for section in sections {
      section.bytes.withUnsafeBytes { bytes in
        switch section.stride {
        case 1: writer.add(section.name, bytes.bindMemory(to: UInt8.self))
        case 2: writer.add(section.name, bytes.bindMemory(to: UInt16.self))
        case 4: writer.add(section.name, bytes.bindMemory(to: UInt32.self))
        default: writer.add(section.name, bytes.bindMemory(to: UInt64.self))
        }
      }
    }
    return try writer.finish()
  }
}
