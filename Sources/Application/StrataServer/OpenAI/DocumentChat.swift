// Owns the documents as a model of chat completions, so that any OpenAI client gets cited answers. Decides nothing about
// documents, and sends no text before its citations are verified.
import Foundation
import HTTPTypes
import Hummingbird
import StrataCore

/// `model: "documents/NAME"`: the last user message is the question, what came before are earlier turns. The answer has
/// OpenAI's `annotations` (`url_citation`, which open the document at the quoted place), and `grounding` with citations
/// by version and byte range and the verdict on each sentence.
struct DocumentChat: Sendable {
  let questions: AppQuestions

  static func modelName(_ collection: String) -> String { "documents/" + collection }

  private var name: String { DocumentChat.modelName(questions.app.collectionName) }

  func isNamed(_ model: String) -> Bool { model == name }

  func complete(
    _ chat: ChatRequest, _ reader: ParameterReader, _ request: Request, _ context: RequestContext
  ) async throws -> Response {
    guard context.key?.allows(name) ?? true else {
      throw ServerError(
        .modelNotFound, "The model `\(name)` does not exist, or you may not use it.", parameter: "model")
    }
    try refuseWhatChangesNothing(chat, reader)
    let (question, turns) = try conversation(chat, reader)
    let principal = try await AppCaller(app: questions.app).principal(labelled: try reader.string("user"), context)
    let session = try await questions.start(question, after: turns, as: principal, for: context)
    let format = ChatFormat(
      id: "chatcmpl-" + RandomID.make(24), model: name, created: UnixTime.now, hasLogprobs: false)
    let page = DocumentPage(request)
    guard chat.isStream else {
      defer { session.end() }
      return .json(format.completion(try await answer(session), page))
    }
    let logger = context.logger
    return .events { writer in
      defer { session.end() }
      let chunks = ChatChunks(format: format, choices: 1, includesUsage: chat.includesUsage)
      try await writer.send(chunks.opening())
      try await session.forEach { news in
        switch news {
        case .silence: try await writer.sendComment()
        case .failed(let error): try await writer.send(chunks.failure(ErrorReply(error, of: "ask", logger)))
        case .event(.step(let step)) where step.state == .done:
          try await writer.send([chunks.chunk(0, ["reasoning_content": .string(step.line)])])
        case .event(.done(let answer)):
          try await writer.send(
            [
              chunks.chunk(0, ["content": .string(answer.answer)]),
              chunks.chunk(0, answer.chatMembers(page), reason: "stop"),
            ] + chunks.closing(answer.usage))
        case .event: break
        }
      }
    }
  }

  private func answer(_ session: QuestionSession) async throws -> AppAnswer {
    var answer: AppAnswer?
    try await session.forEach { news in
      switch news {
      case .event(.done(let final)): answer = final
      case .failed(let error): throw error
      case .event, .silence: break
      }
    }
    guard let answer else {
      throw ServerError(.incompleteGeneration, "The run ended without an answer.")
    }
    return answer
  }

  /// What would silently change nothing, though the client counts on it.
  private func refuseWhatChangesNothing(_ chat: ChatRequest, _ reader: ParameterReader) throws {
    for name in ["tools", "response_format", "logprobs"] where reader[name] != nil && reader[name] != false {
      throw reader.unsupported(name, "`\(chat.model)` answers in cited text only.")
    }
    guard chat.choices == 1 else { throw reader.unsupported("n", "`\(chat.model)` has one answer.") }
  }

  /// The last message, which must be the user's, and the turns before it, the latest ones where there are many.
  private func conversation(_ chat: ChatRequest, _ reader: ParameterReader) throws -> (String, [ConversationTurn]) {
    guard case .messages(let messages) = chat.generation.input, let last = messages.last, last.role == .user else {
      throw reader.invalid("messages", "must end with the question, a message of the user.")
    }
    var turns: [ConversationTurn] = []
    for message in messages.dropLast() {
      switch message.role {
      case .user: turns.append(ConversationTurn(message.content))
      case .assistant:
        if let turn = turns.indices.last { turns[turn].answer = message.content }
      default: break
      }
    }
    let question = try questions.checked(last.content, "messages[\(messages.count - 1)].content", of: reader)
    return (question, turns.suffix(AppQuestions.turnLimit))
  }
}

