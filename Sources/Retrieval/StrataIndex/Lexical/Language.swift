// Owns which languages there is a stemmer for, and stemming by libstemmer (Snowball).
import CLibStemmer

/// A language with a Snowball stemmer (https://snowballstem.org). Raw values are Snowball's names.
public enum Language: String, Sendable, Hashable, CaseIterable, Codable {
  case arabic, armenian, basque, catalan, danish, dutch, english, finnish, french, german, greek, hindi, hungarian
  case indonesian, irish, italian, lithuanian, nepali, norwegian, portuguese, romanian, russian, serbian, spanish
  case swedish, tamil, turkish, yiddish

  /// The language of a BCP 47 tag such as `pt-BR`, or of an ISO 639 code; nil when there is no stemmer for it.
  public init?(tag: String) {
    let code = tag.lowercased().prefix { $0 != "-" && $0 != "_" }
    guard let language = Self.codes[String(code)] ?? Language(rawValue: String(code)) else { return nil }
    self = language
  }

  private static let codes: [String: Language] = [
    "ar": .arabic, "hy": .armenian, "eu": .basque, "ca": .catalan, "da": .danish, "nl": .dutch, "en": .english,
    "fi": .finnish, "fr": .french, "de": .german, "el": .greek, "hi": .hindi, "hu": .hungarian, "id": .indonesian,
    "ga": .irish, "it": .italian, "lt": .lithuanian, "ne": .nepali, "no": .norwegian, "nb": .norwegian,
    "nn": .norwegian, "pt": .portuguese, "ro": .romanian, "ru": .russian, "sr": .serbian, "es": .spanish,
    "sv": .swedish, "ta": .tamil, "tr": .turkish, "yi": .yiddish,
  ]

  /// Articles and pronouns that lean on the next word: `l'avion` is searched as `avion`.
  var elisions: Set<String> {
    switch self {
    case .french: ["l", "m", "t", "qu", "n", "s", "j", "d", "c", "jusqu", "quoiqu", "lorsqu", "puisqu"]
    case .italian:
      [
        "c", "l", "all", "dall", "dell", "nell", "sull", "coll", "pell", "gl", "agl", "dagl", "degl", "negl", "sugl",
        "un", "m", "t", "s", "v", "d",
      ]
    case .catalan: ["d", "l", "m", "n", "s", "t"]
    default: []
    }
  }
}

/// A stemmer of libstemmer, for one thread at a time.
package final class Stemmer {
  private let stemmer: OpaquePointer

  /// Nil when the installed libstemmer does not have the language.
  package init?(_ language: Language) {
    guard let stemmer = sb_stemmer_new(language.rawValue, nil) else { return nil }
    self.stemmer = stemmer
  }

  deinit { sb_stemmer_delete(stemmer) }

  /// The stem of a lower-case word.
  package func stem(_ word: String) -> String {
    var word = word
    return word.withUTF8 { withStem(of: $0) { String(decoding: $0, as: UTF8.self) } }
  }

  /// Calls `body` with the stem of a lower-case word in UTF-8.
  @inline(__always)
  func withStem<R>(of word: UnsafeBufferPointer<UInt8>, _ body: (UnsafeBufferPointer<UInt8>) -> R) -> R {
    guard let base = word.baseAddress, let stem = sb_stemmer_stem(stemmer, base, Int32(clamping: word.count)) else {
      return body(word)
    }
    return body(UnsafeBufferPointer(start: stem, count: Int(sb_stemmer_length(stemmer))))
  }
}
