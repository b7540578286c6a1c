// Owns the official JSON Schema test suite, run when its data is there.

import Foundation
import StrataCore
import StrataSchema
import Testing

/// The suite's files, found through STRATA_DATA.
struct SchemaSuite: Sendable {
  struct Group: Sendable {
    let file: String
    let description: String
    let schema: JSON
    let cases: [(description: String, data: JSON, isValid: Bool)]
  }

  let folder: URL
  static let isVerbose = ProcessInfo.processInfo.environment["STRATA_VERBOSE"] != nil

  static let shared: SchemaSuite? = {
    let here = URL(fileURLWithPath: #filePath)
    let root = here.deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()
    let base =
      ProcessInfo.processInfo.environment["STRATA_DATA"].map { URL(fileURLWithPath: $0) }
      ?? root.deletingLastPathComponent().appendingPathComponent("shared/data")
    let folder = base.appendingPathComponent("schema/json-schema-test-suite")
    return FileManager.default.fileExists(atPath: folder.path) ? SchemaSuite(folder: folder) : nil
  }()

  private func files(under path: String) -> [String] {
    let found = FileManager.default.enumerator(atPath: folder.appendingPathComponent(path).path)
    return (found?.allObjects as? [String] ?? []).filter { $0.hasSuffix(".json") }.sorted()
  }

  func json(_ path: String) throws -> JSON {
    try JSON(parsing: [UInt8](Data(contentsOf: folder.appendingPathComponent(path))))
  }

  /// The remote documents, by the URI under which the tests refer to them.
  func remotes() throws -> [String: JSON] {
    var result: [String: JSON] = [:]
    for path in files(under: "remotes") { result["http://localhost:1234/" + path] = try json("remotes/" + path) }
    return result
  }

  func groups(_ draft: String, optional: Bool) throws -> [Group] {
    var result: [Group] = []
    for path in files(under: "tests/" + draft) where path.hasPrefix("optional/") == optional {
      for group in try json("tests/\(draft)/\(path)").arrayValue ?? [] {
        let cases = (group["tests"]?.arrayValue ?? []).map { test in
          (test["description"]?.stringValue ?? "", test["data"] ?? .null, test["valid"]?.boolValue ?? false)
        }
        result.append(
          Group(
            file: path, description: group["description"]?.stringValue ?? "", schema: group["schema"] ?? .null,
            cases: cases))
      }
    }
    return result
  }
}

@Suite("JSON Schema test suite")
struct ConformanceTests {
  /// Runs the groups; answers how many passed and what failed.
  private func run(
    _ suite: SchemaSuite, _ draft: String, optional: Bool
  ) throws -> (passed: Int, total: Int, failures: [String]) {
    let remotes = try suite.remotes()
    var passed = 0
    var total = 0
    var failures: [String] = []
    for group in try suite.groups(draft, optional: optional) {
      let options = JSONSchema.Options(
        defaultDraft: draft == "draft7" ? .draft7 : .draft2020v12,
        assertsFormats: group.file.hasPrefix("optional/format/"))
      do {
        let schema = try JSONSchema(group.schema, resources: remotes, options: options)
        for test in group.cases {
          total += 1
          let issues = schema.validate(test.data)
          if issues.isEmpty == test.isValid, schema.isValid(test.data) == test.isValid {
            passed += 1
          } else {
            failures.append("\(group.file): \(group.description): \(test.description): \(issues)")
          }
        }
      } catch {
        total += group.cases.count
        failures.append("\(group.file): \(group.description): \(error)")
      }
    }
    return (passed, total, failures)
  }

  @Test("every required test passes", arguments: ["draft2020-12", "draft7"])
  func required(draft: String) throws {
    guard let suite = SchemaSuite.shared else {
      print("skipped: the JSON Schema test suite is not there (STRATA_DATA)")
      return
    }
    let result = try run(suite, draft, optional: false)
    for failure in result.failures { Issue.record("\(failure)") }
    print("\(draft) required: \(result.passed) of \(result.total)")
    #expect(result.passed == result.total)
    #expect(result.total == (draft == "draft7" ? 927 : 1_299))
  }

  @Test("optional tests are counted; what fails is mostly IDNA tables", arguments: ["draft2020-12", "draft7"])
  func optional(draft: String) throws {
    guard let suite = SchemaSuite.shared else {
      print("skipped: the JSON Schema test suite is not there (STRATA_DATA)")
      return
    }
    let result = try run(suite, draft, optional: true)
    if SchemaSuite.isVerbose { for failure in result.failures { print(failure) } }
    print("\(draft) optional: \(result.passed) of \(result.total)")
    #expect(result.passed * 100 >= result.total * 88)
  }
}
