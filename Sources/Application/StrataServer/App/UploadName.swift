// Owns turning the name that a client gives an upload into one harmless path component.
import Foundation
import StrataCore

enum UploadName {
  /// The last component of `name` without characters that file systems or shells give a meaning to.
  /// - Throws: ``ServerError`` when nothing usable is left.
  static func sanitized(_ name: String) throws -> String {
    let component = name.split(whereSeparator: { $0 == "/" || $0 == "\\" }).last.map(String.init) ?? ""
    let forbidden: Set<Unicode.Scalar> = [":", "*", "?", "\"", "<", ">", "|"]
    var scalars = String.UnicodeScalarView()
    for scalar in component.precomposedStringWithCanonicalMapping.unicodeScalars {
      switch scalar.properties.generalCategory {
      case .control, .format, .lineSeparator, .paragraphSeparator, .surrogate, .privateUse, .unassigned: continue
      default: scalars.append(forbidden.contains(scalar) ? "_" : scalar)
      }
    }
    let text = String(scalars).trimmingCharacters(in: .whitespaces.union(CharacterSet(charactersIn: ".")))
    guard !text.isEmpty else {
      throw ServerError(
        .invalidParameter, "Invalid 'name': the upload needs a file name.", parameter: "name",
        remedy: "Add ?name=FILE to the URL.")
    }
    guard text.utf8.count <= 200 else {
      throw ServerError(.invalidParameter, "Invalid 'name': is longer than 200 bytes.", parameter: "name")
    }
    return text
  }
}
