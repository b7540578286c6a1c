// Owns the command's name, version and list of subcommands.
import ArgumentParser
import StrataCore

@main
struct Strata: AsyncParsableCommand {
  static let version = "0.1.0"

  static let configuration = CommandConfiguration(
    commandName: "strata",
    abstract: "Ask your own documents and get cited answers from a local model.",
    discussion: """
      Start here:
        strata up Examples/handbook        fetch models, ingest, serve the page
        strata ask "How many days of holiday do I have?" --as sofia
      """,
    version: version,
    subcommands: [
      Up.self, Serve.self, Ask.self, Check.self, Chat.self, Ingest.self, Parse.self, CollectionCommand.self,
      LineageCommand.self, Search.self, QueryCommand.self, Generate.self, Embed.self, ModelCommand.self,
      AdapterCommand.self, TokenizerCommand.self, Eval.self, AgentCommand.self, IndexCommand.self, GraphCommand.self,
      MemoryCommand.self, AccessCommand.self, KeyCommand.self, Doctor.self,
    ])

  static func main() async {
    MemoryArenas.bound()
    await main(nil)
  }
}

/// What every command understands.
struct CommonOptions: ParsableArguments {
  @Flag(name: .long, help: "Print one JSON value instead of text for people.")
  var json = false

  /// Runs `body`, prints its error as people or machines need it, and leaves with the documented exit code.
  func run(_ body: () async throws -> Void) async throws {
    do {
      try await body()
    } catch let error as ExitCode {
      throw error
    } catch {
      throw ExitCode(Terminal.prints(error, json: json))
    }
  }
}

/// Which model runs, and on how many threads.
struct ModelOptions: ParsableArguments {
  @Option(name: .long, help: "Catalog name, file:PATH or a .gguf path (default: the catalog's).")
  var model: String?

  @Option(name: .long, help: "Threads for the model (default: all processors).")
  var threads: Int?

  @Option(
    name: .long,
    help: "How tokens are guessed ahead: off, lookup or draft:MODEL. What is generated stays the same.")
  var speculation = "lookup"
}

/// Which documents, and for whom.
struct CollectionOptions: ParsableArguments {
  @Option(name: .long, help: "Name of the set of documents.")
  var collection = "default"
}
