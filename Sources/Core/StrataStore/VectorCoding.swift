// Owns how numbers are written into blobs: little-endian, whatever the machine.
import Foundation

enum VectorCoding {
  /// Four bytes per component.
  static func data(_ vector: [Float]) -> Data {
    vector.map(\.bitPattern.littleEndian).withUnsafeBytes { Data($0) }
  }

  /// Bytes after the last whole component are left out.
  static func vector(_ data: Data) -> [Float] {
    data.withUnsafeBytes { bytes in
      (0..<(bytes.count / 4)).map { index in
        Float(bitPattern: UInt32(littleEndian: bytes.loadUnaligned(fromByteOffset: 4 * index, as: UInt32.self)))
      }
    }
  }

  static func data(_ ids: [Int64]) -> Data { ids.map(\.littleEndian).withUnsafeBytes { Data($0) } }

  static func ids(_ data: Data) -> [Int64] {
    data.withUnsafeBytes { bytes in
      (0..<(bytes.count / 8)).map { index in
        Int64(littleEndian: bytes.loadUnaligned(fromByteOffset: 8 * index, as: Int64.self))
      }
    }
  }

  /// FNV-1a. Equal vectors meet under it; that two different ones do costs no more than a cache entry.
  static func hash(_ data: Data) -> Int64 {
    data.withUnsafeBytes { bytes in
      var hash: UInt64 = 0xcbf2_9ce4_8422_2325
      for byte in bytes { hash = (hash ^ UInt64(byte)) &* 0x0000_0100_0000_01b3 }
      return Int64(bitPattern: hash)
    }
  }
}
