// Owns reading one architecture's metadata, each value with its allowed range. Knows no architecture.
import StrataCore

/// Metadata under one prefix: `attention.head_count` of `llama` is `llama.attention.head_count`.
struct MetadataReader {
  let file: GGUFFile
  let prefix: String

  func value(_ key: String) -> GGUFValue? { file.metadata["\(prefix).\(key)"] }

  func integer(_ key: String, in range: ClosedRange<Int>, default fallback: Int? = nil) throws(ModelError) -> Int {
    guard let value = value(key) else {
      if let fallback { return fallback }
      throw ModelError(
        ModelError.metadataMissing, "The metadata key `\(prefix).\(key)` is missing.",
        remedy: ModelError.downloadAgain)
    }
    guard let number = value.intValue, range.contains(number) else { throw invalid(key, value, "\(range)") }
    return number
  }

  func number(
    _ key: String, in range: ClosedRange<Double>, default fallback: Double
  ) throws(ModelError) -> Double {
    try optionalNumber(key, in: range) ?? fallback
  }

  /// Nil where the key is missing.
  func optionalNumber(_ key: String, in range: ClosedRange<Double>) throws(ModelError) -> Double? {
    guard let value = value(key) else { return nil }
    guard let number = value.doubleValue, range.contains(number) else { throw invalid(key, value, "\(range)") }
    return number
  }

  private func invalid(_ key: String, _ value: GGUFValue, _ range: String) -> ModelError {
    let shown = value.doubleValue.map { "\($0)" } ?? value.stringValue?.prefix(40).description ?? "no number"
    return ModelError(
      ModelError.metadataInvalid,
      "The metadata key `\(prefix).\(key)` is \(shown); it must be a number in \(range).",
      remedy: ModelError.downloadAgain)
  }
}
