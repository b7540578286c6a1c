// Owns what is known of a remote server before it is called.
import Foundation
import StrataCore

/// Where a remote model is, and how it is asked.
public struct RemoteEndpoint: Sendable {
  public enum Dialect: String, Sendable, Hashable, CaseIterable {
    /// `POST {base}/chat/completions` and `/completions` (OpenAI, vLLM, SGLang, Ollama, llama-server, Strata).
    case openAI = "openai"
    /// `POST {base}/messages`.
    case anthropic
  }

  public var dialect: Dialect
  /// For example `http://127.0.0.1:8000/v1`.
  public var baseURL: String
  public var model: String
  /// Never logged, never part of an error.
  public var apiKey: String?
  /// Most tokens of prompt and completion together, 0 when unknown.
  public var contextLength: Int
  /// Until the head of the answer, and then between two pieces.
  public var timeout: Duration
  /// Times that a call is tried again while nothing has been streamed yet.
  public var retries: Int

  /// - Throws: ``ProviderError/configuration`` for an address that is no HTTP URL, or a key that would travel unencrypted
  ///   to another machine.
  public init(
    dialect: Dialect, baseURL: String, model: String, apiKey: String? = nil, contextLength: Int = 0,
    timeout: Duration = .seconds(120), retries: Int = 2
  ) throws(ProviderError) {
    let trimmed = baseURL.hasSuffix("/") ? String(baseURL.dropLast()) : baseURL
    guard let url = URL(string: trimmed), let scheme = url.scheme, ["http", "https"].contains(scheme),
      let host = url.host, !host.isEmpty
    else {
      throw ProviderError(
        ProviderError.configuration, "The address \(baseURL.prefix(200)) is no http or https URL.",
        remedy: "Write it like http://127.0.0.1:8000/v1.")
    }
    let isLoopback = ["localhost", "127.0.0.1", "::1", "[::1]"].contains(host)
    guard scheme == "https" || isLoopback || apiKey == nil else {
      throw ProviderError(
        ProviderError.configuration, "A key would travel to \(host) without encryption.",
        remedy: "Use https, or leave the key away.")
    }
    guard !model.isEmpty else {
      throw ProviderError(ProviderError.configuration, "The remote model has no name.", remedy: "Name one.")
    }
    self.dialect = dialect
    self.baseURL = trimmed
    self.model = model
    self.apiKey = apiKey
    self.contextLength = contextLength
    self.timeout = timeout
    self.retries = max(0, retries)
  }
}
