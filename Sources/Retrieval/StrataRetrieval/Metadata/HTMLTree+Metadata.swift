// Owns what a page's head says about the page.
import StrataCore

extension HTMLTree {
  private static let memberLimit = 100
  /// Instructions for machines, not facts about the page.
  private static let technical: Set<String> = [
    "viewport", "theme-color", "robots", "referrer", "csrf-token", "generator",
  ]

  /// `<meta>` elements with a name or property; of a repeated one the list of its values.
  var metadata: JSONObject {
    var metadata = JSONObject()
    for node in nodes where node.tag == "meta" && !node.key.isEmpty && !node.value.isEmpty {
      let name = node.key.lowercased()
      guard !Self.technical.contains(name), metadata.count < Self.memberLimit, node.value.utf8.count <= 10_000 else {
        continue
      }
      switch metadata[name] {
      case nil: metadata[name] = .string(node.value)
      case .array(let values)?: metadata[name] = .array(values + [.string(node.value)])
      case let value?: metadata[name] = .array([value, .string(node.value)])
      }
    }
    return metadata
  }
}
