// Owns the rules about who may import whom; the table is the one of ARCHITECTURE.md.
import Foundation
import Testing

@Suite("Architecture")
struct ArchitectureTests {
  static let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
    .deletingLastPathComponent()

  /// Modules of the platform that everything may use.
  static let platform: Set<String> = [
    "Foundation", "FoundationEssentials", "Synchronization", "Dispatch", "Glibc", "Darwin", "Musl", "Swift",
  ]

  static let allowed: [String: Set<String>] = [
    "StrataCore": ["Logging", "CLibCrypto"],
    "StrataSchema": ["StrataCore"],
    "StrataStore": ["StrataCore", "GRDB", "GRDBSQLite"],
    "StrataTelemetry": ["StrataCore", "Tracing"],
    "StrataModel": ["StrataCore", "CStrataKernels"],
    "StrataProviders": ["StrataCore", "AsyncHTTPClient", "NIOCore", "NIOHTTP1"],
    "StrataServing": ["StrataCore", "StrataSchema", "StrataModel"],
    "StrataTraining": ["StrataCore", "StrataModel"],
    "StrataIndex": ["StrataCore", "CStrataKernels", "CICU", "CLibStemmer"],
    "StrataRetrieval": ["StrataCore", "StrataSchema", "StrataIndex", "CLibXML2", "CLibArchive", "CCMarkGFM", "Yams"],
    "StrataAgents": ["StrataCore", "StrataSchema"],
    "StrataContracts": ["StrataCore", "StrataSchema", "Yams"],
    "StrataEvaluation": ["StrataCore", "StrataContracts", "Yams"],
    "StrataServer": [
      "StrataCore", "StrataTelemetry", "StrataSchema", "StrataAgents", "StrataContracts", "StrataRetrieval",
      "StrataServing", "Tracing", "Hummingbird",
      "HummingbirdCore", "HTTPTypes", "NIOCore", "NIOPosix", "ServiceLifecycle", "Logging",
    ],
    "StrataTesting": ["StrataCore"],
  ]

  static func swiftFiles(under folder: String) -> [URL] {
    let url = root.appendingPathComponent(folder)
    let files = FileManager.default.enumerator(at: url, includingPropertiesForKeys: nil)
    return (files?.compactMap { $0 as? URL } ?? []).filter { $0.pathExtension == "swift" }
      .sorted { $0.path < $1.path }
  }

  static func relative(_ file: URL) -> String { String(file.path.dropFirst(root.path.count + 1)) }

  @Test("a target imports only what lies below it")
  func imports() throws {
    var seen = 0
    for file in Self.swiftFiles(under: "Sources") {
      let parts = Self.relative(file).split(separator: "/")
      guard parts.count > 3, let rules = Self.allowed[String(parts[2])] else { continue }
      seen += 1
      for line in try String(contentsOf: file, encoding: .utf8).split(separator: "\n") {
        let words = line.split(separator: " ")
        guard let place = words.firstIndex(of: "import"), place <= 2, place + 1 < words.count,
          words[..<place].allSatisfy({ $0.hasPrefix("@") || ["public", "package", "internal"].contains($0) })
        else { continue }
        let kinds: Set<Substring> = ["struct", "class", "enum", "protocol", "func", "typealias", "let", "var"]
        let name = words[kinds.contains(words[place + 1]) ? place + 2 : place + 1]
        let module = String(name.split(separator: ".")[0])
        #expect(
          Self.platform.contains(module) || rules.contains(module),
          "\(Self.relative(file)) may not import \(module)")
      }
    }
    #expect(seen > 20)
  }

  @Test("tests name every module that they import, or they would run against another's old layout")
  func declaredImports() throws {
    let manifest = try String(contentsOf: Self.root.appendingPathComponent("Package.swift"), encoding: .utf8)
    for target in Self.allowed.keys.sorted() {
      let files = Self.swiftFiles(under: "Tests/\(target)Tests")
      guard !files.isEmpty else { continue }
      let pattern = try Regex<(Substring, Substring)>(#"\.tests\(\s*"\#(target)",\s*\[([^\]]*)\]"#)
      let declared = try #require(manifest.firstMatch(of: pattern)?.output.1, "Package.swift has no tests of \(target)")
      for file in files {
        for match in try String(contentsOf: file, encoding: .utf8).matches(of: /(?m)^import (C?Strata\w+)$/) {
          #expect(declared.contains("\"\(match.output.1)\""), "\(Self.relative(file)) imports \(match.output.1)")
        }
      }
    }
  }

  @Test("in the model, only the device and the file formats know the kernels")
  func kernels() throws {
    let allowed: Set<Substring> = ["Device", "Formats", "Quantization"]
    for file in Self.swiftFiles(under: "Sources/Model") {
      let parts = Self.relative(file).split(separator: "/")
      guard try String(contentsOf: file, encoding: .utf8).contains("import CStrataKernels") else { continue }
      #expect(
        parts[2] == "StrataModel" && allowed.contains(parts[3]),
        "\(Self.relative(file)) bypasses the device (docs/decisions/001-device-seam.md)")
    }
  }

  @Test("each source file opens with what it owns")
  func openings() throws {
    for file in Self.swiftFiles(under: "Sources") {
      let text = try String(contentsOf: file, encoding: .utf8)
      #expect(text.hasPrefix("//"), "\(Self.relative(file)) does not open with a comment that says what it owns")
    }
  }

  @Test("nothing traps on purpose, nothing is left to do")
  func traps() throws {
    let forbidden = ["fatalError(", "try" + "!", "TODO", "FIXME", "XXX:"]
    for file in Self.swiftFiles(under: "Sources") {
      let text = try String(contentsOf: file, encoding: .utf8)
      for word in forbidden { #expect(!text.contains(word), "\(Self.relative(file)) contains \(word)") }
    }
  }

  @Test("files tell one story: at most 600 lines")
  func lengths() throws {
    for file in Self.swiftFiles(under: "Sources") {
      let count = try String(contentsOf: file, encoding: .utf8).split(separator: "\n", omittingEmptySubsequences: false)
        .count
      #expect(count <= 600, "\(Self.relative(file)) has \(count) lines")
    }
  }

  @Test("no named attics")
  func folders() {
    let attics: Set<String> = ["Utils", "Common", "Helpers", "Manager", "Base", "Misc"]
    for file in Self.swiftFiles(under: "Sources") {
      let parts = Set(Self.relative(file).split(separator: "/").map { String($0.split(separator: ".")[0]) })
      #expect(parts.isDisjoint(with: attics), "\(Self.relative(file))")
    }
  }
}
