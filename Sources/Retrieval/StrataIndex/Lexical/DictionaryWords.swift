// Owns word boundaries in scripts that do not write them, by ICU. Knows nothing about other scripts.
import CICU

/// Finds words in runs of Chinese, Japanese, Thai, Lao, Khmer and Burmese with ICU's dictionaries. For one thread at a
/// time; making one costs some microseconds, so it is made when such a run is met.
final class DictionaryWords {
  private let words: OpaquePointer

  init?() {
    guard let words = strata_icu_words_create() else { return nil }
    self.words = words
  }

  deinit { strata_icu_words_destroy(words) }

  /// Calls `body` with the byte range of each word of `bytes`.
  ///
  /// - Returns: false, having found nothing, when ICU refuses the text.
  func forEachWord(in bytes: UnsafeBufferPointer<UInt8>, _ body: (Range<Int>) -> Void) -> Bool {
    guard let base = bytes.baseAddress, strata_icu_words_begin(words, base, Int64(bytes.count)) == 0 else {
      return false
    }
    var start = 0
    var status: Int32 = 0
    while true {
      let end = Int(strata_icu_words_next(words, &status))
      guard end > start, end <= bytes.count else { return true }
      if status >= 100 { body(start..<end) }
      start = end
    }
  }

  /// Whether words of the character's script are in ICU's dictionaries.
  static func has(_ scalar: UInt32) -> Bool {
    switch scalar {
    case 0x0E00...0x0EFF, 0x1000...0x109F, 0x1780...0x17FF, 0x19E0...0x19FF, 0xA9E0...0xA9FF, 0xAA60...0xAA7F: true
    case 0x2E80...0x2FDF, 0x3005...0x3007, 0x3021...0x3029, 0x3031...0x3035, 0x3038...0x303C, 0x3041...0x30FF: true
    case 0x31F0...0x31FF, 0x3400...0x4DBF, 0x4E00...0x9FFF, 0xF900...0xFAFF, 0xFF66...0xFF9F: true
    case 0x1B000...0x1B16F, 0x20000...0x3FFFF: true
    default: false
    }
  }
}
