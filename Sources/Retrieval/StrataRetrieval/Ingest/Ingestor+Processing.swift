// Owns the busy part of an ingest: batches of documents are prepared side by side and saved in order.
import Foundation
import StrataCore
import StrataIndex

extension Ingestor {
  func process(
    _ work: [IngestWork], _ run: inout IngestRun, _ wakeUp: AsyncStream<Void>.Continuation?
  ) async throws {
    guard let connector = run.connector else { return }
    let bytes = work.reduce(0) { $0 + $1.item.byteCount }
    run.monitor.update { progress in
      progress.documentsTotal = work.count
      progress.bytesTotal = bytes
    }
    let chunker = try run.chunking.chunker(embedder: embedder)
    let preparer = DocumentPreparer(connector: connector, chunker: chunker, schema: run.schema, loader: options.loader)
    let batches = self.batches(of: work)
    // What is being prepared, or is prepared but waits for an earlier batch, is never more than this.
    let window = max(1, options.concurrency) * 2
    try await withThrowingTaskGroup(of: (Int, DocumentPreparer.Batch).self) { group in
      var started = 0
      var accepted = 0
      var ready: [Int: DocumentPreparer.Batch] = [:]
      while accepted < batches.count {
        try Task.checkCancellation()
        while started < batches.count, started - accepted < window {
          let (index, batch) = (started, batches[started])
          group.addTask { (index, await preparer.prepare(batch)) }
          started += 1
        }
        guard let (index, prepared) = try await group.next() else { break }
        ready[index] = prepared
        while let prepared = ready.removeValue(forKey: accepted) {
          try Task.checkCancellation()
          try await accept(prepared, batches[accepted], &run)
          wakeUp?.yield()
          accepted += 1
        }
      }
    }
    try await noteStamps(&run)
  }

  /// Neither many nor large documents together: a batch is in memory as a whole, and saved in one transaction.
  private func batches(of work: [IngestWork]) -> [ArraySlice<IngestWork>] {
    var batches: [ArraySlice<IngestWork>] = []
    var start = 0
    var bytes = 0
    for (index, item) in work.enumerated() {
      if index > start, index - start >= options.batchDocumentCount || bytes + item.item.byteCount > 1 << 20 {
        batches.append(work[start..<index])
        start = index
        bytes = 0
      }
      bytes += item.item.byteCount
    }
    if start < work.count { batches.append(work[start...]) }
    return batches
  }

  private func accept(
    _ batch: DocumentPreparer.Batch, _ work: ArraySlice<IngestWork>, _ run: inout IngestRun
  ) async throws {
    for (stage, duration) in batch.stages { run.add(stage, duration) }
    var prepared: [(SourceItem, PreparedDocument)] = []
    for (work, outcome) in zip(work, batch.outcomes) {
      switch outcome {
      case .sameContent(let stamp):
        run.report.unchanged += 1
        if let stamp, stamp != work.known?.provenance.stamp { run.stamps[work.item.path] = stamp }
        run.finished(work.item)
      case .gone:
        if run.records[work.item.path] != nil { try await remove(work.item.path, &run) }
        run.finished(work.item)
      case .failed(let error):
        if error is CancellationError { throw error }
        try await fail(work.item, error, &run)
      case .prepared(let document): prepared.append((work.item, document))
      }
    }
    if run.stamps.count >= 1000 { try await noteStamps(&run) }
    try await save(prepared, &run)
  }

  private func fail(_ item: SourceItem, _ error: any Error, _ run: inout IngestRun) async throws {
    var keeps = run.records[item.path] != nil
    if keeps, (error as? RetrievalError)?.code.name == "document_without_text" {
      // The file was emptied: what it said before is no longer said.
      try await remove(item.path, &run)
      keeps = false
    }
    run.report.failed.append(IngestReport.Failure(document: item.path, error: error, keepsPreviousVersion: keeps))
    run.finished(item)
  }

