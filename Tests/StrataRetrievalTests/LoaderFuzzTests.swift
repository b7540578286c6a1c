import Foundation
import StrataCore
import StrataRetrieval
import Testing

/// Mutated documents: a loader gives text whose blocks are in order and inside it, or an error of its own; it never traps.
@Suite("Loaders and broken files")
struct LoaderFuzzTests {
  private struct Random: RandomNumberGenerator {
    var state: UInt64
    mutating func next() -> UInt64 {
      state &+= 0x9E37_79B9_7F4A_7C15
      var z = state
      z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
      z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
      return z ^ (z >> 31)
    }
  }

  private static func mutated(_ bytes: [UInt8], _ random: inout Random) -> [UInt8] {
    var bytes = bytes
    for _ in 0..<Int.random(in: 1...6, using: &random) where !bytes.isEmpty {
      let at = Int.random(in: 0..<bytes.count, using: &random)
      switch Int.random(in: 0..<6, using: &random) {
      case 0: bytes[at] = UInt8.random(in: 0...255, using: &random)
      case 1: bytes.removeSubrange(at..<min(bytes.count, at + Int.random(in: 1...64, using: &random)))
      case 2:
        bytes.insert(
          contentsOf: bytes[at..<min(bytes.count, at + 200)], at: Int.random(in: 0...bytes.count, using: &random))
      case 3: bytes.removeLast(bytes.count - at)
      case 4: bytes[at] ^= 1 << UInt8.random(in: 0...7, using: &random)
      default:
        let noise: [[UInt8]] = [
          [0], [255, 254], Array("{".utf8), Array("\"".utf8), Array("999999999999999999999".utf8), Array("-1".utf8),
          Array("\n--b\n".utf8), Array("|".utf8), Array("<".utf8), [0xF0, 0x9F], Array("=?utf-8?Q?".utf8),
          Array("/*".utf8),
        ]
        bytes.insert(contentsOf: noise[Int.random(in: 0..<noise.count, using: &random)], at: at)
      }
    }
    return bytes
  }

  static func check(_ document: ParsedDocument) {
    let bytes = Array(document.canonicalText.utf8)
    var end = 0
    for block in document.blocks {
      #expect(block.range.lowerBound >= end && block.range.upperBound <= bytes.count && !block.range.isEmpty)
      #expect(String(validating: bytes[block.range], as: UTF8.self) != nil)
      end = block.range.upperBound
    }
  }

  private static let samples: [(name: String, bytes: [UInt8])] = {
    let golden = Fixtures.root + "/Tests/StrataRetrievalTests/Golden/"
    var samples: [(String, [UInt8])] = []
    for name in ["office.docx", "office.xlsx", "office.pptx"] {
      if let data = FileManager.default.contents(atPath: golden + name) { samples.append((name, Array(data))) }
    }
    let mail =
      "From: =?utf-8?Q?J=C3=B6rg?= <a@b>\r\nSubject: x\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\nHello\r\n> old\r\n"
      + "--b\r\nContent-Type: text/csv; name=\"a.csv\"\r\nContent-Transfer-Encoding: base64\r\n\r\nYSxiCjEsMgo=\r\n--b--\r\n"
    let code =
      "@a\npublic struct A<T> where T: B {\n  func f(_ x: Int = { 1 }()) -> String { \"}\\\"\" }\n  /* { */ enum K { case a }\n}\n"
    let python = "class A:\n  @x\n  def f(self, a=(1,\n 2)):\n    '''d\n    '''\n    return \"\\\"\"\ndef g(): pass\n"
    samples += [
      ("a.eml", Array(mail.utf8)), ("a.mbox", Array(("From a Mon\n" + mail + "\nFrom b Tue\n" + mail).utf8)),
      ("a.json", Array("{\"a\": [{\"b\": 1.5e3}, {\"c\": \"\\u00e9\\ud83d\\ude00\"}], \"d\": [[1, 2], [3]]}".utf8)),
      ("a.jsonl", Array("{\"a\": 1}\n{\"b\": [1, {\"c\": null}]}\n".utf8)), ("a.swift", Array(code.utf8)),
      ("a.js", Array("const f = (a) => { return /[{]/.test(`${a}`); };\nclass A { m() { 'x'; } }\n".utf8)),
      ("a.rs", Array("impl<'a> A<'a> { fn f(c: char) -> bool { c == '{' } }\n".utf8)),
      ("a.cpp", Array("#define X {\\\n }\nnamespace n { int A::f(int x) const { return '}'; } }\n".utf8)),
      ("a.go", Array("func (b *Box) Size() int { return len(`{`) }\n".utf8)), ("a.py", Array(python.utf8)),
      ("a.csv", Array("a;b\n\"x\n\"\"y\";2\n".utf8)),
      ("a.md", Array("# A\n\n| a | b |\n|---|---|\n| 1 | 2 |\n\n- x\n  - y\n".utf8)),
      ("a.html", Array("<h1>A</h1><table><tr><th>a<th>b<tr><td>1<td>2</table><pre>x</pre><blockquote>q".utf8)),
    ]
    return samples
  }()

  @Test("mutated files give text or an error", arguments: 0..<16)
  func mutations(seed: Int) async throws {
    guard seed < Self.samples.count else { return }
    let (name, bytes) = Self.samples[seed]
    Self.check(try await Fixtures.parse(bytes, name))
    var random = Random(state: UInt64(seed) &* 7919)
    for _ in 0..<250 {
      do {
        Self.check(try await Fixtures.parse(Self.mutated(bytes, &random), name))
      } catch {
        #expect(error is RetrievalError, "\(error)")
      }
    }
  }

  /// Each takes three processes, so there are few; poppler's own output is what the loader has to survive.
  @Test("mutated PDFs give text or an error")
  func pdf() async throws {
    let path = Fixtures.root + "/Tests/StrataRetrievalTests/Golden/statement.pdf"
    let bytes = Array(try #require(FileManager.default.contents(atPath: path)))
    var random = Random(state: 42)
    for _ in 0..<20 {
      do {
        Self.check(try await Fixtures.parse(Self.mutated(bytes, &random), "a.pdf"))
      } catch {
        #expect(error is RetrievalError, "\(error)")
      }
    }
  }

  @Test(
    "long runs of one sign take no long time",
    arguments: ["{", "(", "\"", "'", "/*", "#", "`", "\\", "@a\n", "def f(\n", "class A {", "'''", ">", "--b\n"])
  func repetition(sign: String) async throws {
    let text = String(repeating: sign, count: 20_000)
    for name in ["a.swift", "a.py", "a.js", "a.c", "a.rs", "a.go", "a.java", "a.json", "a.jsonl"] {
      if let document = try? await Fixtures.parse(text, name) { Self.check(document) }
    }
    let mail = "From: a@b\nContent-Type: multipart/mixed; boundary=b\n\n" + text
    if let document = try? await Fixtures.parse(mail, "a.eml") { Self.check(document) }
  }
}
