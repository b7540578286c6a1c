import Foundation
import StrataCore
import StrataRetrieval
import Testing

@Suite("Authorization model")
struct AuthorizationModelTests {
  @Test("the DSL and the JSON form of a model are the same model")
  func forms() throws {
    let dsl = """
      model
        schema 1.1
      type user
      type group
        relations
          define member: [user, user:*, group#member]
      # folders
      type document
        relations
          define parent: [document]
          define owner: [user with small] # a comment
          define viewer: ([user, group#member] or owner or viewer from parent) but not blocked
          define blocked: [user] and owner
      condition small(n: int, tags: list<string>) {
        n < 3 && "a}" in tags // {
      }
      """
    let json = """
      {"schema_version": "1.1", "type_definitions": [
        {"type": "user"},
        {"type": "group", "relations": {"member": {"this": {}}}, "metadata": {"relations": {"member":
          {"directly_related_user_types": [{"type": "user"}, {"type": "user", "wildcard": {}},
            {"type": "group", "relation": "member"}]}}}},
        {"type": "document", "relations": {
          "parent": {"this": {}}, "owner": {"this": {}},
          "viewer": {"difference": {"base": {"union": {"child": [{"this": {}},
            {"computedUserset": {"object": "", "relation": "owner"}},
            {"tupleToUserset": {"tupleset": {"relation": "parent"}, "computedUserset": {"relation": "viewer"}}}]}},
            "subtract": {"computedUserset": {"relation": "blocked"}}}},
          "blocked": {"intersection": {"child": [{"this": {}}, {"computedUserset": {"relation": "owner"}}]}}},
          "metadata": {"relations": {
            "parent": {"directly_related_user_types": [{"type": "document"}]},
            "owner": {"directly_related_user_types": [{"type": "user", "condition": "small"}]},
            "viewer": {"directly_related_user_types": [{"type": "user"}, {"type": "group", "relation": "member"}]},
            "blocked": {"directly_related_user_types": [{"type": "user"}]}}}}],
       "conditions": {"small": {"name": "small", "expression": "n < 3 && \\"a}\\" in tags",
         "parameters": {"n": {"type_name": "TYPE_NAME_INT"},
           "tags": {"type_name": "TYPE_NAME_LIST", "generic_types": [{"type_name": "TYPE_NAME_STRING"}]}}}}}
      """
    let (first, second) = (try AuthorizationModel(dsl), try AuthorizationModel(json))
    #expect(first.types == second.types)
    #expect(first.conditions["small"]?.parameters == second.conditions["small"]?.parameters)
  }

  static let head = "model\n  schema 1.1\ntype user\ntype document\n  relations\n    define editor: [user]\n"

  @Test(
    "a model that cannot be meant is refused, with the line where that shows",
    arguments: [
      ("define viewer: editor or [user] and editor", true),
      ("define viewer: [user] but not editor but not editor", true),
      ("define viewer: [user", true), ("define viewer: ", true), ("define viewer: [user] or", true),
      ("define editor: [user]", true), ("define viewer: [nobody]", false), ("define viewer: [user#member]", false),
      ("define viewer: missing", false), ("define viewer: editor from missing", false),
      ("define viewer: editor from editor", false), ("define viewer: viewer", false), ("define self: [user]", false),
      ("define viewer: [user with nothing]", false), ("define viewer: \(String(repeating: "(", count: 9999))", true),
      ("define viewer: [user]\nextend type user", true), ("define viewer: [user]\ncondition c(n: number) { n }", true),
      ("define viewer: [user]\ncondition c(n: int) { n + }", true),
      ("define viewer: [user]\ncondition c(n: int) { n", true),
    ])
  func refused(_ line: String, _ hasLine: Bool) throws {
    let error = #expect(throws: RetrievalError.self) { try AuthorizationModel(Self.head + "    " + line) }
    #expect(error?.code == RetrievalError.invalidModel)
    if hasLine { #expect(error?.location?.contains("line") == true, "\(error?.description ?? "")") }
  }

  @Test("groups in circles add nobody, take nobody away, and end")
  func circles() throws {
    let model = try AuthorizationModel(
      """
      model
        schema 1.1
      type user
      type group
        relations
          define member: [user, group#member]
      type document
        relations
          define blocked: [group#member]
          define viewer: [user] but not blocked
      """)
    // Each group holds all others: exponentially many ways through them.
    var tuples: [RelationTuple] = []
    for outer in 0..<24 {
      for inner in 0..<24 {
        tuples.append(try RelationText.tuple("group:g\(outer)#member@group:g\(inner)#member"))
      }
    }
    tuples.append(try RelationText.tuple("document:1#blocked@group:g0#member"))
    tuples.append(try RelationText.tuple("document:1#viewer@user:ann"))
    let document = try RelationText.object("document:1")
    let ann = try RelationText.subject("user:ann")
    let evaluator = try RelationEvaluator(model, RelationGraph(tuples))
    #expect(try evaluator.check(document, "viewer", ann))
    #expect(try evaluator.objects(ofType: "document", "viewer", for: ann) == [document])
    tuples.append(try RelationText.tuple("group:g23#member@user:ann"))
    let blocking = try RelationEvaluator(model, RelationGraph(tuples))
    #expect(try !blocking.check(document, "viewer", ann))
    #expect(try blocking.objects(ofType: "group", "member", for: ann).count == 24)
    #expect(try blocking.subjects(document, "viewer", matching: .init(type: "user")) == [])
  }
}
