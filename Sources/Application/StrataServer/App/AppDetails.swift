// Owns what the app API tells about collections and about one document: versions, lineage, readers. Plain values; who may
// see them is decided by whoever makes them.
import Foundation
import StrataCore

/// A set of documents.
public struct AppCollection: Sendable, Hashable {
  public var name: String
  /// Of documents that the principal may read.
  public var documentCount: Int
  public var passageCount: Int
  /// Whether this server searches it.
  public var isServed: Bool
  /// What its vectors were made with; nil when nobody made any.
  public var embedder: String?
  /// How its documents are cut.
  public var chunking: String?
  /// Where they come from.
  public var source: String?

  public init(
    name: String, documentCount: Int, passageCount: Int, isServed: Bool, embedder: String? = nil,
    chunking: String? = nil, source: String? = nil
  ) {
    self.name = name
    self.documentCount = documentCount
    self.passageCount = passageCount
    self.isServed = isServed
    self.embedder = embedder
    self.chunking = chunking
    self.source = source
  }
}

/// One version of a document.
public struct AppVersion: Sendable, Hashable {
  public var number: Int
  public var ingestedAt: Date
  public var byteCount: Int
  public var passageCount: Int
  /// Lower-case hexadecimal SHA-256 of the file.
  public var contentHash: String

  public init(_ record: DocumentRecord) {
    number = record.version
    ingestedAt = record.ingestedAt
    byteCount = record.byteCount
    passageCount = record.chunkCount
    contentHash = record.contentHash
  }
}

/// Everything about a document but its text.
public struct AppDocumentDetails: Sendable, Hashable {
  public var document: AppDocument
  /// Newest first.
  public var versions: [AppVersion]
  /// What it came from and what was made of it, as a tree of `kind`, `name`, facts and `leads_to`.
  public var lineage: JSON
  /// Known users who may read it, in alphabetical order; empty where users may not be told.
  public var users: [String]

  public init(document: AppDocument, versions: [AppVersion], lineage: JSON, users: [String] = []) {
    self.document = document
    self.versions = versions
    self.lineage = lineage
    self.users = users
  }
}

/// Who may read what, among the documents that the asker may read.
public struct AppAccess: Sendable, Hashable {
  public struct Row: Sendable, Hashable {
    public var path: String
    public var title: String
    /// Text forms such as `everyone` or `group:engineering`.
    public var readers: [String]
    /// Indices into ``AppAccess/users``.
    public var mayRead: Set<Int>

    public init(path: String, title: String, readers: [String], mayRead: Set<Int>) {
      self.path = path
      self.title = title
      self.readers = readers
      self.mayRead = mayRead
    }
  }

  public var users: [AppUser]
  public var documents: [Row]

  public init(users: [AppUser], documents: [Row]) {
    self.users = users
    self.documents = documents
  }
}

extension AppCollection {
  var json: JSON {
    [
      "name": .string(name), "documents": .int(documentCount), "chunks": .int(passageCount),
      "served": .bool(isServed), "embedder": embedder.map(JSON.string) ?? .null,
      "chunking": chunking.map(JSON.string) ?? .null, "source": source.map(JSON.string) ?? .null,
    ]
  }
}

extension AppDocumentDetails {
  /// - Parameter showsUsers: whether the asker may know who else there is.
  func json(showsUsers: Bool) -> JSON {
    var body = document.json.objectValue ?? JSONObject()
    body["versions"] = .array(
      versions.map {
        [
          "version": .int($0.number), "ingested_at": $0.ingestedAt.jsonText, "bytes": .int($0.byteCount),
          "chunks": .int($0.passageCount), "sha256": .string($0.contentHash),
        ]
      })
    body["lineage"] = lineage
    if showsUsers { body["users"] = .array(users.map(JSON.string)) }
    return .object(body)
  }
}

extension AppAccess {
  var json: JSON {
    [
      "users": .array(
        users.map { ["name": .string($0.name), "groups": .array($0.groups.sorted().map(JSON.string))] }),
      "documents": .array(
        documents.map { row in
          [
            "path": .string(row.path), "title": .string(row.title), "readers": .array(row.readers.map(JSON.string)),
            "may_read": .array(users.indices.map { .bool(row.mayRead.contains($0)) }),
          ]
        }),
    ]
  }
}
