// Tests words, folding, stop words and stems.
import Foundation
import StrataIndex
import Testing

@Suite("Analyzer")
struct AnalyzerTests {
  @Test(
    "Words end where Unicode says, lower-case and folded",
    arguments: [
      ("Hello, World!", ["hello", "world"]),
      ("don't stop 3.14 1,000 a.b x_y _ __", ["don't", "stop", "3.14", "1,000", "a.b", "x_y"]),
      (
        "state-of-the-art 10/2 C++ node.js end. 5.",
        ["state", "of", "the", "art", "10", "2", "c", "node.js", "end", "5"]
      ),
      (
        "Crème BRÛLÉE naïve Ångström straße ﬁne Łódź œuvre",
        [
          "creme", "brulee", "naive", "angstrom", "strasse", "fine", "lodz", "oeuvre",
        ]
      ),
      ("e\u{301}te\u{301} = été", ["ete", "ete"]),
      ("John’s dog's O’Reilly", ["john", "dog", "o'reilly"]),
      ("日本語 テスト です 한국어", ["日本語", "テスト", "です", "한국어"]),
      ("Привет МИР αβγ ΣΊΣΥΦΟΣ", ["привет", "мир", "αβγ", "σίσυφοσ"]),
      ("TNF-α β2 µm ＡＢＣ１２", ["tnf", "α", "β2", "μm", "abc12"]),
      ("हिन्दी भाषा", ["हिन्दी", "भाषा"]),
      ("צה\"ל \"אב\"", ["צה\"ל", "אב"]),
      ("👩‍👩‍👧 ok 🇩🇪", ["ok"]),
      ("", []), (" \n\t", []), ("'", []), ("a'", ["a"]), ("'tis", ["tis"]), ("soft\u{AD}hyphen", ["softhyphen"]),
    ])
  func words(text: String, expected: [String]) {
    #expect(Analyzer.plain.terms(text) == expected)
  }

  @Test("Stop words go, other words are stemmed")
  func english() {
    #expect(Analyzer.english.terms("The cats are running into universities") == ["cat", "run", "univers"])
    #expect(Analyzer.english.terms("to be or not to be").isEmpty)
  }

  @Test("A very long word is cut, not stored whole")
  func longWord() {
    let terms = Analyzer.plain.terms(
      String(repeating: "a", count: 100_000) + " b " + String(repeating: "é", count: 9000))
    #expect(terms.count == 3 && terms.allSatisfy { $0.utf8.count <= 255 })
  }

  @Test(
    "A language's endings, elisions and accents go",
    arguments: [
      (Language.french, "L'avion des écoles, qu'elle aimait", ["avion", "de", "ecol", "elle", "aim"]),
      (.german, "Die Häuser der STRASSE und Straßen", ["die", "haus", "der", "strass", "und", "strass"]),
      (.italian, "dell'acqua nell’isola", ["acqua", "isol"]),
      (.spanish, "Las canciones rápidas", ["las", "cancion", "rap"]),
      (.russian, "Красивые города", ["красив", "город"]),
      (.turkish, "kitaplar İstanbul'da", ["kitap", "istanbul"]),
      (.greek, "Ο ΣΙΣΥΦΟΣ και ο Σίσυφος", ["ο", "σισυφ", "κα", "ο", "σισυφ"]),
    ])
  func languages(language: Language, text: String, expected: [String]) {
    #expect(Analyzer(language: language).terms(text) == expected)
  }

  @Test(
    "Scripts without spaces are divided by ICU's dictionaries",
    arguments: [
      ("東京 日本語", ["東京", "日本語"]),
      ("ภาษาไทย สวัสดีครับ", ["ภาษา", "ไทย", "สวัสดี", "ครับ"]),
      ("北京大学 2024年", ["北京", "大学", "2024", "年"]),
    ])
  func dictionaries(text: String, expected: [String]) {
    #expect(Analyzer.plain.terms(text) == expected)
  }

