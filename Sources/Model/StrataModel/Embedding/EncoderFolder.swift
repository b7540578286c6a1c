// Owns reading the small files beside an encoder's weights. Knows nothing about what they say.
import Foundation
import StrataCore

enum EncoderFolder {
  static func json(_ path: String) throws(ModelError) -> JSON {
    let bytes: [UInt8]
    do { bytes = Array(try Data(contentsOf: URL(fileURLWithPath: path))) } catch {
      throw ModelError(
        ModelError.fileUnreadable, "Cannot read a file of the encoder.", remedy: "Fetch the encoder again.",
        location: path, cause: error)
    }
    do { return try JSON(parsing: bytes) } catch {
      throw ModelError(
        ModelError.metadataInvalid, "A file of the encoder is no JSON.", remedy: "Fetch the encoder again.",
        location: path, cause: error)
    }
  }
}
