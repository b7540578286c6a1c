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
}
