import Foundation
import StrataCore
import StrataRetrieval

/// A folder that disappears with the test.
final class TemporaryFolder: Sendable {
  let path: String

  init() throws {
    let path = FileManager.default.temporaryDirectory.path + "/strata-\(UUID().uuidString)"
    try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
    self.path = path
  }

  deinit { try? FileManager.default.removeItem(atPath: path) }

  func write(_ name: String, _ text: String) throws { try write(name, Array(text.utf8)) }

  func write(_ name: String, _ bytes: [UInt8]) throws {
    let file = path + "/" + name
    try FileManager.default.createDirectory(
      atPath: (file as NSString).deletingLastPathComponent, withIntermediateDirectories: true)
    try Data(bytes).write(to: URL(fileURLWithPath: file))
  }

  func remove(_ name: String) throws { try FileManager.default.removeItem(atPath: path + "/" + name) }
}

enum Fixtures {
  static let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
    .deletingLastPathComponent().path
  static let handbook = root + "/Examples/handbook"
  /// The public evaluation data, where it is there.
  static let data: String? = {
    let path = ProcessInfo.processInfo.environment["STRATA_DATA"] ?? root + "/../shared/data"
    return FileManager.default.fileExists(atPath: path + "/README.md") ? path : nil
  }()

  static func parse(_ text: String, _ path: String) async throws -> ParsedDocument {
    try await parse(Array(text.utf8), path)
  }

  static func parse(_ bytes: [UInt8], _ path: String) async throws -> ParsedDocument {
    guard let format = DocumentFormat(path: path) else { throw CocoaError(.fileReadUnknown) }
    return try await format.parse(bytes, path: path)
  }

  static func words(_ text: String) -> Int { text.split(whereSeparator: \.isWhitespace).count }
}

extension ParsedDocument {
  func text(_ block: DocumentBlock) -> String {
    String(decoding: Array(canonicalText.utf8)[block.range], as: UTF8.self)
  }

  var texts: [String] { blocks.map(text) }
}