/// Where the web page of this server shows documents.
private struct DocumentPage: Sendable {
  private static let plain = CharacterSet(charactersIn: "/-._~").union(.alphanumerics)
  private let base: String

  /// The address by which the client reached the server; nobody but this client sees it again.
  init(_ request: Request) {
    let isSecure = HTTPField.Name("X-Forwarded-Proto").flatMap { request.headers[$0] }?.lowercased() == "https"
    base = request.head.authority.map { (isSecure ? "https://" : "http://") + $0 } ?? ""
  }

  /// Opens the version at the quoted place.
  func url(_ citation: AppCitation) -> String {
    let path = citation.document.addingPercentEncoding(withAllowedCharacters: DocumentPage.plain) ?? ""
    return base + "/#document?path=\(path)&version=\(citation.version)"
      + "&start=\(citation.range.lowerBound)&end=\(citation.range.upperBound)"
  }
}

extension ChatFormat {
  fileprivate func completion(_ answer: AppAnswer, _ page: DocumentPage) -> JSON {
    var message: JSONObject = ["role": "assistant", "content": .string(answer.answer), "refusal": .null]
    for (key, value) in answer.chatMembers(page) { message[key] = value }
    var body = head("chat.completion")
    body["choices"] = [["index": 0, "message": .object(message), "logprobs": .null, "finish_reason": "stop"]]
    body["usage"] = answer.usage.json
    return .object(body)
  }
}

extension AppAnswer {
  /// What an answer from documents has beside its text.
  fileprivate func chatMembers(_ page: DocumentPage) -> JSONObject {
    [
      "annotations": .array(annotations(page)),
      "grounding": [
        "run": .string(run), "answerable": .bool(isAnswerable), "citations": .array(citations.map(\.json)),
        "faithfulness": faithfulness?.json ?? .null,
      ],
    ]
  }

  /// Where the text rests on each citation: at its `[number]` where the text has one, else the sentences that it supports,
  /// else all of it. Places count Unicode scalars, as Python and OpenAI's clients do.
  private func annotations(_ page: DocumentPage) -> [JSON] {
    citations.flatMap { citation in
      places(of: citation).map { place in
        [
          "type": "url_citation",
          "url_citation": [
            "start_index": .int(place.lowerBound), "end_index": .int(place.upperBound),
            "title": .string(citation.title), "url": .string(page.url(citation)),
          ],
        ]
      }
    }
  }

  private func places(of citation: AppCitation) -> [Range<Int>] {
    let marks = answer.ranges(of: "[\(citation.number)]").map(scalars)
    guard marks.isEmpty else { return marks }
    let utf8 = answer.utf8
    let supported = (faithfulness?.sentences ?? []).filter { sentence in
      sentence.evidence.contains { $0.piece == citation.number - 1 } && sentence.range.upperBound <= utf8.count
    }.map { sentence in
      scalars(
        utf8.index(
          utf8.startIndex, offsetBy: sentence.range.lowerBound)..<utf8.index(
            utf8.startIndex, offsetBy: sentence.range.upperBound))
    }
    return supported.isEmpty ? [scalars(answer.startIndex..<answer.endIndex)] : supported
  }

  private func scalars(_ range: Range<String.Index>) -> Range<Int> {
    let scalars = answer.unicodeScalars
    let start = scalars.distance(from: scalars.startIndex, to: range.lowerBound)
    return start..<(start + scalars.distance(from: range.lowerBound, to: range.upperBound))
  }
}

extension AppStep {
  /// One line for people.
  fileprivate var line: String {
    let found = passageCount.map { " (\($0) \($0 == 1 ? "passage" : "passages"))" } ?? ""
    return "\(kind)\(detail.isEmpty ? "" : ": " + detail)\(found)\n"
  }
}
