// Owns the parameters that chat and text completions share.
import Foundation
import StrataCore

enum UnixTime {
  static var now: Int { Int(Date().timeIntervalSince1970) }

  /// RFC 3339, in UTC.
  static func text(_ seconds: Int) -> String {
    Date(timeIntervalSince1970: Double(seconds)).formatted(.iso8601)
  }
}

extension ParameterReader {
  /// Temperature, nucleus, penalties, seed and bias; `top_k`, `min_p` and `repetition_penalty` as other servers name
  /// them.
  func sampling() throws -> SamplingParameters {
    var parameters = SamplingParameters()
    if let value = try float("temperature", in: 0...2) { parameters.temperature = value }
    if let value = try float("top_p", in: 0...1) {
      guard value > 0 else { throw invalid("top_p", "must be greater than 0.") }
      parameters.topP = value
    }
    if let value = try int("top_k", in: -1...1_000_000) { parameters.topK = max(0, value) }
    if let value = try float("min_p", in: 0...1) { parameters.minP = value }
    if let value = try float("repetition_penalty", in: 0.01...10) { parameters.repetitionPenalty = value }
    if let value = try float("frequency_penalty", in: -2...2) { parameters.frequencyPenalty = value }
    if let value = try float("presence_penalty", in: -2...2) { parameters.presencePenalty = value }
    if let value = try int("seed", in: .min ... .max) { parameters.seed = UInt64(bitPattern: Int64(value)) }
    parameters.logitBias = try logitBias()
    return parameters
  }

  private func logitBias() throws -> [Int32: Float] {
    guard let reader = try reader("logit_bias") else { return [:] }
    guard reader.object.count <= 1024 else { throw invalid("logit_bias", "has more than 1024 entries.") }
    var result: [Int32: Float] = [:]
    for (key, _) in reader.object {
      guard let token = Int32(key), token >= 0 else {
        throw invalid("logit_bias", "`\(key.prefix(40))` is no token id.")
      }
      result[token] = try reader.float(key, in: -100...100)
    }
    return result
  }

  /// One string or a few.
  func stop() throws -> [String] {
    guard let value = self["stop"] else { return [] }
    let values: [JSON]
    switch value {
    case .string: values = [value]
    case .array(let array): values = array
    default: throw invalid("stop", "expected a string or an array of strings, got \(value.typeName).")
    }
    guard values.count <= 16 else { throw invalid("stop", "has more than 16 entries.") }
    return try values.map { value in
      guard let text = value.stringValue, !text.isEmpty, text.utf8.count <= 1024 else {
        throw invalid("stop", "each entry must be a string of 1 to 1024 bytes.")
      }
      return text
    }
  }

  /// vLLM's extension: lower numbers run first.
  func priority() throws -> Int { try int("priority", in: -1000...1000) ?? 0 }

  /// Parameters that are accepted, checked and change nothing: there is one tier, and users are told apart by keys.
  func checkIgnored() throws {
    for name in ["user", "safety_identifier", "prompt_cache_key"] { _ = try string(name) }
    if let tier = try string("service_tier"), !["auto", "default", "flex", "priority"].contains(tier) {
      throw invalid("service_tier", "must be auto, default, flex or priority.")
    }
    if let metadata = try reader("metadata") { _ = try metadata.metadata() }
  }

  /// Up to 16 short strings, as the OpenAI API takes them.
  func metadata() throws -> JSONObject {
    guard object.count <= 16 else { throw ServerError(.invalidParameter, "'metadata' has more than 16 entries.") }
    for (key, value) in object {
      guard key.unicodeScalars.count <= 64, let text = value.stringValue, text.unicodeScalars.count <= 512 else {
        throw invalid(String(key.prefix(64)), "keys have up to 64 characters, values are strings of up to 512.")
      }
    }
    return object
  }

  /// Whether usage is sent as the last chunk of a stream.
  func includesUsage(isStream: Bool) throws -> Bool {
    guard let options = try reader("stream_options") else { return false }
    guard isStream else { throw invalid("stream_options", "is only possible with 'stream': true.") }
    return try options.bool("include_usage") ?? false
  }
}
