// Owns `strata lineage`: where something comes from, and what became of it, as a tree.
import ArgumentParser
import Foundation
import StrataCore
import StrataRetrieval

struct LineageCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "lineage", abstract: "Walk from source to answer, or from answer to source.",
    discussion: """
      A document leads to its versions, chunks, vectors and the answers that quote them; a run to what it quotes, and from
      there to the source. Only what the user may read is shown.
      Examples:
        strata lineage policies/leave.md --as sofia
        strata lineage run-… --as sofia --json
      """)
  @OptionGroup var common: CommonOptions
  @OptionGroup var documents: CollectionOptions
  @Argument(help: "A document's path, a chunk's number or a run.") var name: String
  @Option(name: .customLong("as"), help: "As this user; groups come from the access file.") var user: String?

  func run() async throws {
    try await common.run {
      let store = try Wiring().store()
      let groups = try await store.groups(in: documents.collection)
      let principal =
        user.map { user in
          Principal(user: user, groups: Set(groups.filter { $0.value.contains(user) }.keys))
        } ?? .anonymous
      let walk = LineageWalk(store, collection: documents.collection, as: principal)
      guard let tree = try await walk.tree(of: name) else {
        throw CommandError(
          CommandError.unknownRun, "There is no document, chunk or run \(name) that \(principal.user) may see.",
          remedy: "Say who asks with --as, and which collection with --collection.")
      }
      if common.json { return Terminal.json(tree.json) }
      LineageView.show(tree)
    }
  }
}

/// A lineage tree in lines of at most 80 columns.
enum LineageView {
  private static let width = 80

  static func show(_ node: LineageNode) {
    for line in lines(node, first: "", rest: "") { Terminal.out(line) }
  }

  static func lines(_ node: LineageNode, first: String, rest: String) -> [String] {
    let inner = rest + (node.children.isEmpty ? "   " : "│  ")
    var lines = [shortened(first + title(node))]
    lines += facts(node).flatMap { fact in
      Terminal.wrapped(fact, width: width - inner.count).split(separator: "\n").map { shortened(inner + $0) }
    }
    for (index, child) in node.children.enumerated() {
      let isLast = index == node.children.count - 1
      lines += self.lines(child, first: rest + (isLast ? "└─ " : "├─ "), rest: rest + (isLast ? "   " : "│  "))
    }
    return lines
  }

  private static func shortened(_ line: String) -> String {
    line.count <= width ? line : String(line.prefix(width - 1)) + "…"
  }

  private static func title(_ node: LineageNode) -> String {
    let facts = node.facts
    func text(_ key: String) -> String { facts[key].map { $0.stringValue ?? $0.text() } ?? "" }
    let range = facts["start"] == nil ? "" : " · bytes \(text("start"))–\(text("end"))"
    switch node.kind {
    case "version":
      let sha = text("sha256").prefix(12)
      return
        "version \(node.name)\(text("current") == "true" ? "" : " (history)") · sha256 \(sha) · \(text("ingested"))"
    case "citation": return "cites \(node.name) · version \(text("version"))\(range)"
    case "answer" where facts["count"] != nil: return "\(text("count")) answers of other users"
    default: return "\(node.kind) \(node.name)\(range)"
    }
  }

  private static func facts(_ node: LineageNode) -> [String] {
    let shown: Set<String> = ["start", "end", "version", "current", "sha256", "ingested", "input", "count", "bytes"]
    return node.facts.filter { !shown.contains($0.key) }.map { key, value in
      "\(key.replacing("_", with: " ")): \(value.stringValue ?? value.text())"
    }
  }
}
