// Owns one question on its way through the server: its bounds, admission, budget, and the client that may leave. Knows
// nothing about the format of the answer.
import Foundation
import StrataCore

struct AppQuestions: Sendable {
  let app: any AppService
  let limits: ServerLimits
  let admission: Admission
  let ledger: BudgetLedger

  /// Most earlier turns that may come along.
  static let turnLimit = 50

  /// The question without white space around it.
  /// - Parameter reader: whose member `name` it is, for errors.
  func checked(_ question: String, _ name: String, of reader: ParameterReader) throws -> String {
    let question = question.trimmingCharacters(in: .whitespacesAndNewlines)
    guard !question.isEmpty else { throw reader.invalid(name, "must not be empty.") }
    guard question.utf8.count <= limits.questionByteCount else {
      throw reader.invalid(name, "is longer than \(limits.questionByteCount) bytes.")
    }
    return question
  }

  /// Starts as soon as there is room.
  func start(
    _ question: String, after turns: [ConversationTurn], as principal: Principal, for context: RequestContext
  ) async throws -> QuestionSession {
    let reservation = try ledger.reserve(context.key, prompt: 0, output: nil)
    let permit = try await admission.enter(context)
    let live = LiveStream(
      [app.ask(question, after: turns, as: principal)], connection: context.connection,
      keepAlive: limits.keepAliveInterval, deadline: context.deadline)
    return QuestionSession(live: live, permit: permit, reservation: reservation)
  }
}

/// A question that is being answered. Ends when ``end()`` is called or the last reference goes.
final class QuestionSession: Sendable {
  enum News: Sendable {
    case event(AppEvent)
    case silence
    /// The last news of a run that did not end well.
    case failed(any Error)
  }

  private let live: LiveStream<AppEvent>
  private let permit: Admission.Permit
  private let reservation: BudgetReservation?

  init(live: LiveStream<AppEvent>, permit: Admission.Permit, reservation: BudgetReservation?) {
    self.live = live
    self.permit = permit
    self.reservation = reservation
  }

  deinit { end() }

  func end() {
    live.cancel()
    permit.release()
    reservation?.settle(used: 0)
  }

  /// Calls `handle` with everything until the run is over.
  /// - Throws: what `handle` throws; an error of code `client_gone` when nobody reads any more.
  func forEach(_ handle: (News) async throws -> Void) async throws {
    for await signal in live.signals {
      switch signal {
      case .event(_, let event):
        if case .done(let answer) = event { reservation?.settle(used: answer.usage.totalTokens) }
        try await handle(.event(event))
      case .silence: try await handle(.silence)
      case .ended: return
      case .clientGone: throw ServerError(.clientGone, "The client closed the connection.")
      case .failed(let error): return try await handle(.failed(error))
      }
    }
    throw CancellationError()
  }
}
