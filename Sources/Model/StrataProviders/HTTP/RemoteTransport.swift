// Owns the seam to the HTTP client: a POST whose answer streams.
import AsyncHTTPClient
import Foundation
import NIOCore
import NIOHTTP1
import StrataCore

/// A request to a provider.
package struct RemoteRequest: Sendable {
  package var url: String
  package var headers: [(String, String)]
  package var body: [UInt8]
}

/// The head of an answer, and its body as it comes.
package struct RemoteReply: Sendable {
  package var status: Int
  /// Names in lower case.
  package var headers: [String: String]
  package var body: AsyncThrowingStream<[UInt8], any Error>

  package init(status: Int, headers: [String: String], body: AsyncThrowingStream<[UInt8], any Error>) {
    self.status = status
    self.headers = headers
    self.body = body
  }
}

package protocol RemoteTransport: Sendable {
  /// - Parameter timeout: until the head of the answer.
  func post(_ request: RemoteRequest, timeout: Duration) async throws -> RemoteReply
}

/// The connections of a process to its providers. Pools per host; ends with ``shutdown()``.
public final class RemoteConnections: RemoteTransport {
  private let client: HTTPClient

  /// - Parameter connectTimeout: for TCP and TLS together.
  public init(connectTimeout: Duration = .seconds(10)) {
    var configuration = HTTPClient.Configuration.singletonConfiguration
    configuration.timeout.connect = .nanoseconds(connectTimeout.components.seconds * 1_000_000_000)
    configuration.connectionPool.retryConnectionEstablishment = false
    // A redirect would carry the key to another host.
    configuration.redirectConfiguration = .disallow
    client = HTTPClient(eventLoopGroupProvider: .singleton, configuration: configuration)
  }

  public func shutdown() async throws { try await client.shutdown() }

  /// Posts a body and gives status and `Retry-After` of the answer, whose body is dropped; for span exporters.
  public func post(json body: [UInt8], to url: String, headers: [(String, String)] = []) async throws -> (
    status: Int, retryAfter: Int?
  ) {
    let request = RemoteRequest(url: url, headers: headers + [("Content-Type", "application/json")], body: body)
    let reply = try await post(request, timeout: .seconds(10))
    for try await _ in reply.body {}
    return (reply.status, reply.headers["retry-after"].flatMap { Int($0) })
  }

  package func post(_ request: RemoteRequest, timeout: Duration) async throws -> RemoteReply {
    var outgoing = HTTPClientRequest(url: request.url)
    outgoing.method = .POST
    for (name, value) in request.headers { outgoing.headers.add(name: name, value: value) }
    outgoing.body = .bytes(ByteBuffer(bytes: request.body))
    let response: HTTPClientResponse
    do {
      response = try await client.execute(
        outgoing, timeout: .nanoseconds(Int64(timeout / .nanoseconds(1))))
    } catch let error as HTTPClientError where error == .deadlineExceeded || error == .connectTimeout {
      throw ProviderError(ProviderError.timeout, "The server at \(host(of: request.url)) did not answer in time.")
    } catch is CancellationError {
      throw CancellationError()
    } catch {
      throw ProviderError(
        ProviderError.unreachable, "The server at \(host(of: request.url)) cannot be reached.",
        remedy: "Check the address, and that it runs.", cause: error)
    }
    var headers: [String: String] = [:]
    for header in response.headers { headers[header.name.lowercased()] = header.value }
    let body = response.body
    let stream = AsyncThrowingStream<[UInt8], any Error>(running: { emit in
      // Leaving the stream ends this loop, which closes the connection.
      for try await buffer in body { emit(Array(buffer.readableBytesView)) }
    })
    return RemoteReply(status: Int(response.status.code), headers: headers, body: stream)
  }

  private func host(of url: String) -> String { URL(string: url)?.host ?? "the given address" }
}
