import StrataCore
import StrataRetrieval
import Testing

@Suite("Source code and JSON")
struct CodeLoaderTests {
  private func parts(_ source: String, _ path: String) async throws -> [String: String] {
    let document = try await Fixtures.parse(source, path)
    #expect(document.canonicalText == source)
    var result: [String: String] = [:]
    for block in document.blocks {
      if case .entry(let name) = block.kind { result[name, default: ""] += document.text(block) }
    }
    return result
  }

  @Test("Swift: types, members, extensions, braces in strings and comments")
  func swift() async throws {
    let parts = try await parts(
      #"""
      import Foundation

      /// A parser.
      @frozen
      public struct Parser<Element> where Element: Sendable {
        var open = "{ not \"a brace"
        let text = """
          { neither
          """

        /// Parses.
        public init?(_ text: String) throws { /* } */ self.text = text }
        func parse<T>(
          _ value: T
        ) async throws -> [T] {
          items.map { $0 + 1 }.filter { x in x > 0 }
        }
        enum Kind { case a, b }
      }

      extension Parser: Sequence {
        class func make() -> Int { 1 }
      }
      func free() {}
      let table = [1, 2].map { $0 }
      """#, "a.swift")
    #expect(parts["Parser"]?.hasPrefix("/// A parser.\n@frozen\npublic struct Parser") == true)
    #expect(parts["Parser.init"]?.hasPrefix("/// Parses.") == true)
    #expect(parts["Parser.parse"]?.hasSuffix("}.filter { x in x > 0 }\n  }") == true)
    #expect(parts["Parser.Kind"]?.contains("case a, b") == true)
    #expect(parts["Parser.make"]?.contains("class func make") == true)
    #expect(parts["free"] == "func free() {}")
  }

  @Test("Python: classes, decorators, strings over lines, nested functions")
  func python() async throws {
    let parts = try await parts(
      """
      import os

      class Reader(Base):
          \"\"\"Reads.

      def not_code(): pass
          \"\"\"
          limit = 3

          @property
          def size(self):
              def inner():
                  return 1
              return (1,
          2)

          async def read(self): return await x
      # Above.
      def main():
          pass
      print(main())
      """, "a.py")
    #expect(parts["Reader"]?.contains("limit = 3") == true)
    #expect(parts["Reader.size"]?.hasPrefix("@property") == true)
    #expect(parts["Reader.size"]?.hasSuffix("2)") == true)
    #expect(parts["Reader.read"] == "async def read(self): return await x")
    #expect(parts["main"] == "# Above.\ndef main():\n    pass")
    #expect(parts["not_code"] == nil)
  }

  @Test(
    "other languages name their functions",
    arguments: [
      (
        "a.go",
        "package m\n\ntype Box struct {\n\tA int\n}\n\n// Size.\nfunc (b *Box) Size() int {\n\treturn len(`{`)\n}\n",
        ["Box", "Box.Size"]
      ),
      (
        "a.rs",
        "impl<'a, T> Show for Box<'a, T> {\n    fn show(&self) -> char { '{' }\n}\n#[test]\nfn free<'a>(x: &'a str) {}\n",
        ["Box.show", "free"]
      ),
      (
        "a.ts",
        "export class A extends B {\n  private x = /[{]/;\n  constructor(a: number) { super(`${a}`); }\n  async run(): Promise<void> { if (a) { b(); } }\n}\nexport const go = async (x: number) => {\n  return { x };\n};\nfunction plain() {}\n",
        ["A.constructor", "A.run", "go", "plain"]
      ),
      (
        "A.java",
        "@Service\npublic class A<T> implements B {\n  @Override\n  public String toString() { return \"}\"; }\n  A(int x) { this.x = x; }\n}\n",
        ["A.toString", "A.A"]
      ),
      (
        "a.c",
        "#include <a.h>\n#define X {\nstruct point { int x; };\nstatic struct point *make(int x)\n{\n  if (x) { return 0; }\n  return 0;\n}\n",
        ["point", "make"]
      ),
      (
        "a.cpp",
        "namespace n {\nclass K : public B {\n public:\n  K() : a(1) {}\n  int get() const { return '}'; }\n};\n}\nint n::K::other(int a) { return a; }\n",
        ["n.K.K", "n.K.get", "K.other"]
      ),
    ])
  func languages(path: String, source: String, names: [String]) async throws {
    let parts = try await parts(source, path)
    for name in names { #expect(parts[name] != nil, "\(path): \(name) among \(parts.keys.sorted())") }
  }

  @Test("JSON gives records with key paths, and long texts as prose")
  func json() async throws {
    let prose = String(repeating: "A sentence about pumps. ", count: 30)
    let document = try await Fixtures.parse(
      """
      {"title": "Pumps", "site": {"name": "North", "tags": ["a", "b"]},
       "pumps": [{"id": 1, "note": "caf\\u00e9"}, {"id": 2, "spec": {"kW": 1.50}}], "text": "\(prose)"}
      """, "a.json")
    #expect(document.title == "Pumps")
    #expect(
      document.blocks.map(\.kind).contains(.entry(path: "pumps[1]"))
        || document.texts[0].contains("pumps[1].spec.kW: 1.50"))
    #expect(document.canonicalText.contains("site.tags: a, b"))
    #expect(document.canonicalText.contains("café"))
    #expect(document.blocks.last?.kind == .paragraph)
    let lines = try await Fixtures.parse("{\"a\": 1}\n\nbroken\n{\"a\": [{\"b\": 2}]}\n", "a.jsonl")
    #expect(lines.texts == ["a: 1", "broken", "a[0].b: 2"])
    #expect(lines.blocks[2].kind == .entry(path: "[3]"))
    #expect(try await Fixtures.parse("{\"a\": 1}\n{\"a\": 2}\n", "a.json").blocks.count == 2)
    let error = try await #require(throws: RetrievalError.self) { try await Fixtures.parse("{\"a\": ", "a.json") }
    #expect(error.remedy?.contains(".txt") == true)
  }
}
