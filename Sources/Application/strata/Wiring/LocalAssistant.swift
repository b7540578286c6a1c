// Owns what the web page and the app API do in this program: runs, documents, users, uploads of one collection.
import Foundation
import StrataAgents
import StrataCore
import StrataEvaluation
import StrataRetrieval
import StrataServer
import StrataServing

/// The ``AppService`` over a local model and a local store.
final class LocalAssistant: AppService {
  let model: LocalModel
  let collection: Collection
  private let runner: AgentRunner
  private let uploads: URL

  init(_ wiring: Wiring, _ collection: Collection, model: LocalModel) async throws {
    self.model = model
    self.collection = collection
    runner = try wiring.runner(for: collection, model: model)
    uploads = wiring.home.uploads.appendingPathComponent(collection.name)
    try await collection.retriever.load()
  }

  var collectionName: String { collection.name }

  func overview(as principal: Principal) async throws -> AppOverview {
    let access = try await collection.gate.decision(for: principal)
    let readable = try await collection.store.documents(in: collection.name).filter(access.mayRead)
    return AppOverview(
      model: model.info.id, collection: collection.name, documentCount: readable.count,
      chunkCount: readable.reduce(0) { $0 + $1.chunkCount }, examples: await examples(for: access),
      uploadTypes: DocumentFormat.supportedExtensions.map { "." + $0 })
  }

  /// Questions of the folder's own `questions.yaml`, if it has one, that this principal may get an answer to.
  private func examples(for access: AccessDecision) async -> [String] {
    guard let folder = try? await collection.store.setting("folder", in: collection.name),
      let set = try? QuestionSet(file: folder + "/questions.yaml")
    else { return [] }
    let answerable = set.questions.filter { !$0.refuse && access.mayRead($0.readers) }
    // What only this reader may know is the more interesting.
    let own = answerable.filter { !$0.readers.contains(.everyone) }.prefix(1)
    return (own + answerable.filter { $0.readers.contains(.everyone) }.prefix(4 - own.count)).map(\.question)
  }

  func users() async throws -> [AppUser] {
    var groups: [String: [String]] = [:]
    for (group, users) in try await collection.store.groups(in: collection.name) {
      for user in users { groups[user, default: []].append(group) }
    }
    return groups.sorted { $0.key < $1.key }.map { AppUser(name: $0.key, groups: $0.value.sorted()) }
  }

  func principal(named user: String) async throws -> Principal { try await collection.principal(user) }

  // MARK: Asking

  func ask(
    _ question: String, after turns: [ConversationTurn], as principal: Principal
  ) -> AsyncThrowingStream<AppEvent, any Error> {
    AsyncThrowingStream(running: { emit in
      var translation = EventTranslation(model: self.model.info.id)
      for await event in self.runner.run(AgentRequest(question, after: turns, as: principal)) {
        if case .failed(let error) = event { throw error }
        for translated in translation.translate(event) { emit(translated) }
      }
    })
  }

  // MARK: Documents

  func documents(as principal: Principal) async throws -> [AppDocument] {
    let access = try await collection.gate.decision(for: principal)
    return try await collection.store.documents(in: collection.name).filter(access.mayRead).map { AppDocument($0) }
  }

  func text(of path: String, version: Int?, as principal: Principal) async throws -> AppDocumentText? {
    // Who may read the current version may read old ones, and nobody else.
    guard let current = try await collection.store.document(path, version: nil, in: collection.name),
      try await collection.gate.decision(for: principal).mayRead(current)
    else { return nil }
    let number = version ?? current.version
    guard let record = try await collection.store.document(path, version: number, in: collection.name),
      let text = try await collection.store.text(of: path, version: number, in: collection.name)
    else { return nil }
    return AppDocumentText(
      path: path, version: number, title: record.title, mediaType: record.mediaType, text: text,
      isCurrent: number == current.version)
  }

  func upload(_ name: String, content: UploadContent, as principal: Principal) async throws -> AppDocument {
    let path = Ingestor.uploadPrefix + name
    if let current = try await collection.store.document(path, version: nil, in: collection.name),
      try await !collection.gate.isClaimed(current, by: Self.owner(principal))
    {
      throw CommandError(
        CommandError.nameTaken, "There is a document of that name already.", remedy: "Rename the file and try again.")
    }
    let target = uploads.appendingPathComponent(path)
    let folder = target.deletingLastPathComponent()
    try FileManager.default.createDirectory(
      at: folder, withIntermediateDirectories: true, attributes: [.posixPermissions: 0o700])
    let partial = folder.appendingPathComponent(".\(UUID().uuidString)")
    defer { try? FileManager.default.removeItem(at: partial) }
    try await Self.write(content, to: partial)
    guard rename(partial.path, target.path) == 0 else {
      throw CommandError(
        CommandError.fileUnreadable, "The upload could not be stored: \(String(cString: strerror(errno))).",
        remedy: "Check the space and the permissions of \(folder.path).")
    }
    do {
      let readers = try await collection.gate.claim(path, for: Self.owner(principal))
      return AppDocument(try await collection.ingestor().add(path, in: uploads.path, readers: readers))
    } catch {
      try? FileManager.default.removeItem(at: target)
      if try await collection.store.document(path, version: nil, in: collection.name) == nil {
        try await collection.gate.disclaim(path)
      }
      throw error
    }
  }

