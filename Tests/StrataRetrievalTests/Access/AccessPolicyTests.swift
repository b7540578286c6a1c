import Foundation
import StrataCore
import StrataRetrieval
import Testing

@Suite("Access policy")
struct AccessPolicyTests {
  @Test(
    "globs match whole paths, case by case",
    arguments: [
      ("**", "a.md", true), ("**", "a/b/c.md", true), ("*", "a.md", true), ("*", "a/b.md", false),
      ("people/**", "people/a.md", true), ("people/**", "people/x/y.md", true), ("people/**", "peoples/a.md", false),
      ("people/**", "people", false), ("people/", "people/x/y.md", true), ("people/*", "people/x/y.md", false),
      ("**/secret.txt", "secret.txt", true), ("**/secret.txt", "a/b/secret.txt", true),
      ("**/secret.txt", "a/nosecret.txt", false), ("a/**/b.md", "a/b.md", true), ("a/**/b.md", "a/x/y/b.md", true),
      ("a/**/b.md", "ab.md", false), ("*.md", "A.MD", false), ("?.md", "é.md", true), ("?.md", "/.md", false),
      ("x?y", "x/y", false), ("/people/*", "people/a", true), ("./people/*", "people/a", true),
      ("a**b", "axxb", true), ("a**b", "a/b", false), ("", "a", false), ("**/**/**/x", "a/b/c/d/x", true),
      ("[ab].md", "a.md", false), ("[ab].md", "[ab].md", true), ("cafe\u{301}/*", "caf\u{e9}/a", true),
    ])
  func globs(pattern: String, path: String, matches: Bool) {
    #expect(PathPattern(pattern).matches(path) == matches)
  }

  @Test("a hostile pattern takes no more than its size times the path's")
  func hostileGlob() {
    let pattern = PathPattern(String(repeating: "*a", count: 500) + "b")
    let clock = ContinuousClock()
    let duration = clock.measure { #expect(!pattern.matches(String(repeating: "a", count: 2000))) }
    #expect(duration < .seconds(20))
  }

  @Test("the first rule that matches decides, and no match means nobody")
  func rules() throws {
    let policy = try AccessPolicy(
      yaml: """
        groups:
          engineering: [amara, "jonas"]
        ignore: ["drafts/**"]
        rules:
          - path: engineering/welcome.md
            readers: [everyone]
          - path: engineering/**
            readers: ["group:engineering", "user:ines"]
          - {path: nobody.md, readers: []}
        """)
    #expect(policy.readers(for: "engineering/welcome.md") == [.everyone])
    #expect(policy.readers(for: "engineering/a/b.md") == [.group("engineering"), .user("ines")])
    #expect(policy.readers(for: "nobody.md") == [])
    #expect(policy.readers(for: "other.md") == [])
    #expect(policy.ignores("drafts/x/y.md") && !policy.ignores("x.md"))
    #expect(policy.principal(user: "amara").groups == ["engineering"])
    #expect(policy.principal(user: "sofia").groups == [])
    #expect(policy.warnings.isEmpty)
  }

  @Test(
    "whatever is wrong names its line and what to do",
    arguments: [
      ("", nil, "acl_invalid"),
      ("rules: [", 2, "acl_invalid"),
      ("rules:\n  - path: **\n    readers: [everyone]", 2, "acl_invalid"),
      ("rules:\n  - path: a\n    reader: [everyone]", 3, "acl_invalid"),
      ("rules:\n  - path: a", 2, "acl_invalid"),
      ("rules:\n  - path: a\n    readers: [everybody]", 3, "acl_invalid"),
      ("rules:\n  - path: a\n    readers: everyone", 3, "acl_invalid"),
      ("rule: []", 1, "acl_invalid"),
      ("groups: {}", 1, "acl_invalid"),
      ("- a", 1, "acl_invalid"),
      ("rules: []\nrules: []", nil, "acl_invalid"),
      ("groups: {a: &x [b]}\nrules: []", 1, "acl_invalid"),
    ])
  func broken(yaml: String, line: Int?, code: String) throws {
    let error = try #require(throws: RetrievalError.self) { try AccessPolicy(yaml: yaml) }
    #expect(error.code.name == code)
    #expect(error.remedy?.isEmpty == false)
    if let line { #expect(error.location?.hasSuffix("line \(line)") == true, "\(error)") }
  }

  @Test("YAML made to exhaust the parser is refused before it")
  func hostileYAML() {
    let bomb = "a: &a [x,x]\n" + (0..<30).map { "b\($0): &b\($0) [*a,*a]\n" }.joined() + "rules: []"
    let deepFlow = "rules: " + String(repeating: "[", count: 100_000)
    let deepBlock = "rules:\n" + String(repeating: "- ", count: 100_000) + "x"
    let indented = (0..<2000).map { String(repeating: " ", count: $0) + "a:" }.joined(separator: "\n")
    for yaml in [bomb, deepFlow, deepBlock, indented, String(repeating: "x", count: 2 << 20)] {
      #expect(throws: RetrievalError.self) { try AccessPolicy(yaml: yaml) }
    }
  }

  @Test("a group without members is allowed and said")
  func unknownGroup() throws {
    let policy = try AccessPolicy(yaml: "rules: [{path: a, readers: ['group:x']}]")
    #expect(policy.warnings.count == 1)
  }
}
