// Owns `strata collection graph`: choosing how a collection's entities are found, and letting a model read its passages.
import ArgumentParser
import Foundation
import StrataCore
import StrataRetrieval

struct CollectionGraph: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "graph", abstract: "Show or choose how the entities of a collection are found.",
    discussion: """
      Patterns look at the form of names and cost nothing to speak of. A model reads each passage once, which takes
      seconds; what it has read is kept, so the command goes on where it was when it is interrupted. Documents that come
      later are read when the command runs again.
      Example: strata collection graph default --by model --model qwen2.5-coder-0.5b
      """)
  @OptionGroup var common: CommonOptions
  @Argument(help: "A collection.") var name: String
  @Option(name: .long, help: "patterns, model or off; none shows the present choice.") var by: String?
  @Option(name: .long, help: "The model that reads (default: the default decoder).") var model: String?
  @Option(name: .long, help: "Threads for the model (default: all processors).") var threads: Int?

  func validate() throws {
    guard by.map({ ["patterns", "model", "off"].contains($0) }) ?? true else {
      throw ValidationError("--by must be patterns, model or off.")
    }
    guard model == nil || by == "model" else { throw ValidationError("--model goes with --by model.") }
  }

  func run() async throws {
    try await common.run {
      let wiring = try Wiring()
      let store = try wiring.store()
      try await CollectionCommand.require(name, in: store)
      var report: EntityReading.Report?
      if let by {
        var choice = by
        if by == "model" {
          let extractor = try wiring.entityExtractor(model, pool: wiring.pool(threads: threads))
          report = try await read(EntityReading(store: store, collection: name, extractor: extractor))
          choice = GraphExtraction.model(extractor.id).name
        }
        try await GraphExtraction(choice).choose(for: name, in: store)
        // Made here, so that the next search does not have to; a server that runs goes on with what it has.
        let index = try await OpenedIndex(wiring, name).open(repairs: true)
        try await index.load()
        try await index.flush()
      }
      show(try await GraphExtraction.chosen(for: name, in: store), report)
    }
  }

  private func read(_ reading: EntityReading) async throws -> EntityReading.Report {
    let bar = ProgressBar("read") { Terminal.formatted($0 * 100, digits: 1) + "%/s" }
    defer { bar.finish() }
    return try await reading.run { progress in
      bar.show(Double(progress.done) / Double(max(1, progress.total)), "\(progress.done)/\(progress.total) passages")
    }
  }

  private func show(_ choice: GraphExtraction, _ report: EntityReading.Report?) {
    if common.json {
      var value: JSONObject = ["collection": .string(name), "graph": .string(choice.name)]
      if let report {
        value["read"] = .int(report.read)
        value["known"] = .int(report.known)
        value["failed"] = .array(report.failures.map { .string($0.document) })
        value["seconds"] = .double(report.duration.inSeconds)
      }
      return Terminal.json(.object(value))
    }
    Terminal.out(Terminal.wrapped("\(name) finds entities by \(choice.name)"))
    guard let report else { return }
    Terminal.out(
      "  \(report.read) passages read in \(Terminal.formatted(seconds: report.duration.inSeconds)), "
        + "\(report.known) known before")
    for failure in report.failures.prefix(5) {
      Terminal.out(Terminal.wrapped("\(failure.document): \(failure.error)", indent: "  "))
    }
  }
}
