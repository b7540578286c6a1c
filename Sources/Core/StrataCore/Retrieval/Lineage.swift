// Owns the records of what came from what: source, document version, chunk, vector, answer. Decides nothing about who
// may see them.
import Foundation

/// One document with everything that was made from it.
public struct DocumentLineage: Sendable, Hashable {
  public var source: SourceRecord?
  /// The current version's; its readers decide about the others too.
  public var current: DocumentRecord
  /// Oldest first.
  public var versions: [VersionLineage]

  public init(source: SourceRecord?, current: DocumentRecord, versions: [VersionLineage]) {
    self.source = source
    self.current = current
    self.versions = versions
  }
}

public struct VersionLineage: Sendable, Hashable {
  public var record: DocumentRecord
  /// In document order.
  public var chunks: [ChunkLineage]
  /// Answers that quote it.
  public var citations: [CitationRecord]

  public init(record: DocumentRecord, chunks: [ChunkLineage], citations: [CitationRecord]) {
    self.record = record
    self.chunks = chunks
    self.citations = citations
  }
}

public struct ChunkLineage: Sendable, Hashable {
  public var id: Int64
  public var ordinal: Int
  public var range: Range<Int>
  public var inputHash: String?
  /// Embedders that have made a vector of its text.
  public var embedders: [String]

  public init(id: Int64, ordinal: Int, range: Range<Int>, inputHash: String?, embedders: [String]) {
    self.id = id
    self.ordinal = ordinal
    self.range = range
    self.inputHash = inputHash
    self.embedders = embedders
  }
}

/// That an answer quotes part of a document version.
public struct CitationRecord: Sendable, Hashable {
  public var run: String
  public var tenant: String
  public var user: String
  /// The question.
  public var title: String
  public var answeredAt: Date
  /// Nil when the document was gone before the answer was written down.
  public var collection: String?
  public var document: String
  public var version: Int
  /// UTF-8 byte range in the version's canonical text.
  public var range: Range<Int>

  public init(
    run: String, tenant: String, user: String, title: String, answeredAt: Date, collection: String?, document: String,
    version: Int, range: Range<Int>
  ) {
    self.run = run
    self.tenant = tenant
    self.user = user
    self.title = title
    self.answeredAt = answeredAt
    self.collection = collection
    self.document = document
    self.version = version
    self.range = range
  }
}

/// A store that knows what came from what.
public protocol LineageStore: Sendable {
  func lineage(of document: String, in collection: String) async throws -> DocumentLineage?
  /// Which document the chunk is part of, history included.
  func document(ofChunk chunk: Int64) async throws -> (collection: String, path: String, version: Int)?
  /// What the answer of a run quotes, in the order of the answer.
  func citations(of run: String) async throws -> [CitationRecord]
}
