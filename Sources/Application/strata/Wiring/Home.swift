// Owns where Strata keeps its files.
import Foundation
import StrataCore

/// `STRATA_HOME`, else `$XDG_DATA_HOME/strata`, else `~/.local/share/strata`.
struct Home: Sendable {
  let root: URL

  init(environment: [String: String] = ProcessInfo.processInfo.environment) {
    if let path = environment["STRATA_HOME"], !path.isEmpty {
      root = URL(fileURLWithPath: path, isDirectory: true)
    } else if let path = environment["XDG_DATA_HOME"], path.hasPrefix("/") {
      root = URL(fileURLWithPath: path, isDirectory: true).appendingPathComponent("strata")
    } else {
      root = FileManager.default.homeDirectoryForCurrentUser.appendingPathComponent(".local/share/strata")
    }
  }

  var database: URL { root.appendingPathComponent("strata.sqlite") }
  var index: URL { root.appendingPathComponent("index") }
  /// The indexes of what is remembered, one for each tenant.
  var memory: URL { root.appendingPathComponent("memory") }
  var models: URL { root.appendingPathComponent("models") }
  var keys: URL { root.appendingPathComponent("keys.json") }
  var adapters: URL { root.appendingPathComponent("adapters") }
  var uploads: URL { root.appendingPathComponent("uploads") }

  /// Creates the folder, readable by its owner only.
  func prepare() throws {
    do {
      try FileManager.default.createDirectory(
        at: root, withIntermediateDirectories: true, attributes: [.posixPermissions: 0o700])
    } catch {
      throw CommandError(
        CommandError.fileUnreadable, "The folder \(root.path) cannot be created.",
        remedy: "Set STRATA_HOME to a folder that you may write to.", cause: error)
    }
  }
}
