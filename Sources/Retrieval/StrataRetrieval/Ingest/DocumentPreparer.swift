// Owns what happens to one file before anything is stored: read, hash, parse, cut. Knows nothing about the store.
import StrataCore

/// A document that is ready to be embedded and saved.
struct PreparedDocument: Sendable {
  var path: String
  var content: FileStamp
  var hash: String
  var parsed: ParsedDocument
  var chunks: [DocumentChunk]
  var parseTime: Duration
}

/// Prepares files, many at a time.
struct DocumentPreparer: Sendable {
  enum Outcome: Sendable {
    case prepared(PreparedDocument)
    /// The bytes are those that `knownHash` says.
    case sameContent
    case failed(any Error)
  }

  var folder: String
  var reader: FileReader
  var chunker: Chunker

  /// - Parameter knownHash: of the version that the store has; nil prepares whatever the bytes are.
  func prepare(_ file: WalkedFile, format: DocumentFormat, knownHash: String?) async -> Outcome {
    let start = ContinuousClock.now
    do {
      let content = try reader.read("\(folder)/\(file.path)")
      let hash = SHA256.hash(content.bytes)
      if hash == knownHash { return .sameContent }
      let parsed = try await format.parse(content.bytes, path: file.path)
      let chunks = chunker.chunks(of: parsed)
      guard !chunks.isEmpty else {
        throw RetrievalError.noText("The document has no text.", remedy: "Fill it, or ignore it.", path: file.path)
      }
      return .prepared(
        PreparedDocument(
          path: file.path, content: content.stamp, hash: hash, parsed: parsed, chunks: chunks,
          parseTime: .now - start))
    } catch {
      return .failed(error)
    }
  }
}

extension ContinuousClock.Instant {
  static func - (later: ContinuousClock.Instant, earlier: ContinuousClock.Instant) -> Duration {
    earlier.duration(to: later)
  }
}
