// Owns running the public suite of relation models (OpenFGA's, see shared/data/README.md) against the evaluator.
import Foundation
import StrataCore
import StrataRetrieval
import Testing
import Yams

@Suite("Relation conformance")
struct RelationConformanceTests {
  /// Every YAML file of the data folder; other files of the suite count as soon as they lie there.
  static let files: [String] = {
    guard let data = Fixtures.data else { return [] }
    let folder = data + "/permissions"
    let names = (try? FileManager.default.contentsOfDirectory(atPath: folder)) ?? []
    return names.filter { $0.hasSuffix(".yaml") }.sorted().map { folder + "/" + $0 }
  }()

  @Test(
    "every expectation of the suite holds",
    .enabled(if: !files.isEmpty, "needs ../shared/data/permissions (or STRATA_DATA)"), arguments: files)
  func suite(_ file: String) throws {
    let text = try String(contentsOfFile: file, encoding: .utf8)
    let root = try #require(try Yams.load(yaml: text) as? [String: Any])
    var run = SuiteRun()
    for test in try #require(root["tests"] as? [[String: Any]]) { try run.run(test) }
    print(
      "permissions: \((file as NSString).lastPathComponent): \(run.passed) of \(run.total) expectations hold"
        + " (\(run.counts.sorted { $0.key < $1.key }.map { "\($0.key) \($0.value)" }.joined(separator: ", ")))")
    #expect(run.total > 0)
    #expect(run.failures.isEmpty, "\(run.failures.prefix(40).joined(separator: "\n"))")
  }
}

private struct SuiteRun {
  var counts: [String: Int] = [:]
  var passed = 0
  var total = 0
  var failures: [String] = []

  mutating func run(_ test: [String: Any]) throws {
    let name = test["name"] as? String ?? "?"
    // Stages share one store: a later model meets the tuples of the earlier ones.
    var graph = RelationGraph()
    for (number, stage) in ((test["stages"] as? [[String: Any]]) ?? []).enumerated() {
      let model: AuthorizationModel
      do {
        model = try AuthorizationModel(stage["model"] as? String ?? "")
      } catch {
        total += 1
        failures.append("\(name)/\(number): \(error)")
        continue
      }
      for tuple in (stage["tuples"] as? [[String: Any]]) ?? [] { graph.insert(try Self.tuple(tuple)) }
      for kind in ["checkAssertions", "listObjectsAssertions", "listUsersAssertions"] {
        for assertion in (stage[kind] as? [[String: Any]]) ?? [] {
          total += 1
          counts[kind, default: 0] += 1
          let expected = Self.expectation(assertion)
          let found = Self.answer(kind, assertion, model, graph)
          if expected == found {
            passed += 1
          } else {
            failures.append("\(name)/\(number) \(kind) \(assertion): expected \(expected), found \(found)")
          }
        }
      }
    }
  }

  private static func expectation(_ assertion: [String: Any]) -> String {
    if let code = assertion["errorCode"] as? Int { return "error \(code)" }
    if let truth = assertion["expectation"] as? Bool { return "\(truth)" }
    // One case of the suite has its expectation one level too deep.
    let request = assertion["request"] as? [String: Any]
    let list = assertion["expectation"] as? [String] ?? request?["expectation"] as? [String] ?? []
    return list.sorted().joined(separator: " ")
  }

  private static func answer(
    _ kind: String, _ assertion: [String: Any], _ model: AuthorizationModel, _ graph: RelationGraph
  ) -> String {
    do {
      let contextual = ((assertion["contextualTuples"] as? [[String: Any]]) ?? [])
      let evaluator = try RelationEvaluator(
        model, graph, contextual: contextual.map(tuple), context: json(assertion["context"]).objectValue ?? [:])
      let request = (assertion["tuple"] ?? assertion["request"]) as? [String: Any] ?? [:]
      func text(_ key: String) -> String { request[key] as? String ?? "" }
      switch kind {
      case "checkAssertions":
        let object = try RelationText.object(text("object"))
        return "\(try evaluator.check(object, text("relation"), try RelationText.subject(text("user"))))"
      case "listObjectsAssertions":
        let subject = try RelationText.subject(text("user"))
        return try evaluator.objects(ofType: text("type"), text("relation"), for: subject).map(\.description)
          .sorted().joined(separator: " ")
      default:
        let object = try RelationText.object(text("object"))
        var found: [String] = []
        for filter in request["filters"] as? [String] ?? [] {
          let parts = filter.split(separator: "#").map(String.init)
          let wanted = RelationEvaluator.SubjectFilter(type: parts[0], relation: parts.count > 1 ? parts[1] : nil)
          found += try evaluator.subjects(object, text("relation"), matching: wanted).map(\.description)
        }
        return found.sorted().joined(separator: " ")
      }
    } catch let error as RetrievalError {
      return "error \(codes[error.code.name].map(String.init) ?? error.description)"
    } catch {
      return "\(error)"
    }
  }

  /// OpenFGA's numbers for what the errors mean.
  private static let codes = [
    "relation_invalid": 2000, "relation_condition_failed": 2000, "relation_too_complex": 2002,
    "relation_unknown_type": 2021, "relation_unknown": 2022, "relation_invalid_contextual_tuple": 2027,
  ]

  private static func tuple(_ value: [String: Any]) throws -> RelationTuple {
    func text(_ key: String) -> String { value[key] as? String ?? "" }
    var tuple = RelationTuple(
      try RelationText.object(text("object")), text("relation"), try RelationText.subject(text("user")))
    if let condition = value["condition"] as? [String: Any] {
      tuple.condition = RelationCondition(
        condition["name"] as? String ?? "", context: json(condition["context"]).objectValue ?? [:])
    }
    return tuple
  }

  private static func json(_ value: Any?) -> JSON {
    switch value {
    case let value as Bool: .bool(value)
    case let value as Int: .int(value)
    case let value as Double: .double(value)
    case let value as String: .string(value)
    case let value as Date: .string(value.formatted(.iso8601))
    case let value as [Any]: .array(value.map { json($0) })
    case let value as [String: Any]: .object(JSONObject(value.map { ($0.key, json($0.value)) }))
    default: .null
    }
  }
}
