// Owns how many of the schemas that people really write compile: function parameters and a protocol's messages.

import Foundation
import StrataCore
import StrataSchema
import Testing

@Suite("Schemas in use")
struct ToolSchemaTests {
  /// The leaderboard's types are Python's.
  private func translated(_ value: JSON) -> JSON {
    switch value {
    case .array(let items): return .array(items.map(translated))
    case .object(let members):
      let names = ["dict": "object", "float": "number", "tuple": "array", "any": ""]
      var result = JSONObject()
      for (key, member) in members {
        if key == "type", let name = member.stringValue, let type = names[name] {
          if !type.isEmpty { result[key] = .string(type) }
        } else {
          result[key] = translated(member)
        }
      }
      return .object(result)
    default: return value
    }
  }

  @Test("function parameters of the leaderboard compile exactly, and what they accept validates")
  func functions() throws {
    guard let suite = SchemaSuite.shared else {
      print("skipped: the evaluation data is not there (STRATA_DATA)")
      return
    }
    let folder = suite.folder.deletingLastPathComponent().deletingLastPathComponent()
    let file = folder.appendingPathComponent("tools/bfcl/BFCL_v4_multiple.json")
    guard let data = FileManager.default.contents(atPath: file.path) else { return }
    var generator = SeededGenerator(state: 29)
    var total = 0
    var compiled = 0
    var time = Duration.zero
    var slowest = Duration.zero
    for line in [UInt8](data).split(separator: 0x0A) {
      for function in try JSON(parsing: Array(line))["function"]?.arrayValue ?? [] {
        total += 1
        let schema = try JSONSchema(translated(function["parameters"] ?? true))
        var grammar: Grammar?
        let taken = ContinuousClock().measure { grammar = try? Grammar(schema) }
        time += taken
        slowest = max(slowest, taken)
        guard let grammar else { continue }
        compiled += 1
        guard let text = randomText(grammar, using: &generator) else { continue }
        #expect(schema.isValid(try JSON(parsing: text)), "\(String(decoding: text, as: UTF8.self))")
      }
    }
    print("functions: \(compiled) of \(total) grammars, mean \(time / max(1, total)), slowest \(slowest)")
    #expect(compiled * 100 >= total * 98)
  }

  @Test("every message type of the protocol's schemas compiles")
  func messages() throws {
    guard let suite = SchemaSuite.shared else {
      print("skipped: the evaluation data is not there (STRATA_DATA)")
      return
    }
    let folder = suite.folder.deletingLastPathComponent().deletingLastPathComponent()
    let base = folder.appendingPathComponent("protocol/mcp")
    for version in ["2025-11-25", "2026-07-28"] {
      guard let data = FileManager.default.contents(atPath: base.appendingPathComponent("\(version)/schema.json").path)
      else { continue }
      let document = try JSON(parsing: [UInt8](data))
      let names = (document["$defs"] ?? document["definitions"])?.objectValue?.keys ?? []
      let place = document["$defs"] == nil ? "definitions" : "$defs"
      var exact = 0
      var approximate = 0
      for name in names {
        var root = document.objectValue ?? JSONObject()
        root["$ref"] = .string("#/\(place)/\(name)")
        let schema = try JSONSchema(.object(root))
        if (try? Grammar(schema)) != nil { exact += 1 }
        if (try? Grammar(schema, options: .init(allowsApproximation: true))) != nil { approximate += 1 }
      }
      print("MCP \(version): \(exact) exact, \(approximate) with approximation, of \(names.count)")
      #expect(approximate == names.count)
    }
  }
}