  @Test("Tags name languages")
  func tags() {
    #expect(
      Language(tag: "pt-BR") == .portuguese && Language(tag: "EN") == .english && Language(tag: "no") == .norwegian)
    #expect(Language(tag: "german") == .german && Language(tag: "xx") == nil && Language(tag: "") == nil)
  }
}

@Suite("Stemmer")
struct StemmerTests {
  @Test("Stems of each language equal the reference implementation's")
  func sample() {
    var wrong: [String] = []
    for line in StemmerVectors.lines.split(separator: "\n") {
      let words = line.split(separator: " ").map(String.init)
      guard let stemmer = Language(rawValue: words[0]).flatMap(Stemmer.init) else {
        wrong.append(words[0])
        continue
      }
      for index in stride(from: 1, to: words.count - 1, by: 2) where stemmer.stem(words[index]) != words[index + 1] {
        wrong.append("\(words[0]): \(words[index]) → \(stemmer.stem(words[index])), not \(words[index + 1])")
      }
    }
    #expect(wrong.isEmpty)
  }

  @Test(
    "Stems of whole vocabularies equal the reference implementation's", .tags(.slow, .golden),
    .enabled(if: ProcessInfo.processInfo.environment["STRATA_STEMS"] != nil, "no STRATA_STEMS"))
  func vocabulary() throws {
    let path = ProcessInfo.processInfo.environment["STRATA_STEMS"] ?? ""
    var stemmers: [Substring: Stemmer] = [:]
    var (count, wrong) = (0, [String]())
    for line in try String(contentsOfFile: path, encoding: .utf8).split(separator: "\n") {
      let parts = line.split(separator: "\t")
      guard parts.count == 3 else { continue }
      if stemmers[parts[0]] == nil { stemmers[parts[0]] = Language(rawValue: String(parts[0])).flatMap(Stemmer.init) }
      count += 1
      if stemmers[parts[0]]?.stem(String(parts[1])) != String(parts[2]) { wrong.append(String(line)) }
    }
    print("\(count) words, \(wrong.count) stems differ")
    #expect(wrong.isEmpty)
  }

  @Test(
    "Words are those of Unicode's own cases", .tags(.slow, .golden),
    .enabled(if: ProcessInfo.processInfo.environment["STRATA_WORD_BREAKS"] != nil, "no STRATA_WORD_BREAKS"))
  func wordBreaks() throws {
    // WordBreakTest.txt of the Unicode Character Database (Debian: unicode-data).
    let path = ProcessInfo.processInfo.environment["STRATA_WORD_BREAKS"] ?? ""
    var (count, wrong) = (0, [String]())
    for line in try String(contentsOfFile: path, encoding: .utf8).split(separator: "\n") {
      let codes = line.prefix { $0 != "#" }.split(separator: " ").map { $0.trimmingCharacters(in: .whitespaces) }
      guard codes.first == "÷" else { continue }
      var segments: [String] = []
      for code in codes {
        if code == "÷" {
          segments.append("")
        } else if code != "×", var value = UInt32(code, radix: 16) {
          // The colon does not join words here, as other characters of its class do.
          if value == 0x3A { value = 0xB7 }
          if let scalar = Unicode.Scalar(value) { segments[segments.count - 1].unicodeScalars.append(scalar) }
        }
      }
      // Nor does `_` join Japanese to what stands before and after.
      guard !codes.contains("3031") || !codes.contains("005F") else { continue }
      count += 1
      let parts = segments.map(Analyzer.plain.terms)
      if Analyzer.plain.terms(segments.joined()) != parts.flatMap({ $0 }) || parts.contains(where: { $0.count > 1 }) {
        wrong.append("\(line) \(Analyzer.plain.terms(segments.joined()))")
      }
    }
    print("\(count) texts, \(wrong.count) are divided otherwise")
    for line in wrong { print(line) }
    #expect(count > 1000 && wrong.isEmpty)
  }
}