  /// Who reads an upload: whoever made it; what nobody in particular uploads is for everyone.
  private static func owner(_ principal: Principal) -> Reader {
    principal == .anonymous ? .everyone : .user(principal.user)
  }

  private static func write(_ content: UploadContent, to url: URL) async throws {
    _ = FileManager.default.createFile(atPath: url.path, contents: nil, attributes: [.posixPermissions: 0o600])
    let file = try FileHandle(forWritingTo: url)
    defer { try? file.close() }
    for try await piece in content {
      do {
        try file.write(contentsOf: piece)
      } catch {
        throw CommandError(
          CommandError.diskFull, "The upload could not be written.", remedy: "Free some space and try again.",
          cause: error)
      }
    }
  }

  func delete(_ path: String, as principal: Principal) async throws -> Bool {
    guard let record = try await collection.store.document(path, version: nil, in: collection.name),
      try await collection.gate.decision(for: principal).mayRead(record)
    else { return false }
    // Reading is no right to delete: only what this principal handed in is theirs.
    guard path.hasPrefix(Ingestor.uploadPrefix),
      try await collection.gate.isClaimed(record, by: Self.owner(principal))
    else {
      throw CommandError(
        CommandError.notYours, "Only the one who uploaded \(path) can delete it.",
        remedy: "Documents of the ingested folder are deleted there.")
    }
    try await collection.ingestor().remove(path)
    try await collection.gate.disclaim(path)
    try? FileManager.default.removeItem(at: uploads.appendingPathComponent(path))
    return true
  }

  // MARK: Runs

  func runs(limit: Int, as principal: Principal) async throws -> [RunSummary] {
    try await collection.store.runs(limit: 1000, status: nil)
      .filter { $0.tenant == principal.tenant && $0.user == principal.user }.prefix(limit).map { $0 }
  }

  func run(_ id: String, as principal: Principal) async throws -> (summary: RunSummary, events: [JournalEvent])? {
    guard let summary = try await collection.store.summary(of: id), summary.tenant == principal.tenant,
      summary.user == principal.user
    else { return nil }
    return (summary, try await collection.gate.visible(collection.store.events(of: id), to: principal))
  }
}

/// Turns the agent's events into those of the page, with the time that each step took.
struct EventTranslation {
  let model: String
  private let start = ContinuousClock.now
  private var stepStart = ContinuousClock.now
  private var index = -1
  private var current: AppStep?

  init(model: String) { self.model = model }

  mutating func translate(_ event: AgentEvent) -> [AppEvent] {
    switch event {
    case .started(let run, _), .resumed(let run, _): return [.runStarted(run: run, model: model)]
    case .rewritten(let question): return begin("rewrite", "") + end(detail: "“\(question.text)”")
    case .planning: return begin("plan", "Choosing what to do next")
    case .planned(_, let action, let source):
      let words = action.query.map { "search for “\($0)”" } ?? action.name
      return end(detail: source == .rule ? words : "\(words) (\(source.rawValue))")
    case .searched(_, let query, let passages):
      index += 1
      let step = AppStep(
        index: index, kind: "search", state: .done, detail: query, passageCount: passages.count,
        milliseconds: Self.milliseconds(since: stepStart))
      stepStart = .now
      return [.step(step), .passages(passages)]
    case .toolFinished(_, let tool, let isError):
      return begin(tool, isError ? "failed" : "done") + end(detail: isError ? "failed" : "done")
    case .answering(_, let passages): return begin("answer", "Reading \(passages) passages")
    case .answerDelta(let text): return [.delta(text)]
    case .citation(let number, let citation): return [.citation(Self.citation(citation, number))]
    case .sentence(let sentence): return [.sentence(sentence)]
    case .finished(let answer):
      let citations = answer.citations.enumerated().map { Self.citation($1, $0 + 1) }
      let detail =
        answer.answerable
        ? "\(citations.count) \(citations.count == 1 ? "citation" : "citations") verified"
        : answer.reason ?? "not answerable"
      let result = AppAnswer(
        run: answer.run, answer: answer.answer, isAnswerable: answer.answerable, citations: citations,
        faithfulness: answer.faithfulness, droppedCitationCount: answer.droppedCitations, usage: answer.usage,
        milliseconds: Self.milliseconds(since: start))
      return end(detail: detail.replacing("_", with: " ")) + [.done(result)]
    case .failed: return []
    }
  }

  private mutating func begin(_ kind: String, _ detail: String) -> [AppEvent] {
    index += 1
    stepStart = .now
    let step = AppStep(index: index, kind: kind, state: .running, detail: detail)
    current = step
    return [.step(step)]
  }

  private mutating func end(detail: String, passages: Int? = nil) -> [AppEvent] {
    guard var step = current else { return [] }
    current = nil
    step.state = .done
    step.detail = detail
    step.passageCount = passages
    step.milliseconds = Self.milliseconds(since: stepStart)
    stepStart = .now
    return [.step(step)]
  }

  private static func milliseconds(since start: ContinuousClock.Instant) -> Int {
    let duration = start.duration(to: .now).components
    return Int(duration.seconds) * 1000 + Int(duration.attoseconds / 1_000_000_000_000_000)
  }

  private static func citation(_ citation: Citation, _ number: Int) -> AppCitation {
    AppCitation(
      number: number, document: citation.document, version: citation.version, range: citation.range,
      quote: citation.quote, title: citation.title)
  }
}
