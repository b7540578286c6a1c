// Owns the reading of `model.options`, Prompty's names for sampling parameters.
import StrataCore

struct ModelOptions {
  var sampling = SamplingParameters()
  var maxTokens: Int?
  var stop: [String] = []

  init(_ json: JSON, invalid: (String, String, String) -> ContractError) throws(ContractError) {
    func number(_ name: String) throws(ContractError) -> Float? {
      guard let value = json[name] ?? json["additionalProperties"]?[name], !value.isNull else { return nil }
      guard let number = value.doubleValue, number.isFinite else {
        throw invalid(
          "The option `\(name)` is \(value.typeName), not a number.", "Write a number.", "/model/options/\(name)")
      }
      return Float(number)
    }
    if let value = try number("temperature") { sampling.temperature = value }
    if let value = try number("topP") { sampling.topP = value }
    if let value = try number("minP") { sampling.minP = value }
    if let value = try number("frequencyPenalty") { sampling.frequencyPenalty = value }
    if let value = try number("presencePenalty") { sampling.presencePenalty = value }
    if let value = try number("repetitionPenalty") { sampling.repetitionPenalty = value }
    if let value = json["topK"]?.intValue { sampling.topK = value }
    if let value = json["seed"]?.intValue { sampling.seed = UInt64(bitPattern: Int64(value)) }
    if let value = json["maxOutputTokens"] {
      guard let count = value.intValue, count > 0 else {
        throw invalid(
          "`maxOutputTokens` is not a positive integer.", "Write a positive integer.", "/model/options/maxOutputTokens")
      }
      maxTokens = count
    }
    stop = (json["stopSequences"]?.arrayValue ?? []).compactMap(\.stringValue)
  }
}
