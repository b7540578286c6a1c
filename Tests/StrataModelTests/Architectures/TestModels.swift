// Owns where tests find real models and golden files.
import Foundation
import StrataCore

enum TestModels {
  /// The folder that STRATA_TEST_MODELS names; tests that need it are skipped without it.
  static let folder = ProcessInfo.processInfo.environment["STRATA_TEST_MODELS"]

  static func path(_ name: String) -> String? {
    guard let path = folder.map({ $0 + "/" + name }), FileManager.default.fileExists(atPath: path) else { return nil }
    return path
  }

  static func golden(_ name: String) throws -> [JSON] {
    let url = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
      .appendingPathComponent("Golden/\(name)")
    return try JSON(parsing: Array(Data(contentsOf: url)))["cases"]?.arrayValue ?? []
  }

  static func ids(_ value: JSON?) -> [Int32] {
    (value?.arrayValue ?? []).compactMap { $0.intValue.flatMap(Int32.init(exactly:)) }
  }
}
