import Foundation
import StrataCore
import StrataRetrieval
import Testing

@Suite("Conditions")
struct ConditionTests {
  /// Asks for `expression` as the condition of a grant.
  private func holds(_ expression: String, _ parameters: [(String, String)], _ context: JSONObject) throws -> Bool? {
    let declared = parameters.map { "\($0.0): \($0.1)" }.joined(separator: ", ")
    let model = try AuthorizationModel(
      """
      model
        schema 1.1
      type user
      type document
        relations
          define viewer: [user with c]
      condition c(\(declared)) {
        \(expression)
      }
      """)
    let document = RelationObject(type: "document", id: "1")
    let user = RelationSubject.object(RelationObject(type: "user", id: "a"))
    let grant = RelationTuple(document, "viewer", user, condition: RelationCondition("c"))
    do {
      return try RelationEvaluator(model, RelationGraph([grant]), context: context).check(document, "viewer", user)
    } catch let error as RetrievalError where error.code == RetrievalError.conditionFailed {
      return nil
    }
  }

  @Test("expressions mean what another implementation of CEL says")
  func golden() throws {
    let path = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
      .appendingPathComponent("Golden/conditions.json").path
    let root = try JSON(parsing: String(contentsOfFile: path, encoding: .utf8))
    let types = try #require(root["parameters"]?.objectValue)
    let context = try #require(root["context"]?.objectValue)
    var parameters = types.map { ($0.key, $0.value.stringValue ?? "") }
    parameters.append(("missing", "int"))
    for value in try #require(root["cases"]?.arrayValue) {
      let expression = try #require(value["expression"]?.stringValue)
      let found = try holds(expression, parameters, context)
      #expect(found == value["result"]?.boolValue, "\(expression)")
    }
  }

  @Test("addresses lie in ranges, and wrong types have no value")
  func types() throws {
    let ip = [("ip", "ipaddress")]
    #expect(try holds("ip.in_cidr('192.168.0.0/23')", ip, ["ip": "192.168.1.9"]) == true)
    #expect(try holds("ip.in_cidr('192.168.0.0/24')", ip, ["ip": "192.168.1.9"]) == false)
    #expect(try holds("ip.in_cidr('2001:db8::/33')", ip, ["ip": "2001:db8:7fff::1"]) == true)
    #expect(try holds("ip.in_cidr('2001:db8::/33')", ip, ["ip": "2001:db8:8000::1"]) == false)
    #expect(try holds("ip.in_cidr('10.0.0.0/8')", ip, ["ip": "::ffff:10.1.1.1"]) == true)
    #expect(try holds("ip == ipaddress('10.0.0.1')", ip, ["ip": "10.0.0.1"]) == true)
    #expect(try holds("ip.in_cidr('10.0.0.0/40')", ip, ["ip": "10.0.0.1"]) == nil)
    #expect(try holds("ip == ip", ip, ["ip": "10.0.0"]) == nil)
    #expect(try holds("x == 1", [("x", "int")], ["x": "1"]) == true)
    #expect(try holds("x == 1", [("x", "int")], ["x": 1.5]) == nil)
    #expect(try holds("x == 1u", [("x", "uint")], ["x": -1]) == nil)
    #expect(try holds("x.a[0] == 1", [("x", "any")], ["x": ["a": [1]]]) == true)
    #expect(try holds("x[0][1] == 'b'", [("x", "list<list<string>>")], ["x": [["a", "b"]]]) == true)
  }

  @Test("no expression takes long, deep or unbounded work")
  func bounds() throws {
    let list = JSON.array((0..<400).map { .int($0) })
    let nested = "l.all(a, l.all(b, l.all(c, a + b + c >= 0)))"
    #expect(try holds(nested, [("l", "list<int>")], ["l": list]) == nil)
    let text = String(repeating: "a", count: 3000)
    #expect(try holds("s.matches('(a*)*(a*)*(a|a)*b')", [("s", "string")], ["s": .string(text)]) == false)
    let deep = String(repeating: "(", count: 5000) + "true" + String(repeating: ")", count: 5000)
    for text in [deep, String(repeating: "!", count: 5000) + "true", "s.matches('(((')", "nosuch(1)", "x", "1 +", ""] {
      #expect(throws: RetrievalError.self) { try holds(text, [("s", "string")], [:]) }
    }
    let wide = "true" + String(repeating: " || true", count: 1500)
    #expect(try holds(wide, [], [:]) == true)
  }
}
