// Owns running a real server on a free port and talking to it over a plain socket.
import Foundation
import Logging
import StrataCore
import StrataServer
import StrataTesting

/// What came back over the wire.
struct WireResponse: Sendable {
  let status: Int
  let headers: [String: String]
  let body: String

  init(_ bytes: [UInt8]) {
    let text = String(decoding: bytes, as: UTF8.self)
    let parts = text.components(separatedBy: "\r\n\r\n")
    let lines = parts[0].components(separatedBy: "\r\n")
    status = Int(lines[0].split(separator: " ").dropFirst().first ?? "0") ?? 0
    var headers: [String: String] = [:]
    for line in lines.dropFirst() {
      let pair = line.split(separator: ":", maxSplits: 1)
      if pair.count == 2 { headers[pair[0].lowercased()] = pair[1].trimmingCharacters(in: .whitespaces) }
    }
    self.headers = headers
    let rest = parts.dropFirst().joined(separator: "\r\n\r\n")
    body = headers["transfer-encoding"] == "chunked" ? WireResponse.unchunked(rest) : rest
  }

  private static func unchunked(_ text: String) -> String {
    var rest = Array(text.utf8)[...]
    var result: [UInt8] = []
    while let end = rest.firstIndex(of: 0x0D) {
      guard let size = Int(String(decoding: rest[rest.startIndex..<end], as: UTF8.self), radix: 16), size > 0 else {
        break
      }
      rest = rest[(end + 2)...]
      result += rest.prefix(size)
      rest = rest.dropFirst(size + 2)
    }
    return String(decoding: result, as: UTF8.self)
  }

  var json: JSON { (try? JSON(parsing: body)) ?? .null }
  /// The `error` object's code.
  var errorCode: String? { json["error"]?["code"]?.stringValue }

  /// The `data:` values of an event stream, with the event's name if it has one.
  var events: [(name: String?, data: String)] {
    body.components(separatedBy: "\n\n").compactMap { block in
      var name: String?
      var data: String?
      for line in block.split(separator: "\n") {
        if line.hasPrefix("event: ") { name = String(line.dropFirst(7)) }
        if line.hasPrefix("data: ") { data = String(line.dropFirst(6)) }
      }
      return data.map { (name, $0) }
    }
  }
}

struct SocketFailure: Error {
  let step: String
}

/// One connection. Blocking calls run outside the threads that Swift's tasks need.
final class TestConnection: Sendable {
  private let descriptor: Int32

  init(port: Int) throws {
    descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
    var address = sockaddr_in()
    address.sin_family = sa_family_t(AF_INET)
    address.sin_port = in_port_t(UInt16(port).bigEndian)
    address.sin_addr.s_addr = inet_addr("127.0.0.1")
    var timeout = timeval(tv_sec: 20, tv_usec: 0)
    setsockopt(descriptor, SOL_SOCKET, SO_RCVTIMEO, &timeout, socklen_t(MemoryLayout<timeval>.size))
    setsockopt(descriptor, SOL_SOCKET, SO_SNDTIMEO, &timeout, socklen_t(MemoryLayout<timeval>.size))
    let result = withUnsafePointer(to: &address) { pointer in
      pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
        connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
      }
    }
    guard result == 0 else { throw SocketFailure(step: "connect") }
  }

  deinit { close(descriptor) }

  func endSending() { shutdown(descriptor, Int32(SHUT_WR)) }
  func hangUp() { shutdown(descriptor, Int32(SHUT_RDWR)) }

  private func blocking<Value: Sendable>(_ work: @escaping @Sendable () throws -> Value) async throws -> Value {
    try await withCheckedThrowingContinuation { continuation in
      Thread.detachNewThread { continuation.resume(with: Result { try work() }) }
    }
  }

  func send(_ bytes: [UInt8]) async throws {
    try await blocking { [descriptor] in
      var rest = bytes[...]
      while !rest.isEmpty {
        let count = rest.withUnsafeBytes { Foundation.send(descriptor, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL)) }
        guard count > 0 else { throw SocketFailure(step: "send") }
        rest = rest.dropFirst(count)
      }
    }
  }

  /// Reads until the text has `mark`, or the server closes.
  func receive(until mark: String? = nil) async throws -> [UInt8] {
    try await blocking { [descriptor] in
      var bytes: [UInt8] = []
      var buffer = [UInt8](repeating: 0, count: 65536)
      while true {
        let count = recv(descriptor, &buffer, buffer.count, 0)
        guard count >= 0 else { throw SocketFailure(step: "receive") }
        if count == 0 { return bytes }
        bytes += buffer.prefix(count)
        if let mark, String(decoding: bytes, as: UTF8.self).contains(mark) { return bytes }
      }
    }
  }
}

