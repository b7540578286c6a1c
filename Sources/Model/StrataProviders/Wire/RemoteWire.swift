// Owns the seam between a call and the protocol of a provider.
import StrataCore

/// Writes requests and reads the events of one protocol. One value per call.
protocol RemoteWire {
  static func request(_ request: GenerationRequest, to endpoint: RemoteEndpoint) throws(ProviderError) -> RemoteRequest
  init(_ request: GenerationRequest)
  /// - Returns: what the event means, in order.
  mutating func push(_ event: ServerSentEvents.Event) throws(ProviderError) -> [GenerationEvent]
  /// Whether the answer has ended as the protocol says it must.
  var isComplete: Bool { get }
  /// The last events.
  mutating func finish() throws(ProviderError) -> [GenerationEvent]
  /// The message of an error body.
  static func message(of body: JSON) -> String?
}

/// A tool call whose arguments come in pieces.
struct PartialCall {
  var id = ""
  var name = ""
  var arguments = ""

  func finished() throws(ProviderError) -> ToolCall {
    let text = arguments.isEmpty ? "{}" : arguments
    do {
      return ToolCall(id: id, name: name, arguments: try JSON(parsing: Array(text.utf8)))
    } catch {
      throw ProviderError(
        ProviderError.malformed, "The arguments of the call of \(name) are no JSON.", cause: error)
    }
  }
}

func parsed(_ data: String) throws(ProviderError) -> JSON {
  do { return try JSON(parsing: Array(data.utf8)) } catch {
    throw ProviderError(ProviderError.malformed, "The server sent an event that is no JSON.", cause: error)
  }
}
