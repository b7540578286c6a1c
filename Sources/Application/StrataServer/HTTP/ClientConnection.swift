// Owns what one TCP connection tells about its client: that it went away, or that it stopped taking bytes. Knows
// nothing about requests.
import NIOCore
import Synchronization

/// Lets work that is done for a client end as soon as nobody waits for it any more.
final class ClientConnection: Sendable {
  private struct State {
    var isGone = false
    var nextID = 0
    var observers: [Int: @Sendable () -> Void] = [:]
  }
  private let state = Mutex(State())

  /// Calls `action` once when the client goes, or at once when it is gone. Keep the id to remove it again.
  func onGone(_ action: @escaping @Sendable () -> Void) -> Int? {
    let id: Int? = state.withLock { state in
      guard !state.isGone else { return nil }
      state.nextID += 1
      state.observers[state.nextID] = action
      return state.nextID
    }
    if id == nil { action() }
    return id
  }

  func removeObserver(_ id: Int?) {
    guard let id else { return }
    state.withLock { _ = $0.observers.removeValue(forKey: id) }
  }

  func markGone() {
    let observers = state.withLock { state in
      state.isGone = true
      defer { state.observers = [:] }
      return Array(state.observers.values)
    }
    for observer in observers { observer() }
  }

  var isGone: Bool { state.withLock { $0.isGone } }

  static func of(_ channel: any Channel) async throws -> ClientConnection {
    try await channel.eventLoop.submit {
      try channel.pipeline.syncOperations.handler(type: ClientConnectionHandler.self).connection
    }.get()
  }
}

/// Watches a channel for its ``ClientConnection``. A client that closes its sending side counts as gone: HTTP clients
/// do that only when they give up.
final class ClientConnectionHandler: ChannelInboundHandler, RemovableChannelHandler {
  typealias InboundIn = Any
  typealias InboundOut = Any

  let connection = ClientConnection()
  private let stallTimeout: TimeAmount
  private var stallTask: Scheduled<Void>?

  init(stallTimeout: Duration) {
    self.stallTimeout = TimeAmount(stallTimeout)
  }

  func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
    if case ChannelEvent.inputClosed? = event as? ChannelEvent { connection.markGone() }
    context.fireUserInboundEventTriggered(event)
  }

  func errorCaught(context: ChannelHandlerContext, error: any Error) {
    context.fireErrorCaught(error)
  }

  func channelInactive(context: ChannelHandlerContext) {
    stallTask?.cancel()
    connection.markGone()
    context.fireChannelInactive()
  }

  func handlerRemoved(context: ChannelHandlerContext) {
    stallTask?.cancel()
    connection.markGone()
  }

  func channelWritabilityChanged(context: ChannelHandlerContext) {
    stallTask?.cancel()
    stallTask = nil
    if !context.channel.isWritable {
      let channel = context.channel
      stallTask = context.eventLoop.scheduleTask(in: stallTimeout) { channel.close(promise: nil) }
    }
    context.fireChannelWritabilityChanged()
  }
}
