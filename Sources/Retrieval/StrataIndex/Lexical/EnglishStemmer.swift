// Owns English stemming. Knows nothing about where words come from; takes lower-case ASCII.

/// The Snowball English stemmer (Porter2), as https://snowballstem.org/algorithms/english/stemmer.html describes it,
/// with the over-stemming exceptions of Snowball 3.1.
struct EnglishStemmer {
  /// The word while it is being cut. A consonantal y is upper-case in here.
  private var word: [UInt8]
  private var r1 = 0
  private var r2 = 0

  /// Replaces `word`, which must be lower-case, by its stem.
  static func stem(_ word: inout [UInt8]) {
    guard word.count > 2 else { return }
    for (form, replacement) in wholeWords where word.elementsEqual(form.utf8) {
      word = Array(replacement.utf8)
      return
    }
    var stemmer = EnglishStemmer(word: [])
    swap(&stemmer.word, &word)
    stemmer.run()
    swap(&stemmer.word, &word)
  }

  private mutating func run() {
    if word[0] == UInt8(ascii: "'") { word.removeFirst() }
    markConsonantalY()
    markRegions()
    removeApostrophe()
    step1a()
    step1b()
    step1c()
    replaceLongest(Self.step2, from: r1) { stemmer, suffix, _ in
      let before = stemmer.word.count - suffix.utf8.count - 1
      switch suffix {
      case "ogi": return before >= 0 && stemmer.word[before] == UInt8(ascii: "l")
      case "li": return before >= 0 && Self.validLI.contains(stemmer.word[before])
      default: return true
      }
    }
    replaceLongest(Self.step3, from: r1) { stemmer, suffix, start in suffix != "ative" || start >= stemmer.r2 }
    replaceLongest(Self.step4, from: r2) { stemmer, suffix, start in
      suffix != "ion" || start > 0 && (stemmer.word[start - 1] == 0x73 || stemmer.word[start - 1] == 0x74)
    }
    step5()
    for index in word.indices where word[index] == UInt8(ascii: "Y") { word[index] = UInt8(ascii: "y") }
  }

  // MARK: Regions

  private mutating func markConsonantalY() {
    for index in word.indices where word[index] == UInt8(ascii: "y") {
      if index == 0 || Self.isVowel(word[index - 1]) { word[index] = UInt8(ascii: "Y") }
    }
  }

  private mutating func markRegions() {
    r1 = Self.r1Prefixes.first { word.starts(with: $0.utf8) }?.utf8.count ?? region(after: 0)
    r2 = region(after: r1)
  }

  /// Where the text after the first non-vowel that follows a vowel begins, looking from `start` on.
  private func region(after start: Int) -> Int {
    var index = start
    while index < word.count, !Self.isVowel(word[index]) { index += 1 }
    while index < word.count, Self.isVowel(word[index]) { index += 1 }
    return min(index + 1, word.count)
  }

  // MARK: Steps

  private mutating func removeApostrophe() {
    for suffix in ["'s'", "'s", "'"] where ends(suffix) {
      drop(suffix.utf8.count)
      return
    }
  }

  private mutating func step1a() {
    if ends("sses") {
      drop(2)
    } else if ends("ied") || ends("ies") {
      drop(word.count > 4 ? 2 : 1)
    } else if ends("us") || ends("ss") {
      return
    } else if ends("s"), word.count > 2, hasVowel(before: word.count - 2) {
      drop(1)
    }
  }

  private mutating func step1b() {
    if let suffix = ["eedly", "eed"].first(where: ends) {
      let start = word.count - suffix.utf8.count
      guard start >= r1, !Self.eedExceptions.contains(where: { word[..<start].elementsEqual($0.utf8) }) else { return }
      word.removeSubrange((start + 2)...)
      return
    }
    guard let suffix = ["ingly", "edly", "ing", "ed"].first(where: ends) else { return }
    let start = word.count - suffix.utf8.count
    if suffix == "ing" {
      if start == 2, word[1] == UInt8(ascii: "y"), !Self.isVowel(word[0]) {
        word.replaceSubrange(1..., with: "ie".utf8)
        return
      }
      if Self.ingExceptions.contains(where: { word[..<start].elementsEqual($0.utf8) }) { return }
    }
    guard hasVowel(before: start) else { return }
    word.removeSubrange(start...)
    if ends("at") || ends("bl") || ends("iz") {
      word.append(UInt8(ascii: "e"))
    } else if endsInDouble {
      let kept = word.count == 3 && [UInt8(ascii: "a"), UInt8(ascii: "e"), UInt8(ascii: "o")].contains(word[0])
      if !kept { drop(1) }
    } else if r1 >= word.count, endsInShortSyllable(word.count) {
      word.append(UInt8(ascii: "e"))
    }
  }

