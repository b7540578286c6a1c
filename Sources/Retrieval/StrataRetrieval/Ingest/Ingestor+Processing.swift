// Owns the busy part of an ingest: files are prepared side by side, embedded in batches and saved in order.
import Foundation
import StrataCore
import StrataIndex

extension Ingestor {
  func process(_ work: [IngestWork], _ run: inout IngestRun) async throws {
    run.state.documentsTotal = work.count
    run.state.bytesTotal = work.reduce(0) { $0 + $1.file.stamp.byteCount }
    run.announce()
    let embedder = self.embedder
    let chunker = Chunker(tokenLimit: options.chunkTokenLimit) { text in
      embedder?.countTokens(text) ?? text.utf8.count / 4
    }
    let preparer = DocumentPreparer(
      folder: run.folder, reader: FileReader(byteLimit: options.fileByteLimit), chunker: chunker)
    // What is being prepared, or is prepared but waits for an earlier file, is never more than this.
    let window = max(1, options.concurrency) * 2
    var batch: [(IngestWork, PreparedDocument)] = []
    try await withThrowingTaskGroup(of: (Int, DocumentPreparer.Outcome).self) { group in
      var started = 0
      var accepted = 0
      var ready: [Int: DocumentPreparer.Outcome] = [:]
      while accepted < work.count {
        try Task.checkCancellation()
        while started < work.count, started - accepted < window {
          let (index, item) = (started, work[started])
          group.addTask {
            (index, await preparer.prepare(item.file, format: item.format, knownHash: item.knownHash))
          }
          started += 1
        }
        guard let (index, outcome) = try await group.next() else { break }
        ready[index] = outcome
        while let outcome = ready.removeValue(forKey: accepted) {
          try await accept(outcome, work[accepted], &batch, &run)
          accepted += 1
        }
      }
    }
    try await commit(&batch, &run)
  }

  private func accept(
    _ outcome: DocumentPreparer.Outcome, _ item: IngestWork, _ batch: inout [(IngestWork, PreparedDocument)],
    _ run: inout IngestRun
  ) async throws {
    switch outcome {
    case .sameContent:
      run.report.unchanged += 1
      run.finished(item.file)
    case .failed(let error):
      if error is CancellationError { throw error }
      try await fail(item, error, &run)
    case .prepared(let document):
      run.add("parse", document.parseTime)
      batch.append((item, document))
      if batch.reduce(0, { $0 + $1.1.chunks.count }) >= options.batchChunkCount { try await commit(&batch, &run) }
    }
  }

  private func fail(_ item: IngestWork, _ error: any Error, _ run: inout IngestRun) async throws {
    var keeps = run.records[item.file.path] != nil
    if keeps, (error as? RetrievalError)?.code.name == "document_without_text" {
      // The file was emptied: what it said before is no longer said.
      try await remove(emptied: item.file.path, &run)
      keeps = false
    }
    run.report.failed.append(
      IngestReport.Failure(document: item.file.path, error: error, keepsPreviousVersion: keeps))
    run.finished(item.file)
  }

  // MARK: Saving

  private func commit(_ batch: inout [(IngestWork, PreparedDocument)], _ run: inout IngestRun) async throws {
    defer { batch.removeAll() }
    let vectors = try await embed(batch.map(\.1), &run)
    for ((item, document), embedded) in zip(batch, vectors) {
      try Task.checkCancellation()
      switch embedded {
      case .success(let vectors): try await save(document, vectors, &run)
      case .failure(let error):
        try await fail(item, error, &run)
        continue
      }
      run.finished(item.file)
    }
  }

