// Owns proving that an index holds what the store says, each chunk once and as it is. Repairs nothing.
import StrataCore
import StrataIndex

/// What is not as it should be.
public struct IndexProblem: Sendable, Hashable, CustomStringConvertible {
  public enum Kind: String, Sendable, Hashable, CaseIterable {
    /// A file's bytes are not what was written.
    case file
    /// The store has the chunk, the index does not.
    case missing
    /// The index has the chunk, the store does not, or not as current.
    case extra
    /// The index has the chunk twice.
    case twice
    /// Text, title or fields differ.
    case content
    case vector
    /// Entities or relations differ.
    case entities
    case readers
  }

  public var kind: Kind
  public var chunk: Int64?
  public var description: String

  init(_ kind: Kind, _ chunk: Int64?, _ description: String) {
    self.kind = kind
    self.chunk = chunk
    self.description = description
  }
}

/// What a verification found.
public struct IndexVerification: Sendable {
  /// Chunks that the store and the index were compared by.
  public var chunkCount: Int
  /// The store's change token at which they were compared.
  public var token: Int64
  public var problems: [IndexProblem]
}

extension CollectionIndex {
  /// Catches up, then compares every entry that the store gives with the index, and checks every byte of its files.
  ///
  /// - Throws: when the store cannot be read, or changes so fast that no moment can be compared.
  public func verify() async throws -> IndexVerification {
    for _ in 0..<10 {
      try await refresh()
      let snapshot = index.snapshot()
      let token = index.token
      var verification = try await compare(snapshot)
      verification.token = token
      guard let newest = try await source.token(), newest != token else {
        verification.problems += index.verifyFiles().map { IndexProblem(.file, nil, $0) }
        return verification
      }
    }
    throw RetrievalError(
      ErrorCode("index_verify_unsettled", .unavailable), "The collection changes all the time.",
      remedy: "Verify when nothing is being ingested.", location: collection)
  }

  private func compare(_ snapshot: IndexSnapshot) async throws -> IndexVerification {
    var indexed: [Int64: ChunkFingerprint] = [:]
    var result = IndexVerification(chunkCount: 0, token: 0, problems: [])
    snapshot.forEachChunk { fingerprint in
      if indexed.updateValue(fingerprint, forKey: fingerprint.id) != nil {
        result.problems.append(
          IndexProblem(
            .twice, fingerprint.id, "\(source.name(fingerprint.id, document: nil)) is in the index twice."))
      }
    }
    let ids = try await source.ids()
    for start in stride(from: 0, to: ids.count, by: Self.pageEntryCount) {
      for entry in try await source.entries(Array(ids[start..<min(ids.count, start + Self.pageEntryCount)])) {
        result.chunkCount += 1
        let place = source.name(entry.id, document: entry.document)
        guard let found = indexed.removeValue(forKey: entry.id) else {
          result.problems.append(IndexProblem(.missing, entry.id, "\(place) is not in the index."))
          continue
        }
        let expected = ChunkFingerprint(entry)
        if found.contentHash != expected.contentHash {
          result.problems.append(IndexProblem(.content, entry.id, "\(place) is indexed with another text."))
        }
        if found.vectorHash != expected.vectorHash {
          result.problems.append(IndexProblem(.vector, entry.id, "\(place) is indexed with another vector."))
        }
        if found.entityHash != expected.entityHash {
          result.problems.append(IndexProblem(.entities, entry.id, "\(place) is indexed with other entities."))
        }
        if found.readers != expected.readers {
          result.problems.append(IndexProblem(.readers, entry.id, "\(place) is indexed with other readers."))
        }
      }
    }
    for id in indexed.keys.sorted() {
      result.problems.append(
        IndexProblem(
          .extra, id, "\(source.name(id, document: nil)) is in the index, but not in the store."))
    }
    return result
  }
}
