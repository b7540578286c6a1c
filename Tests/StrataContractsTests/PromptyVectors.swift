// Owns access to the Prompty conformance vectors, which the project does not commit.
import Foundation
import StrataCore
import Testing

enum PromptyVectors {
  static let folder: String = {
    let data = ProcessInfo.processInfo.environment["STRATA_DATA"] ?? "../shared/data"
    return data + "/protocol/prompty"
  }()

  static var areAvailable: Bool { FileManager.default.fileExists(atPath: folder + "/vectors.json") }

  static func json(_ name: String) throws -> JSON {
    let data = try #require(FileManager.default.contents(atPath: folder + "/" + name))
    return try JSON(parsing: Array(data))
  }

  /// The vectors of one operation.
  static func vectors(_ operation: String) throws -> [JSON] {
    try json("vectors.json")["vectors"]?.arrayValue?
      .compactMap { $0["operation"] == .string(operation) ? $0["vector"] : nil } ?? []
  }
}