  private func save(_ document: PreparedDocument, _ vectors: [[Float]?], _ run: inout IngestRun) async throws {
    let previous = run.records[document.path]
    let record = DocumentRecord(
      collection: collection, path: document.path, version: (previous?.version ?? 0) + 1, contentHash: document.hash,
      byteCount: document.content.byteCount, mediaType: document.parsed.mediaType, title: document.parsed.title,
      readers: run.policy.readers(for: document.path), modifiedAt: document.content.modifiedAt,
      ingestedAt: options.now(), chunkCount: document.chunks.count)
    let chunks = zip(document.chunks, vectors).enumerated().map { ordinal, pair in
      ChunkRecord(
        collection: collection, document: document.path, version: record.version, ordinal: ordinal,
        range: pair.0.range, text: pair.0.text, headingPath: pair.0.headingPath, page: pair.0.page, embedding: pair.1)
    }
    let embedderID = embedder?.id
    let start = ContinuousClock.now
    let saved = try await stored(document.path) { store, _ in
      try await store.save(record, text: document.parsed.canonicalText, chunks: chunks, embedder: embedderID)
    }
    run.add("store", .now - start)
    let indexing = ContinuousClock.now
    try await index?.saved(saved.added, of: record, removed: saved.removed)
    run.add("index", .now - indexing)
    run.records[document.path] = record
    if previous == nil { run.report.added.append(document.path) } else { run.report.updated.append(document.path) }
    run.report.chunks += chunks.count
    run.report.bytes += document.content.byteCount
  }

  // MARK: Embedding

  private typealias Vectors = Result<[[Float]?], any Error>

  /// One result per document: a text that the embedder refuses fails its document only.
  private func embed(_ documents: [PreparedDocument], _ run: inout IngestRun) async throws -> [Vectors] {
    guard let embedder else {
      return documents.map { .success([[Float]?](repeating: nil, count: $0.chunks.count)) }
    }
    let start = ContinuousClock.now
    defer { run.add("embed", .now - start) }
    let texts = documents.map { document in
      document.chunks.map { $0.embeddedText(title: document.parsed.title, embedder: embedder) }
    }
    let hashes = texts.map { $0.map { SHA256.hash($0) } }
    let distinct = Array(Set(hashes.joined()))
    var known = try await stored(nil) { store, _ in
      try await store.cachedEmbeddings(distinct, embedder: embedder.id)
    }
    var failures: [String: any Error] = [:]
    var missing: [(hash: String, text: String)] = []
    var seen = Set(known.keys)
    for (hash, text) in zip(hashes.joined(), texts.joined()) where seen.insert(hash).inserted {
      missing.append((hash, text))
    }
    // Texts of similar length together: a batch costs as much as its longest.
    missing.sort { ($0.text.utf8.count, $0.hash) < ($1.text.utf8.count, $1.hash) }
    for lower in stride(from: 0, to: missing.count, by: max(1, options.batchChunkCount)) {
      try Task.checkCancellation()
      let slice = Array(missing[lower..<min(missing.count, lower + max(1, options.batchChunkCount))])
      let fresh = try await embed(slice, embedder, &failures)
      try await stored(nil) { store, _ in try await store.cacheEmbeddings(fresh, embedder: embedder.id) }
      known.merge(fresh) { $1 }
      run.report.embedded += fresh.count
      run.announce()
    }
    return hashes.map { hashes in
      if let error = hashes.lazy.compactMap({ failures[$0] }).first { return .failure(error) }
      return .success(hashes.map { known[$0] })
    }
  }

  private func embed(
    _ slice: [(hash: String, text: String)], _ embedder: any Embedder, _ failures: inout [String: any Error]
  ) async throws -> [String: [Float]] {
    do {
      let vectors = try await embedder.embed(slice.map(\.text))
      guard vectors.count == slice.count, vectors.allSatisfy({ $0.count == embedder.dimension }) else {
        throw RetrievalError.embedderFailed("The embedder \(embedder.id) gave vectors of the wrong shape.", path: nil)
      }
      return Dictionary(zip(slice.map(\.hash), vectors)) { $1 }
    } catch let error as CancellationError {
      throw error
    } catch {
      guard slice.count > 1 else {
        if let only = slice.first {
          failures[only.hash] = RetrievalError.embedderFailed(
            "A part of the document could not be embedded.", path: nil, cause: error)
        }
        return [:]
      }
      // One bad text must not take its neighbours along.
      let middle = slice.count / 2
      let first = try await embed(Array(slice[..<middle]), embedder, &failures)
      return first.merging(try await embed(Array(slice[middle...]), embedder, &failures)) { $1 }
    }
  }
}

extension IndexEntry {
  /// How a stored chunk is searched.
  package init(_ chunk: ChunkRecord, of record: DocumentRecord) {
    self.init(
      id: chunk.id, document: chunk.document,
      title: DocumentChunk.context(title: record.title, headingPath: chunk.headingPath), body: chunk.text,
      vector: chunk.embedding, readers: record.readers)
  }
}
