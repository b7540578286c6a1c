// Owns which models the server answers for, and finding one by the name that a client sends.
import StrataCore

struct ModelCatalog: Sendable {
  let models: [any LanguageModel]
  let embedders: [any Embedder]
  /// Seconds since 1970, reported as the creation time of every model.
  let created: Int

  init(models: [any LanguageModel], embedders: [any Embedder]) {
    self.models = models
    self.embedders = embedders
    created = UnixTime.now
  }

  func model(_ id: String) throws -> any LanguageModel {
    if let model = models.first(where: { $0.info.id == id }) { return model }
    if embedders.contains(where: { $0.id == id }) {
      throw ServerError(
        .modelNotFound, "The model `\(id)` makes embeddings; it cannot generate text.", parameter: "model")
    }
    throw unknown(id, models.map(\.info.id))
  }

  func embedder(_ id: String) throws -> any Embedder {
    if let embedder = embedders.first(where: { $0.id == id }) { return embedder }
    if models.contains(where: { $0.info.id == id }) {
      throw ServerError(
        .modelNotFound, "The model `\(id)` generates text; it cannot make embeddings.", parameter: "model")
    }
    throw unknown(id, embedders.map(\.id))
  }

  private func unknown(_ id: String, _ known: [String]) -> ServerError {
    ServerError(
      .modelNotFound, "The model `\(id.prefix(200))` does not exist.", parameter: "model",
      remedy: known.isEmpty ? "No such model is loaded." : "Available: \(known.joined(separator: ", ")).")
  }

  var listing: [JSON] {
    models.map { entry($0.info.id, ["context_length": .int($0.info.contextLength)]) }
      + embedders.map { entry($0.id, ["context_length": .int($0.maxTokens), "dimension": .int($0.dimension)]) }
  }

  private func entry(_ id: String, _ more: JSONObject) -> JSON {
    var object: JSONObject = [
      "id": .string(id), "object": "model", "created": .int(created), "owned_by": "strata",
    ]
    for (key, value) in more { object[key] = value }
    return .object(object)
  }
}
