// Owns an app of two documents for two readers, so that the app API can be tested alone.
import Foundation
import StrataCore
import StrataServer

actor FakeApp: AppService {
  struct Stored {
    var document: AppDocument
    var text: String
    var readers: [Reader]
  }

  private var stored: [String: Stored] = [:]
  private(set) var asked: [(question: String, user: String)] = []
  private(set) var turns: [[ConversationTurn]] = []
  nonisolated let collectionName = "handbook"
  nonisolated let log = EventLog()
  /// Pieces that an answer has; a large number makes it last.
  private let pieceCount: Int
  private let failure: (any Error)?

  private let answer: String
  /// Citations on which the only sentence rests, by index.
  private let evidence: [Int]

  init(pieceCount: Int = 3, answer: String = "All.", evidence: [Int] = [], failure: (any Error)? = nil) {
    self.answer = answer
    self.evidence = evidence
    self.pieceCount = pieceCount
    self.failure = failure
    for (path, text, reader) in [
      ("open.md", "Grüße an alle.", Reader.everyone), ("secret.md", "The code word is heron.", .user("ada")),
    ] {
      stored[path] = Stored(
        document: AppDocument(
          path: path, title: path, version: 1, chunkCount: 1, byteCount: text.utf8.count, mediaType: "text/markdown",
          modifiedAt: Date(timeIntervalSince1970: 0), readers: [reader.description]),
        text: text, readers: [reader])
    }
  }

  private func visible(to principal: Principal) -> [Stored] {
    stored.values.filter { principal.mayRead($0.readers) }.sorted { $0.document.path < $1.document.path }
  }

  func overview(as principal: Principal) -> AppOverview {
    let count = visible(to: principal).count
    return AppOverview(
      model: "scripted", collection: "handbook", documentCount: count, chunkCount: count, examples: ["What is it?"])
  }

  func collections(as principal: Principal) -> [AppCollection] {
    let count = visible(to: principal).count
    return [AppCollection(name: "handbook", documentCount: count, passageCount: count, isServed: true)]
  }

  func search(_ query: QuerySpec, as principal: Principal) -> [Passage] {
    visible(to: principal).filter { $0.text.contains(query.text) }.prefix(query.limit).enumerated().map {
      index, stored in
      Passage(
        chunk: Int64(index), document: stored.document.path, version: 1, range: 0..<stored.text.utf8.count,
        text: stored.text, score: 1,
        explanation: PassageExplanation(
          legs: query.legs.map { .init(leg: $0, rank: index + 1, score: 2, contribution: 0.5) }, fusedScore: 1))
    }
  }

  func details(of path: String, as principal: Principal) -> AppDocumentDetails? {
    guard let stored = stored[path], principal.mayRead(stored.readers) else { return nil }
    return AppDocumentDetails(
      document: stored.document, versions: [], lineage: ["kind": "document", "name": .string(path)], users: ["ada"])
  }

  func accessTable(as principal: Principal) -> AppAccess {
    AppAccess(
      users: users(),
      documents: visible(to: principal).map {
        AppAccess.Row(path: $0.document.path, title: $0.document.title, readers: $0.document.readers, mayRead: [0])
      })
  }

  func users() -> [AppUser] { [AppUser(name: "ada", groups: ["engineering"])] }

  func principal(named user: String) -> Principal {
    Principal(user: user, groups: user == "ada" ? ["engineering"] : [])
  }

  nonisolated func ask(
    _ question: String, after turns: [ConversationTurn], as principal: Principal
  ) -> AsyncThrowingStream<AppEvent, any Error> {
    let (stream, continuation) = AsyncThrowingStream<AppEvent, any Error>.makeStream()
    let task = Task {
      await note(question, turns, principal)
      continuation.yield(.runStarted(run: "run-1", model: "scripted"))
      continuation.yield(.step(AppStep(index: 0, kind: "search", state: .done, passageCount: 1, milliseconds: 2)))
      for number in 0..<pieceCount {
        if pieceCount > 10 { try? await Task.sleep(for: .milliseconds(5)) }
        if Task.isCancelled { return }
        continuation.yield(.delta("piece\(number) "))
      }
      if let failure {
        continuation.finish(throwing: failure)
        return
      }
      let citation = AppCitation(
        number: 1, document: "open.md", version: 1, range: 0..<7, quote: "Grüße", title: "open.md")
      continuation.yield(.citation(citation))
      let sentence = SentenceSupport(
        range: 0..<4, text: "All.",
        estimate: SupportEstimate(probabilities: [0, 0.5, 0.5], score: 0.75, low: 0.5, high: 0.9, verdict: .supported),
        evidence: evidence.map { EvidencePlace(piece: $0, range: 0..<5) })
      continuation.yield(.sentence(sentence))
      continuation.yield(
        .done(
          AppAnswer(
            run: "run-1", answer: answer, isAnswerable: true, citations: [citation],
            faithfulness: FaithfulnessReport(sentences: [sentence]), usage: Usage(), milliseconds: 5)))
      continuation.finish()
    }
    continuation.onTermination = { [log] reason in
      if case .cancelled = reason { log.add("cancelled") }
      task.cancel()
    }
    return stream
  }

  private func note(_ question: String, _ turns: [ConversationTurn], _ principal: Principal) {
    asked.append((question, principal.user))
    self.turns.append(turns)
  }

  func documents(as principal: Principal) -> [AppDocument] { visible(to: principal).map(\.document) }

  func text(of path: String, version: Int?, as principal: Principal) -> AppDocumentText? {
    guard let found = stored[path], principal.mayRead(found.readers), version ?? 1 == 1 else { return nil }
    return AppDocumentText(path: path, version: 1, title: path, mediaType: "text/markdown", text: found.text)
  }

  func upload(_ name: String, content: UploadContent, as principal: Principal) async throws -> AppDocument {
    var bytes: [UInt8] = []
    for try await piece in content { bytes += piece }
    let document = AppDocument(
      path: name, title: name, version: 1, chunkCount: 1, byteCount: bytes.count, mediaType: "text/plain",
      modifiedAt: Date(timeIntervalSince1970: 0))
    stored[name] = Stored(
      document: document, text: String(decoding: bytes, as: UTF8.self), readers: [.user(principal.user)])
    return document
  }

  func delete(_ path: String, as principal: Principal) -> Bool {
    guard let found = stored[path], principal.mayRead(found.readers) else { return false }
    stored[path] = nil
    return true
  }

  private func summary(_ user: String) -> RunSummary {
    RunSummary(
      run: "run-1", tenant: "default", user: user, title: "What?", status: .completed,
      startedAt: Date(timeIntervalSince1970: 0), updatedAt: Date(timeIntervalSince1970: 1), eventCount: 1)
  }

  func runs(limit: Int, as principal: Principal) -> [RunSummary] {
    principal.user == "ada" ? [summary("ada")] : []
  }

  func run(_ id: String, as principal: Principal) -> (summary: RunSummary, events: [JournalEvent])? {
    guard id == "run-1", principal.user == "ada" else { return nil }
    let event = JournalEvent(
      run: id, sequence: 0, kind: "run.started", payload: ["question": "What?"],
      timestamp: Date(timeIntervalSince1970: 0))
    return (summary("ada"), [event])
  }
}
