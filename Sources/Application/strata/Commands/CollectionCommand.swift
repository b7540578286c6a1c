// Owns `strata collection`: what collections there are, what is in them, and how they are searched.
import ArgumentParser
import Foundation
import StrataCore
import StrataRetrieval
import StrataStore

struct CollectionCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "collection", abstract: "List, show, delete and change collections.",
    subcommands: [
      CollectionList.self, CollectionShow.self, CollectionForget.self, CollectionDelete.self, CollectionEmbedder.self,
      CollectionGraph.self, CollectionSchema.self,
    ])

  /// - Throws: when there is no collection of that name.
  static func require(_ name: String, in store: SQLiteStore) async throws {
    guard try await store.collections().contains(name) else {
      throw CommandError(
        CommandError.nothingIngested, "There is no collection \(name).", remedy: "List them: strata collection list")
    }
  }
}

struct CollectionList: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "list", abstract: "Collections with their sizes.",
    discussion: "Example: strata collection list --json")
  @OptionGroup var common: CommonOptions

  func run() async throws {
    try await common.run {
      let store = try Wiring().store()
      var values: [JSON] = []
      for name in try await store.collections() {
        let size = try await store.size(of: name)
        let embedder = try await store.embedders(of: name).current
        values.append([
          "collection": .string(name), "documents": .int(size.documents), "chunks": .int(size.chunks),
          "bytes": .int(size.bytes), "embedder": embedder.map(JSON.string) ?? .null,
        ])
        if !common.json {
          Terminal.out(Terminal.bold(name))
          Terminal.out(
            "  \(size.documents) documents · \(size.chunks) chunks · \(Terminal.formatted(bytes: size.bytes))"
              + " · \(embedder ?? "words only")")
        }
      }
      if common.json { Terminal.json(["collections": .array(values)]) }
    }
  }
}

struct CollectionShow: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "show", abstract: "Sources, embedder, queue and schema of a collection.",
    discussion: "Example: strata collection show default")
  @OptionGroup var common: CommonOptions
  @Argument(help: "A collection.") var name = "default"

  func run() async throws {
    try await common.run {
      let store = try Wiring().store()
      try await CollectionCommand.require(name, in: store)
      let size = try await store.size(of: name)
      let embedders = try await store.embedders(of: name)
      var waiting: [String: Int] = [:]
      for embedder in [embedders.current, embedders.next].compactMap({ $0 }) {
        waiting[embedder] = try await store.pendingEmbeddingCount(for: embedder, in: name)
      }
      let sources = try await store.sources(in: name)
      let schema = try await store.setting("schema", in: name).map { try JSON(parsing: $0) }
      if common.json {
        return Terminal.json([
          "collection": .string(name), "documents": .int(size.documents), "versions": .int(size.versions),
          "chunks": .int(size.chunks), "bytes": .int(size.bytes),
          "embedder": embedders.current.map(JSON.string) ?? .null,
          "next_embedder": embedders.next.map(JSON.string) ?? .null,
          "waiting": .object(JSONObject(waiting.sorted { $0.key < $1.key }.map { ($0.key, .int($0.value)) })),
          "sources": .array(sources.map(Self.json)), "schema": schema ?? .null,
        ])
      }
      Terminal.out(Terminal.bold(name))
      Terminal.out(
        "  \(size.documents) documents, \(size.versions) versions, \(size.chunks) chunks, "
          + Terminal.formatted(bytes: size.bytes))
      for (title, embedder) in [("embedder", embedders.current), ("next embedder", embedders.next)] {
        guard let embedder else { continue }
        let rest = waiting[embedder] ?? 0
        Terminal.out("  \(title): \(embedder)\(rest > 0 ? " (\(rest) chunks wait)" : "")")
      }
      for source in sources {
        let time = source.completedAt.map { ", read \($0.formatted(.iso8601))" } ?? ", not read to its end"
        let key = source.key.isEmpty ? "" : "\(source.key) ← "
        Terminal.out(Terminal.wrapped("\(source.connector): \(key)\(source.uri)\(time)", indent: "  "))
      }
      if let schema { Terminal.out("  schema: " + schema.text(.pretty).replacing("\n", with: "\n  ")) }
    }
  }

  private static func json(_ source: SourceRecord) -> JSON {
    [
      "key": .string(source.key), "connector": .string(source.connector), "uri": .string(source.uri),
      "cursor": source.cursor.map(JSON.string) ?? .null,
      "completed_at": source.completedAt.map { .string($0.formatted(.iso8601)) } ?? .null,
    ]
  }
}

struct CollectionDelete: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "delete", abstract: "Delete a collection with all its documents and versions.",
    discussion: "Its sources are not touched. Example: strata collection delete drafts --yes")
  @OptionGroup var common: CommonOptions
  @Argument(help: "A collection.") var name: String
  @Flag(name: .long, help: "Do it.") var yes = false

  func run() async throws {
    try await common.run {
      let store = try Wiring().store()
      try await CollectionCommand.require(name, in: store)
      let size = try await store.size(of: name)
      guard yes else {
        throw CommandError(
          CommandError.usage, "This would delete \(size.documents) documents and \(size.versions) versions.",
          remedy: "Add --yes if that is meant.")
      }
      try await store.deleteCollection(name)
      if common.json { return Terminal.json(["deleted": .string(name), "documents": .int(size.documents)]) }
      Terminal.out("\(name) deleted with \(size.documents) documents")
    }
  }
}

