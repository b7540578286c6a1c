// Owns what the app API needs from the layers below: asking, documents, runs, users. Whoever composes the program
// implements it; the server adds HTTP and nothing else.
import Foundation
import StrataCore

/// What the web page and the app API work with. Every call is made on behalf of a principal, and whatever comes back is
/// shown to that principal: an implementation returns nothing that they may not read.
public protocol AppService: Sendable {
  /// Name of the collection that is asked; also the name under which chat clients find it, `documents/NAME`.
  var collectionName: String { get }
  /// What the page shows before the first question, with counts of what the principal may read.
  func overview(as principal: Principal) async throws -> AppOverview
  /// Those whom a local caller may ask as; empty when there are no groups or users to choose from.
  func users() async throws -> [AppUser]
  /// The principal with this user's groups. Somebody unknown simply has no groups.
  func principal(named user: String) async throws -> Principal

  /// Answers a question, which may lean on earlier turns of its conversation, oldest first. Ending the iteration early cancels the run within one step. An error ends the stream.
  func ask(
    _ question: String, after turns: [ConversationTurn], as principal: Principal
  ) -> AsyncThrowingStream<AppEvent, any Error>

  /// Documents that the principal may read, with those whose ingestion failed or still runs.
  func documents(as principal: Principal) async throws -> [AppDocument]
  /// Canonical text of a version, the current one when `version` is nil. Nil when it does not exist or the principal
  /// may not read it: the two cannot be told apart.
  func text(of path: String, version: Int?, as principal: Principal) async throws -> AppDocumentText?
  /// Takes in a file that the principal uploads and makes it searchable.
  /// - Parameters:
  ///   - name: one path component, without control characters; not empty and not hidden.
  ///   - content: arrives while it is read; ends with an error when the client goes or the size limit is passed.
  func upload(_ name: String, content: UploadContent, as principal: Principal) async throws -> AppDocument
  /// - Returns: whether there was such a document that the principal may read.
  func delete(_ path: String, as principal: Principal) async throws -> Bool

  /// Collections of which the principal may read something, and the one that is served.
  func collections(as principal: Principal) async throws -> [AppCollection]
  /// Passages with the reasons for their places, best first.
  func search(_ query: QuerySpec, as principal: Principal) async throws -> [Passage]
  /// Nil when it does not exist or the principal may not read it: the two cannot be told apart.
  func details(of path: String, as principal: Principal) async throws -> AppDocumentDetails?
  /// Who may read the documents that the principal may read.
  func accessTable(as principal: Principal) async throws -> AppAccess

  /// The principal's runs, newest first.
  func runs(limit: Int, as principal: Principal) async throws -> [RunSummary]
  /// One run with its events. Nil when it does not exist or is not the principal's.
  func run(_ id: String, as principal: Principal) async throws -> (summary: RunSummary, events: [JournalEvent])?
}

/// Somebody to ask as in local mode.
public struct AppUser: Sendable, Hashable {
  public var name: String
  public var groups: [String]

  public init(name: String, groups: [String]) {
    self.name = name
    self.groups = groups
  }
}

/// The state of the app for one principal.
public struct AppOverview: Sendable, Hashable {
  /// Id of the model that answers.
  public var model: String
  /// Name of the collection, for the title of the page.
  public var collection: String
  public var documentCount: Int
  public var chunkCount: Int
  /// A few questions that the documents answer, for the empty page.
  public var examples: [String]
  /// False while documents are still being taken in for the first time.
  public var isReady: Bool
  /// Media types or file extensions that can be uploaded, such as `.md`.
  public var uploadTypes: [String]

  public init(
    model: String, collection: String, documentCount: Int, chunkCount: Int, examples: [String] = [],
    isReady: Bool = true, uploadTypes: [String] = []
  ) {
    self.model = model
    self.collection = collection
    self.documentCount = documentCount
    self.chunkCount = chunkCount
    self.examples = examples
    self.isReady = isReady
    self.uploadTypes = uploadTypes
  }
}

/// One row of the documents view.
public struct AppDocument: Sendable, Hashable {
  public enum State: String, Sendable, Hashable {
    /// Searchable.
    case ready
    /// Being parsed, chunked or embedded.
    case ingesting
    /// Not searchable; ``AppDocument/problem`` says why.
    case failed
  }

  public var path: String
  public var title: String
  public var version: Int
  public var state: State
  public var chunkCount: Int
  public var byteCount: Int
  public var mediaType: String
  public var modifiedAt: Date
  /// Text forms such as `everyone` or `group:engineering`.
  public var readers: [String]
  /// One sentence for people, when ``state`` is failed.
  public var problem: String?

  public init(
    path: String, title: String, version: Int, state: State = .ready, chunkCount: Int, byteCount: Int,
    mediaType: String, modifiedAt: Date, readers: [String] = [], problem: String? = nil
  ) {
    self.path = path
    self.title = title
    self.version = version
    self.state = state
    self.chunkCount = chunkCount
    self.byteCount = byteCount
    self.mediaType = mediaType
    self.modifiedAt = modifiedAt
    self.readers = readers
    self.problem = problem
  }

  /// The row of a document that is ready.
  public init(_ record: DocumentRecord) {
    self.init(
      path: record.path, title: record.title, version: record.version, chunkCount: record.chunkCount,
      byteCount: record.byteCount, mediaType: record.mediaType, modifiedAt: record.modifiedAt,
      readers: record.readers.map(\.description))
  }
}

/// The canonical text of one version, into which byte ranges point.
public struct AppDocumentText: Sendable, Hashable {
  public var path: String
  public var version: Int
  public var title: String
  public var mediaType: String
  public var text: String
  /// Whether `version` is the current one.
  public var isCurrent: Bool

  public init(path: String, version: Int, title: String, mediaType: String, text: String, isCurrent: Bool = true) {
    self.path = path
    self.version = version
    self.title = title
    self.mediaType = mediaType
    self.text = text
    self.isCurrent = isCurrent
  }
}

/// The bytes of an upload, in pieces, as they arrive. Can be read once.
public struct UploadContent: AsyncSequence, Sendable {
  public typealias Element = [UInt8]

  public struct AsyncIterator: AsyncIteratorProtocol {
    fileprivate var advance: () async throws -> [UInt8]?
    public mutating func next() async throws -> [UInt8]? { try await advance() }
  }

  /// What the client announced, if it did.
  public let expectedByteCount: Int?
  private let makeNext: @Sendable () -> () async throws -> [UInt8]?

  /// - Parameter pieces: any sequence of byte arrays.
  public init<Pieces: AsyncSequence & Sendable>(_ pieces: Pieces, expectedByteCount: Int? = nil)
  where Pieces.Element == [UInt8] {
    self.expectedByteCount = expectedByteCount
    makeNext = {
      var iterator = pieces.makeAsyncIterator()
      return { try await iterator.next() }
    }
  }

  public func makeAsyncIterator() -> AsyncIterator { AsyncIterator(advance: makeNext()) }
}