struct TestServer: Sendable {
  let port: Int

  func connect() throws -> TestConnection { try TestConnection(port: port) }

  func head(_ method: String, _ path: String, _ headers: [String: String], length: Int?) -> String {
    var fields = ["Host": "127.0.0.1:\(port)", "Connection": "close"]
    if let length { fields["Content-Length"] = "\(length)" }
    fields.merge(headers) { $1 }
    return "\(method) \(path) HTTP/1.1\r\n" + fields.map { "\($0): \($1)\r\n" }.joined() + "\r\n"
  }

  /// One request on a connection of its own.
  func call(
    _ method: String, _ path: String, _ body: String? = nil, headers: [String: String] = [:]
  ) async throws -> WireResponse {
    let connection = try connect()
    let bytes = Array((body ?? "").utf8)
    try await connection.send(
      Array(head(method, path, headers, length: body == nil ? nil : bytes.count).utf8) + bytes)
    return WireResponse(try await connection.receive())
  }

  func post(_ path: String, _ body: JSON, headers: [String: String] = [:]) async throws -> WireResponse {
    try await call("POST", path, body.text(), headers: headers)
  }
}

/// Runs a server for the time of `body`.
func withServer(
  models: [any LanguageModel] = [ScriptedModel(["Hello there, friend."])], embedders: [any Embedder] = [],
  rerankers: [any Reranker] = [], source: (any ModelSource)? = nil, app: (any AppService)? = nil,
  configure: (inout ServerConfiguration) -> Void = { _ in },
  _ body: @Sendable @escaping (TestServer) async throws -> Void
) async throws {
  var configuration = ServerConfiguration(port: 0, handlesSignals: false)
  configure(&configuration)
  var logger = Logger(label: "test", factory: { _ in SwiftLogNoOpLogHandler() })
  logger.logLevel = .critical
  let server = HTTPServer(
    configuration: configuration, models: models, embedders: embedders, rerankers: rerankers, source: source, app: app,
    logger: logger)
  let (addresses, continuation) = AsyncStream<BoundAddress>.makeStream()
  try await withThrowingTaskGroup(of: Void.self) { group in
    group.addTask {
      defer { continuation.finish() }
      try await server.run { continuation.yield($0) }
    }
    var iterator = addresses.makeAsyncIterator()
    if let address = await iterator.next() {
      do {
        try await body(TestServer(port: address.port))
      } catch {
        group.cancelAll()
        throw error
      }
      group.cancelAll()
    }
    while true {
      do {
        guard try await group.next() != nil else { break }
      } catch is CancellationError {}
    }
  }
}

/// Streams pieces at a pace until it is told to stop, and remembers how it ended.
final class PacedModel: LanguageModel {
  let info: ModelInfo
  let pieces: Int
  let pause: Duration
  let log = EventLog()
  /// Whose requests came, in order.
  let tenants = EventLog()

  init(id: String = "paced", pieces: Int = 1000, pause: Duration = .milliseconds(5), contextLength: Int = 4096) {
    info = ModelInfo(id: id, contextLength: contextLength)
    self.pieces = pieces
    self.pause = pause
  }

  func generate(_ request: GenerationRequest) -> AsyncThrowingStream<GenerationEvent, any Error> {
    let (stream, continuation) = AsyncThrowingStream<GenerationEvent, any Error>.makeStream()
    tenants.add(request.tenant)
    let task = Task { [pieces, pause, log] in
      log.add("started")
      for number in 0..<pieces {
        try? await Task.sleep(for: pause)
        if Task.isCancelled { break }
        continuation.yield(.text("word\(number) ", logprobs: []))
      }
      continuation.yield(
        .finished(.stop, Usage(promptTokens: 3, completionTokens: pieces), GenerationTimings()))
      continuation.finish()
    }
    continuation.onTermination = { [log] reason in
      if case .cancelled = reason { log.add("cancelled") }
      task.cancel()
    }
    return stream
  }

  func countTokens(_ input: GenerationRequest.Input, tools: [ToolDefinition]) async throws -> Int { 3 }
}

/// What happened, in order, from any thread.
final class EventLog: @unchecked Sendable {
  // `entries` is touched under `lock` only.
  private let lock = NSLock()
  private var entries: [String] = []

  func add(_ entry: String) { lock.withLock { entries.append(entry) } }
  var all: [String] { lock.withLock { entries } }

  /// Waits until `entry` is there.
  func wait(for entry: String, count: Int = 1) async throws {
    for _ in 0..<2000 {
      if all.filter({ $0 == entry }).count >= count { return }
      try await Task.sleep(for: .milliseconds(5))
    }
    throw SocketFailure(step: "waiting for \(entry), have \(all)")
  }
}