struct CollectionForget: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "forget", abstract: "Forget one source of a collection with all documents that came from it.",
    discussion: """
      The source itself is not touched. Its name is its key or its address, as `strata collection show` prints them.
      Example: strata collection forget default https://example.org/sitemap.xml --yes
      """)
  @OptionGroup var common: CommonOptions
  @Argument(help: "A collection.") var name: String
  @Argument(help: "Key or address of a source.") var source: String
  @Flag(name: .long, help: "Do it.") var yes = false

  func run() async throws {
    try await common.run {
      let store = try Wiring().store()
      try await CollectionCommand.require(name, in: store)
      let sources = try await store.sources(in: name)
      guard let record = sources.first(where: { $0.key == source }) ?? sources.first(where: { $0.uri == source }) else {
        throw CommandError(
          CommandError.usage, "The collection \(name) has no source \(source).",
          remedy: "See its sources: strata collection show \(name)")
      }
      guard yes else {
        let count = try await store.documents(in: name).count { $0.provenance.source == record.key }
        throw CommandError(
          CommandError.usage, "This would forget \(record.uri) and delete its \(count) documents with all versions.",
          remedy: "Add --yes if that is meant.")
      }
      let paths = try await store.deleteSource(record.key, in: name) ?? []
      if common.json {
        return Terminal.json([
          "collection": .string(name), "key": .string(record.key), "uri": .string(record.uri),
          "deleted": .array(paths.map(JSON.string)),
        ])
      }
      Terminal.out(Terminal.wrapped("\(record.uri) forgotten with \(paths.count) documents", indent: ""))
    }
  }
}

struct CollectionEmbedder: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "embedder", abstract: "Embed a collection with another model, and search by that from then on.",
    discussion: """
      Searches go on by the present model until every chunk has its new vector; then all change at once. When this is
      interrupted, running it again goes on where it was; naming the present model gives it up.
      Example: strata collection embedder default --model all-minilm-l6-v2
      """)
  @OptionGroup var common: CommonOptions
  @Argument(help: "A collection.") var name: String
  @Option(
    name: .long, help: "Catalog name of an encoder, or file:FOLDER with config.json, model.safetensors, vocab.txt.")
  var model: String
  @Option(name: .long, help: "Threads for the embedder (default: all processors).") var threads: Int?

  func run() async throws {
    try await common.run {
      let wiring = try Wiring()
      let store = try wiring.store()
      try await CollectionCommand.require(name, in: store)
      let before = try await store.embedders(of: name).current
      let embedder = try wiring.embedder(named: model, pool: wiring.pool(threads: threads))
      try await store.prepare(embedder: embedder.id, in: name)
      let ingestor = Ingestor(store: store, embedder: embedder, collection: name)
      let bar = ProgressBar("embed") { Terminal.formatted($0 * 100, digits: 1) + "%/s" }
      let report = try await ingestor.embed { progress in
        let done = progress.vectorsTotal > 0 ? Double(progress.vectorsDone) / Double(progress.vectorsTotal) : 1
        bar.show(done, "\(progress.vectorsDone)/\(progress.vectorsTotal) vectors")
      }
      bar.finish()
      let after = try await store.embedders(of: name)
      if after.current == embedder.id {
        // Made here, so that the next search does not have to; a server that runs makes its own in memory.
        let index = try await CollectionIndex.open(
          store: store, dimension: embedder.dimension, embedder: embedder.id, collection: name,
          folder: wiring.home.index.path)
        try await index.load()
        try await index.flush()
      }
      if common.json {
        return Terminal.json([
          "collection": .string(name), "before": before.map(JSON.string) ?? .null,
          "embedder": after.current.map(JSON.string) ?? .null, "embedded": .int(report.embedded),
          "dimension": .int(embedder.dimension), "seconds": .double(report.duration.inSeconds),
        ])
      }
      if before == after.current {
        Terminal.out("\(name) is searched by \(after.current ?? "words only")")
      } else {
        Terminal.out(
          "\(name) is searched by \(after.current ?? "words only") now; \(report.embedded) texts embedded in "
            + Terminal.formatted(seconds: report.duration.inSeconds))
      }
    }
  }
}

struct CollectionSchema: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "schema", abstract: "Show, set or remove the JSON Schema of a collection's metadata.",
    discussion: """
      Documents whose metadata does not fit are not taken in from the next ingest on; the report says why.
      Example: strata collection schema default metadata.json
      """)
  @OptionGroup var common: CommonOptions
  @Argument(help: "A collection.") var name: String
  @Argument(help: "A file with a JSON Schema; none shows the present one.", completion: .file()) var file: String?
  @Flag(name: .long, help: "Remove the schema.") var remove = false

  func run() async throws {
    try await common.run {
      let store = try Wiring().store()
      if remove {
        try await store.setSetting("schema", to: nil, in: name)
      } else if let file {
        guard let data = FileManager.default.contents(atPath: file) else {
          throw CommandError(CommandError.fileUnreadable, "There is no file \(file).")
        }
        let schema = try MetadataSchema(JSON(parsing: String(decoding: data, as: UTF8.self)))
        try await store.setSetting("schema", to: schema.json.text(), in: name)
      }
      let schema = try await store.setting("schema", in: name).map { try JSON(parsing: $0) }
      if common.json { return Terminal.json(["collection": .string(name), "schema": schema ?? .null]) }
      Terminal.out(schema?.text(.pretty) ?? "\(name) has no schema")
    }
  }
}