  private func noteStamps(_ run: inout IngestRun) async throws {
    let stamps = run.stamps
    run.stamps = [:]
    if !stamps.isEmpty { try await stored(nil) { try await $0.setStamps(stamps, in: $1) } }
  }

  // MARK: Saving

  private func save(_ documents: [(SourceItem, PreparedDocument)], _ run: inout IngestRun) async throws {
    guard !documents.isEmpty else { return }
    let versions = documents.map { version(of: $0.0.path, $0.1, run) }
    let start = ContinuousClock.now
    let bringsVectors = versions.contains { $0.chunks.contains { $0.embedding != nil } }
    let embedderID = bringsVectors ? embedder?.id : nil
    let saved = try await stored(versions.first?.record.path) { store, _ in
      try await store.save(versions, embedder: embedderID)
    }
    run.add("store", .now - start)
    try await run.feed?.stored(saved.reduce(0) { $0 + $1.added.count })
    var waiting = 0
    for ((item, document), (version, saved)) in zip(documents, zip(versions, saved)) {
      let isNew = run.records.updateValue(version.record, forKey: item.path) == nil
      if isNew { run.report.added.append(item.path) } else { run.report.updated.append(item.path) }
      run.report.chunks += version.chunks.count
      run.report.bytes += document.content.bytes.count
      waiting += saved.added.reduce(0) { $0 + ($1.embedding == nil ? 1 : 0) }
      if run.keepsWaiting {
        run.waiting += saved.added.filter { $0.embedding == nil }.compactMap { chunk in
          chunk.inputHash.map {
            PendingEmbedding(
              inputHash: $0, document: chunk.document, title: version.record.title, headingPath: chunk.headingPath,
              text: chunk.text)
          }
        }
      }
      run.finished(item)
    }
    if embedder != nil { run.monitor.update { $0.vectorsTotal += waiting } }
  }

  private func version(of path: String, _ document: PreparedDocument, _ run: IngestRun) -> NewVersion {
    let (content, parsed) = (document.content, document.parsed)
    let record = DocumentRecord(
      collection: collection, path: path, version: (run.records[path]?.version ?? 0) + 1,
      contentHash: document.hash, byteCount: content.bytes.count, mediaType: parsed.mediaType, title: parsed.title,
      readers: run.readers(for: path), modifiedAt: content.modifiedAt, ingestedAt: options.now(),
      chunkCount: document.chunks.count, metadata: document.metadata,
      provenance: Provenance(
        source: run.source?.key, origin: content.origin, sourceVersion: content.sourceVersion, stamp: content.stamp,
        pipeline: run.pipeline))
    let chunks = document.chunks.enumerated().map { ordinal, chunk in
      ChunkRecord(
        collection: collection, document: path, version: record.version, ordinal: ordinal, range: chunk.range,
        text: chunk.text, headingPath: chunk.headingPath, page: chunk.page, embedding: chunk.vector,
        inputHash: chunk.inputHash(title: parsed.title))
    }
    return NewVersion(record, text: parsed.canonicalText, chunks: chunks)
  }
}

extension DocumentChunk {
  /// Names what is embedded, whatever embedder does it and however much of the context fits that.
  func inputHash(title: String) -> String {
    // A vector that was made in context is no function of the text.
    if let vector { return vector.withUnsafeBytes { SHA256.hash($0) } }
    let context = Self.context(title: title, headingPath: headingPath)
    return SHA256.hash(context.isEmpty ? text : context + "\n" + text)
  }
}

extension IndexEntry {
  /// How a stored chunk is searched.
  package init(_ chunk: ChunkRecord, of record: DocumentRecord) {
    self.init(
      id: chunk.id, document: chunk.document,
      title: DocumentChunk.context(title: record.title, headingPath: chunk.headingPath), body: chunk.text,
      vector: chunk.embedding, readers: record.readers, fields: record.fields, since: record.ingestedAt)
  }
}
