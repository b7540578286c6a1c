// Owns sending each request to the model that the policy chooses, and to the other one when that fails before it said
// anything.
import StrataCore
import Synchronization

/// One model that is two: the local one first, a remote one when the queue or the context is too long.
public struct HybridModel: LanguageModel {
  public let local: any LanguageModel
  public let remote: RemoteModel
  public let policy: RoutingPolicy
  private let localQueue: @Sendable () -> Int
  private let onRoute: @Sendable (RoutingPolicy.Route, String) -> Void

  /// - Parameters:
  ///   - localQueue: requests that wait for the local model now.
  ///   - onRoute: told of each decision and its reason.
  public init(
    local: any LanguageModel, remote: RemoteModel, policy: RoutingPolicy = RoutingPolicy(),
    localQueue: @escaping @Sendable () -> Int,
    onRoute: @escaping @Sendable (RoutingPolicy.Route, String) -> Void = { _, _ in }
  ) {
    self.local = local
    self.remote = remote
    self.policy = policy
    self.localQueue = localQueue
    self.onRoute = onRoute
  }

  /// The local model's, with the longer context of the two: what does not fit here may fit there.
  public var info: ModelInfo {
    var info = local.info
    info.contextLength = max(info.contextLength, remote.info.contextLength)
    return info
  }

  public func countTokens(_ input: GenerationRequest.Input, tools: [ToolDefinition]) async throws -> Int {
    try await local.countTokens(input, tools: tools)
  }

  public func generate(_ request: GenerationRequest) -> AsyncThrowingStream<GenerationEvent, any Error> {
    AsyncThrowingStream(running: { emit in try await self.run(request, emit: emit) })
  }

  private func run(_ request: GenerationRequest, emit: (GenerationEvent) -> Void) async throws {
    let tokens = try await local.countTokens(request.input, tools: request.tools) + (request.maxTokens ?? 1)
    let facts = RoutingPolicy.Facts(
      isLocalOnly: request.isLocalOnly, tokens: tokens, localContext: local.info.contextLength,
      localQueue: localQueue(), isRemoteAvailable: remote.isAvailable, remoteContext: remote.info.contextLength)
    let (route, reason) = policy.route(facts)
    onRoute(route, reason)
    let first: any LanguageModel = route == .local ? local : remote
    var hasOutput = false
    do {
      for try await event in first.generate(request) {
        hasOutput = true
        emit(event)
      }
    } catch {
      guard !hasOutput, let other = alternative(to: route, after: error, facts) else { throw error }
      onRoute(route == .local ? .remote : .local, "fallback")
      for try await event in other.generate(request) { emit(event) }
    }
  }

  private func alternative(
    to route: RoutingPolicy.Route, after error: any Error, _ facts: RoutingPolicy.Facts
  ) -> (any LanguageModel)? {
    guard let error = error as? any StrataError else { return nil }
    switch route {
    case .remote:
      let isTheirs = [.unavailable, .exhausted, .permissionDenied].contains(error.code.kind)
      return isTheirs && facts.tokens <= facts.localContext ? local : nil
    case .local:
      let helps = [.unavailable, .exhausted].contains(error.code.kind)
      return helps && !facts.isLocalOnly && facts.isRemoteAvailable ? remote : nil
    }
  }
}
