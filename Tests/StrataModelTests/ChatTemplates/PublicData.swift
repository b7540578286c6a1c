// Owns where tests find data that the repository does not hold.

import Foundation
import StrataCore

enum PublicData {
  /// `STRATA_DATA`, or `../shared/data` beside the package.
  static let folder: String =
    ProcessInfo.processInfo.environment["STRATA_DATA"] ?? package + "/../shared/data"
  /// Golden files next to the tests.
  static let golden = package + "/Tests/StrataModelTests/Golden"

  private static let package: String = {
    var parts = #filePath.split(separator: "/")
    parts.removeLast(4)
    return "/" + parts.joined(separator: "/")
  }()

  static func exists(_ path: String) -> Bool { FileManager.default.fileExists(atPath: path) }

  static func bytes(_ path: String) throws -> [UInt8] { Array(try Data(contentsOf: URL(filePath: path))) }

  static func json(_ path: String) throws -> JSON { try JSON(parsing: bytes(path)) }
}
