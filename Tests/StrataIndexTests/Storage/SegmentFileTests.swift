// Tests that columns survive a file, that damage never does, and that a file is whole or not there.
import CStrataKernels
import Foundation
import StrataIndex
import Synchronization
import Testing

/// A folder that goes when the test ends.
final class IndexFolder: Sendable {
  let path: String

  init() throws {
    path = NSTemporaryDirectory() + "/strata-index-" + UUID().uuidString
    try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
  }

  deinit { try? FileManager.default.removeItem(atPath: path) }

  var files: [String] { ((try? FileManager.default.contentsOfDirectory(atPath: path)) ?? []).sorted() }
}

@Suite("Segment file")
struct SegmentFileTests {
  private func write(to path: String, steps: FileSteps = .real) throws {
    var writer = try SegmentWriter(path: path, steps: steps)
    writer.add("numbers", [1, 2, 3] as [UInt32])
    writer.add("empty", [] as [Float])
    writer.add("rows", Column<Float>((0..<1000).map { Float($0) / 3 }))
    writer.add("name, with a comma", Array("text".utf8))
    try writer.finish()
  }

  @Test("What was written is read, aligned and without copying")
  func roundTrip() throws {
    let folder = try IndexFolder()
    let path = folder.path + "/a.segment"
    try write(to: path)
    #expect(folder.files == ["a.segment"])
    let file = try SegmentFile(path: path)
    #expect(file.names == ["empty", "name, with a comma", "numbers", "rows"])
    let rows = try file.column("rows", of: Float.self)
    #expect(Array(rows) == (0..<1000).map { Float($0) / 3 })
    #expect(Int(bitPattern: rows.buffer.baseAddress) % 64 == 0)
    #expect(Array(try file.column("numbers", of: UInt32.self)) == [1, 2, 3])
    #expect(try file.column("empty", of: Float.self).isEmpty)
    #expect(throws: IndexError.self) { try file.column("numbers", of: UInt64.self) }
    #expect(throws: IndexError.self) { try file.column("absent", of: UInt64.self) }
    try file.verify()
    try FileManager.default.removeItem(atPath: path)
    #expect(rows[999] == 333)
  }

  @Test("Any changed, missing or additional byte is an error, never a trap")
  func damage() throws {
    let folder = try IndexFolder()
    let path = folder.path + "/a.segment"
    try write(to: path)
    let bytes = [UInt8](try Data(contentsOf: URL(fileURLWithPath: path)))
    func isWhole(_ bytes: [UInt8]) -> Bool {
      do throws(IndexError) {
        let file = try SegmentFile(copying: bytes)
        try file.verify()
        return try file.column("rows", of: Float.self).count == 1000
      } catch {
        return false
      }
    }
    #expect(isWhole(bytes))
    // Padding between sections may hold anything.
    var padding = 0
    for index in bytes.indices {
      var damaged = bytes
      damaged[index] ^= 0x10
      if isWhole(damaged) { padding += 1 }
    }
    #expect(padding < 300)
    for count in stride(from: 0, to: bytes.count, by: 17) { #expect(!isWhole(Array(bytes.prefix(count)))) }
    #expect(!isWhole(bytes + [0]))
  }

  @Test("A table that lies about offsets, though its checksums are right, is refused")
  func lies() throws {
    let folder = try IndexFolder()
    let path = folder.path + "/a.segment"
    try write(to: path)
    let bytes = [UInt8](try Data(contentsOf: URL(fileURLWithPath: path)))
    var generator = SeededGenerator(state: 7)
    let table = bytes[16..<24].reversed().reduce(0) { $0 << 8 | Int($1) }
    for _ in 0..<3000 {
      var forged = bytes
      let place = Int.random(in: table..<bytes.count, using: &generator)
      for offset in 0..<Int.random(in: 1...8, using: &generator) where place + offset < bytes.count {
        forged[place + offset] = UInt8.random(in: 0...255, using: &generator)
      }
      forged.withUnsafeMutableBytes { raw in
        let sum = strata_crc32c(0, raw.baseAddress.map { $0 + table }, bytes.count - table)
        raw.storeBytes(of: sum, toByteOffset: 40, as: UInt32.self)
        raw.storeBytes(of: strata_crc32c(0, raw.baseAddress, 60), toByteOffset: 60, as: UInt32.self)
      }
      // Either an error, or columns that lie inside the file.
      if let file = try? SegmentFile(copying: forged) {
        for name in file.names {
          if let column = try? file.column(name, of: UInt8.self, isVerified: false) {
            #expect(column.count < bytes.count)
          }
        }
      }
    }
  }

  @Test("Dying before any step leaves the old file or the new one")
  func death() throws {
    var survived = false
    var stepCount = 0
    while !survived {
      let folder = try IndexFolder()
      let path = folder.path + "/a.segment"
      var writer = try SegmentWriter(path: path)
      writer.add("numbers", [9] as [UInt32])
      try writer.finish()
      let left = Mutex(stepCount)
      let steps = FileSteps { (_, path) throws(IndexError) in
        let isDead = left.withLock { left in
          left -= 1
          return left < 0
        }
        if isDead { throw IndexError.corrupted("the test ended the process", path: path) }
      }
      do {
        try write(to: path, steps: steps)
        survived = true
      } catch {}
      let file = try SegmentFile(path: path)
      try file.verify()
      let numbers = Array(try file.column("numbers", of: UInt32.self))
      #expect(numbers == [9] || numbers == [1, 2, 3] && file.contains("rows"))
      #expect(!survived || numbers == [1, 2, 3])
      stepCount += 1
    }
    #expect(stepCount > 5)
  }

  @Test("A writer that is given up leaves nothing; a name used twice is refused")
  func abandoned() throws {
    let folder = try IndexFolder()
    do {
      var writer = try SegmentWriter(path: folder.path + "/a.segment")
      writer.add("numbers", [1] as [UInt32])
    }
    #expect(folder.files.isEmpty)
    var writer = try SegmentWriter(path: folder.path + "/a.segment")
    writer.add("numbers", [1] as [UInt32])
    writer.add("numbers", [2] as [UInt32])
    do {
      try writer.finish()
      Issue.record("finished")
    } catch {
      #expect(error.code.name == "index_corrupted")
    }
    #expect(folder.files.isEmpty)
    #expect(throws: IndexError.self) { try SegmentFile(path: folder.path + "/absent") }
    #expect(throws: IndexError.self) { try SegmentFile(path: folder.path) }
  }

  @Test("CRC-32C of the examples of RFC 3720, by instruction and by table")
  func checksums() {
    // RFC 3720, appendix B.4.
    let examples: [([UInt8], UInt32)] = [
      ([UInt8](repeating: 0, count: 32), 0x8a91_36aa), ([UInt8](repeating: 0xff, count: 32), 0x62a8_ab43),
      (Array(0..<32), 0x46dd_794e), ((0..<32).reversed(), 0x113f_db5c), (Array("123456789".utf8), 0xe306_9283),
    ]
    let best = strata_isa_current()
    for isa in [STRATA_ISA_PORTABLE, best] {
      #expect(strata_isa_use(isa))
      for (bytes, sum) in examples {
        #expect(strata_crc32c(0, bytes, bytes.count) == sum)
        #expect(strata_crc32c(strata_crc32c(0, bytes, 5), Array(bytes[5...]), bytes.count - 5) == sum)
      }
    }
  }
}
