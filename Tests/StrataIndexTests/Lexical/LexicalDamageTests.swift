// Tests that numbers in a segment file that contradict each other, under right checksums, never trap.
import Foundation
import StrataCore
import StrataIndex
import Testing

@Suite("Lexical damage")
struct LexicalDamageTests {
  /// The sections of a segment file in an order of their own, with the size of their elements.
  private struct Section {
    var name: String
    var stride: Int
    var bytes: [UInt8]
  }

  private func sections(of path: String) throws -> [Section] {
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

  private func write(_ sections: [Section], to path: String) throws -> SegmentWriter.Receipt {
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

  @Test("Searching, removing and merging a segment with false numbers ends in an error or in results")
  func falseNumbers() throws {
    let folder = FileManager.default.temporaryDirectory.appending(path: "damage-\(UUID().uuidString)").path
    defer { try? FileManager.default.removeItem(atPath: folder) }
    var content = RandomContent(seed: 77)
    let entries = (0..<300).map { number in
      IndexEntry(
        id: Int64(number), document: "d", title: content.words(0...3), body: content.words(1...40), readers: [.everyone]
      )
    }
    do {
      let index = try HybridIndex.open(folder: folder, dimension: nil)
      try index.apply(adding: entries)
      try index.flush()
    }
    let path = folder + "/segment-0"
    let names = try FileManager.default.contentsOfDirectory(atPath: folder)
    let segmentPath = names.first { $0.hasPrefix("segment-") }.map { folder + "/" + $0 } ?? path
    let whole = try sections(of: segmentPath)
    let manifest = try sections(of: folder + "/MANIFEST")
    let receipt = try SegmentFile(path: segmentPath).checksum
    var refused = 0
    for _ in 0..<100 {
      var damaged = whole
      let lexical = damaged.indices.filter { damaged[$0].name.hasPrefix("lexical.") && !damaged[$0].bytes.isEmpty }
      for _ in 0..<Int.random(in: 1...3, using: &content.random) {
        guard let section = lexical.randomElement(using: &content.random) else { continue }
        let place = Int.random(in: 0..<damaged[section].bytes.count, using: &content.random)
        damaged[section].bytes[place] = UInt8.random(in: 0...255, using: &content.random)
      }
      let new = try write(damaged, to: segmentPath)
      var summary = manifest
      for index in summary.indices where summary[index].name == "manifest" {
        let text = String(decoding: summary[index].bytes, as: UTF8.self)
        summary[index].bytes = Array(
          text.replacing("\"checksum\":\(receipt)", with: "\"checksum\":\(new.checksum)").utf8)
      }
      _ = try write(summary, to: folder + "/MANIFEST")
      guard let index = try? HybridIndex.open(folder: folder, dimension: nil) else {
        refused += 1
        continue
      }
      let snapshot = index.snapshot()
      let readable = snapshot.readable(by: .anonymous)
      for _ in 0..<4 {
        let found = snapshot.lexical(content.words(1...5), limit: 10, within: readable)
        #expect(found.allSatisfy { (0..<300).contains($0.id) })
        let query = LexicalQuery(clauses: [content.clause(), content.clause()])
        for chunk in snapshot.lexical(query, limit: 10, within: readable) {
          _ = snapshot.explain(query, chunk: chunk.id, within: readable)
        }
      }
    }
    // Some damage is found when the index is opened; some only changes results.
    #expect(refused > 5 && refused < 98)
  }
}