  private mutating func step1c() {
    guard word.count > 2, let last = word.last, last | 0x20 == UInt8(ascii: "y"),
      !Self.isVowel(word[word.count - 2])
    else { return }
    word[word.count - 1] = UInt8(ascii: "i")
  }

  private mutating func step5() {
    if ends("e") {
      let start = word.count - 1
      if start >= r2 || start >= r1 && !endsInShortSyllable(start) { drop(1) }
    } else if ends("ll"), word.count - 1 >= r2 {
      drop(1)
    }
  }

  /// Finds the longest of the suffixes and replaces it when it begins at `region` or later and `condition` holds.
  private mutating func replaceLongest(
    _ rules: [(suffix: String, replacement: String)], from region: Int,
    _ condition: (EnglishStemmer, _ suffix: String, _ start: Int) -> Bool
  ) {
    guard let rule = rules.first(where: { ends($0.suffix) }) else { return }
    let start = word.count - rule.suffix.utf8.count
    guard start >= region, condition(self, rule.suffix, start) else { return }
    word.replaceSubrange(start..., with: rule.replacement.utf8)
  }

  // MARK: Letters

  private func ends(_ suffix: String) -> Bool {
    let suffix = suffix.utf8
    return word.count >= suffix.count && word.suffix(suffix.count).elementsEqual(suffix)
  }

  private mutating func drop(_ count: Int) { word.removeLast(min(count, word.count)) }

  private func hasVowel(before end: Int) -> Bool { word[..<max(0, end)].contains(where: Self.isVowel) }

  private var endsInDouble: Bool {
    guard word.count > 1, let last = word.last, last == word[word.count - 2] else { return false }
    return Self.doubles.contains(last)
  }

  /// Whether the letters before `end` close with a short syllable.
  private func endsInShortSyllable(_ end: Int) -> Bool {
    if end == 2 { return Self.isVowel(word[0]) && !Self.isVowel(word[1]) }
    guard end > 2 else { return false }
    let (first, second, third) = (word[end - 3], word[end - 2], word[end - 1])
    if !Self.isVowel(first), Self.isVowel(second), !Self.isVowel(third), !Self.wxY.contains(third) { return true }
    return end >= 4 && word[(end - 4)..<end].elementsEqual("past".utf8)
  }

  private static func isVowel(_ letter: UInt8) -> Bool {
    switch letter {
    case 0x61, 0x65, 0x69, 0x6F, 0x75, 0x79: true
    default: false
    }
  }

  // MARK: Tables, longer suffixes before those that they end with

  private static let validLI = Set("cdeghkmnrt".utf8)
  private static let doubles = Set("bdfgmnprt".utf8)
  private static let wxY = Set("wxY".utf8)
  private static let r1Prefixes = [
    "gener", "commun", "arsen", "past", "univers", "later", "emerg", "organ", "inter",
  ]
  private static let eedExceptions = ["proc", "exc", "succ"]
  private static let ingExceptions = ["inn", "out", "cann", "herr", "earr", "even"]
  private static let wholeWords: [(String, String)] = [
    ("skies", "sky"), ("skis", "ski"), ("idly", "idl"), ("gently", "gentl"), ("ugly", "ugli"), ("early", "earli"),
    ("only", "onli"),
    ("singly", "singl"), ("sky", "sky"), ("news", "news"), ("howe", "howe"), ("atlas", "atlas"),
    ("cosmos", "cosmos"), ("bias", "bias"), ("andes", "andes"),
  ]
  private static let step2: [(suffix: String, replacement: String)] = [
    ("ational", "ate"), ("ization", "ize"), ("fulness", "ful"), ("ousness", "ous"), ("iveness", "ive"),
    ("tional", "tion"), ("biliti", "ble"), ("lessli", "less"), ("entli", "ent"), ("ation", "ate"), ("alism", "al"),
    ("aliti", "al"), ("ousli", "ous"), ("iviti", "ive"), ("fulli", "ful"), ("ogist", "og"), ("enci", "ence"),
    ("anci", "ance"), ("abli", "able"), ("izer", "ize"), ("ator", "ate"), ("alli", "al"), ("bli", "ble"),
    ("ogi", "og"), ("li", ""),
  ]
  private static let step3: [(suffix: String, replacement: String)] = [
    ("ational", "ate"), ("tional", "tion"), ("alize", "al"), ("icate", "ic"), ("iciti", "ic"), ("ative", ""),
    ("ical", "ic"), ("ness", ""), ("ful", ""),
  ]
  private static let step4: [(suffix: String, replacement: String)] = [
    ("ement", ""), ("ance", ""), ("ence", ""), ("able", ""), ("ible", ""), ("ment", ""), ("ant", ""), ("ent", ""),
    ("ism", ""), ("ate", ""), ("iti", ""), ("ous", ""), ("ive", ""), ("ize", ""), ("ion", ""), ("al", ""),
    ("er", ""), ("ic", ""),
  ]
}
