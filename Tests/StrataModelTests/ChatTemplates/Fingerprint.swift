// Owns the short hash by which golden files refer to texts that they do not hold.

enum Fingerprint {
  /// FNV-1a, 64 bits, in hexadecimal.
  static func fnv1a(_ text: String) -> String {
    var value: UInt64 = 0xcbf2_9ce4_8422_2325
    for byte in text.utf8 { value = (value ^ UInt64(byte)) &* 0x100_0000_01b3 }
    let digits = String(value, radix: 16)
    return String(repeating: "0", count: 16 - digits.count) + digits
  }
}
