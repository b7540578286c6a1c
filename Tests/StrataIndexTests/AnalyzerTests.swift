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
      ("日本語 テスト です 한국어", ["日", "本", "語", "テスト", "で", "す", "한국어"]),
      ("Привет МИР αβγ ΣΊΣΥΦΟΣ", ["привет", "мир", "αβγ", "σίσυφοσ"]),
      ("TNF-α β2 µm ＡＢＣ１２", ["tnf", "α", "β2", "μm", "abc12"]),
      ("हिन्दी भाषा", ["हिन्दी", "भाषा"]),
      ("👩‍👩‍👧 ok 🇩🇪", ["ok"]),
      ("", []), (" \n\t", []), ("'", []), ("a'", ["a"]), ("'tis", ["tis"]), ("soft\u{AD}hyphen", ["softhyphen"]),
    ])
  func words(text: String, expected: [String]) {
    #expect(Analyzer.plain.terms(text) == expected)
  }

  @Test("Stop words go, other words are stemmed")
  func english() {
    #expect(Analyzer.english.terms("The cats are running into universities") == ["cat", "run", "universiti"])
    #expect(Analyzer.english.terms("to be or not to be").isEmpty)
  }

  @Test("A very long word is cut, not stored whole")
  func longWord() {
    let terms = Analyzer.plain.terms(
      String(repeating: "a", count: 100_000) + " b " + String(repeating: "é", count: 9000))
    #expect(terms.count == 3 && terms.allSatisfy { $0.utf8.count <= 255 })
  }

  @Test("Stems equal the reference implementation's on words that meet every rule")
  func stems() {
    let stemming = Analyzer(stopWords: [], stems: true)
    var wrong: [String] = []
    for pair in StemmerVectors.pairs.split(whereSeparator: { $0 == "," || $0 == "\n" }) {
      let parts = pair.split(separator: " ").map(String.init)
      guard parts.count == 2 else { continue }
      // The analyzer takes quotes and possessives off itself, and x-ray is two words.
      if parts[0].contains("'") || parts[0].contains("-") { continue }
      let stem = stemming.terms(parts[0])
      if stem != [parts[1]] { wrong.append("\(parts[0]) → \(stem), not \(parts[1])") }
    }
    #expect(wrong.isEmpty)
  }

  @Test(
    "Stems of a whole vocabulary equal the reference implementation's", .tags(.slow, .golden),
    .enabled(if: ProcessInfo.processInfo.environment["STRATA_STEMS"] != nil, "no STRATA_STEMS"))
  func vocabulary() throws {
    let path = ProcessInfo.processInfo.environment["STRATA_STEMS"] ?? ""
    let stemming = Analyzer(stopWords: [], stems: true)
    var (count, wrong) = (0, [String]())
    for line in try String(contentsOfFile: path, encoding: .utf8).split(separator: "\n") {
      let parts = line.split(separator: "\t").map(String.init)
      guard parts.count == 2, !parts[0].contains("'") else { continue }
      count += 1
      let stem = stemming.terms(parts[0])
      if stem != [parts[1]] { wrong.append("\(parts[0]) → \(stem), not \(parts[1])") }
    }
    print("\(count) words, \(wrong.count) stems differ")
    #expect(wrong.isEmpty)
  }
}
