// Owns the alphabet in which byte-level vocabularies write bytes.

/// GPT-2's way of writing bytes as characters: printable ones as themselves, others from U+0100 on.
struct ByteAlphabet {
  /// Byte of each scalar up to U+0143; 0xFFFF where the alphabet has none.
  private let bytes: [UInt16]

  init() {
    var bytes = [UInt16](repeating: 0xFFFF, count: 0x144)
    var next = 0x100
    for byte in 0...255 {
      switch byte {
      case 0x21...0x7E, 0xA1...0xAC, 0xAE...0xFF: bytes[byte] = UInt16(byte)
      default:
        bytes[next] = UInt16(byte)
        next += 1
      }
    }
    self.bytes = bytes
  }

  /// Appends the bytes that `text` writes; false when it has a scalar outside the alphabet.
  func decode(_ text: UnsafeBufferPointer<UInt8>, into output: inout [UInt8]) -> Bool {
    var index = 0
    while index < text.count {
      let (scalar, next) = ScalarReader.scalar(in: text, at: index, text.count)
      guard scalar.value < 0x144, bytes[Int(scalar.value)] != 0xFFFF else { return false }
      output.append(UInt8(truncatingIfNeeded: bytes[Int(scalar.value)]))
      index = next
    }
    return true
  }
}
