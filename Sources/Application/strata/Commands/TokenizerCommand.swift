// Owns `strata tokenizer`: what a text becomes for a model, what ids stand for, and how fast that goes.
import ArgumentParser
import Foundation
import StrataCore
import StrataModel

struct TokenizerCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "tokenizer", abstract: "Turn text into a model's tokens and back.",
    subcommands: [TokenizerEncode.self, TokenizerDecode.self, TokenizerBench.self])
}

extension ModelStore {
  /// The tokenizer of a decoder (GGUF) or of an encoder of the catalog (its `vocab.txt`).
  func tokenizer(_ name: String) throws -> any Tokenizer {
    if let model = try? catalog.model(named: name), model.kind == .encoder {
      return try Tokenizers.wordPiece(
        vocabularyPath: encoderFolder(name).appendingPathComponent("vocab.txt").path, lowercases: true)
    }
    return try GGUFFile(path: decoderPath(name).path).makeTokenizer()
  }
}

struct TokenizerEncode: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "encode", abstract: "The tokens of a text (standard input when none is given).",
    discussion: "Example: strata tokenizer encode smollm2-135m-instruct \"How long is a piece of string?\"")
  @OptionGroup var common: CommonOptions
  @Argument(help: "Catalog name, file:PATH or a .gguf path.") var model: String
  @Argument(help: "The text.") var text: String?
  @Flag(name: .long, help: "Add what the model expects around a text.") var special = false
  @Flag(name: .long, help: "Read control tokens written out in the text.") var parseSpecial = false

  func run() async throws {
    try await common.run {
      let tokenizer = try Wiring().modelStore.tokenizer(model)
      let text = text ?? String(decoding: FileHandle.standardInput.readDataToEndOfFile(), as: UTF8.self)
      let ids = tokenizer.encode(text, addSpecial: special, parseSpecial: parseSpecial)
      if common.json {
        return Terminal.json([
          "ids": .array(ids.map { .int(Int($0)) }),
          "tokens": .array(ids.map { .string(String(decoding: tokenizer.bytes(of: $0), as: UTF8.self)) }),
        ])
      }
      for id in ids {
        let shown = JSON.string(String(decoding: tokenizer.bytes(of: id), as: UTF8.self)).text()
        Terminal.out("\(String(id).padding(toLength: 8, withPad: " ", startingAt: 0)) \(shown)")
      }
      Terminal.out(Terminal.dim("\(ids.count) tokens, \(text.utf8.count) bytes"))
    }
  }
}

struct TokenizerDecode: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "decode", abstract: "The text of token ids.",
    discussion: "Example: strata tokenizer decode smollm2-135m-instruct 19556 905")
  @OptionGroup var common: CommonOptions
  @Argument(help: "Catalog name, file:PATH or a .gguf path.") var model: String
  @Argument(help: "Token ids.") var ids: [Int32]

  func run() async throws {
    try await common.run {
      let tokenizer = try Wiring().modelStore.tokenizer(model)
      if let unknown = ids.first(where: { $0 < 0 || Int($0) >= tokenizer.vocabularySize }) {
        throw CommandError(
          CommandError.usage, "\(unknown) is no token of this model; it has \(tokenizer.vocabularySize).",
          remedy: "Give ids of 0...\(tokenizer.vocabularySize - 1).")
      }
      let text = tokenizer.decode(ids)
      common.json ? Terminal.json(["text": .string(text)]) : Terminal.out(text)
    }
  }
}

struct TokenizerBench: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "bench", abstract: "Bytes per second of encoding a file on one thread.",
    discussion: """
      Every repetition starts with empty caches. --lines encodes line by line, as documents come.
      Example: strata tokenizer bench qwen2.5-coder-0.5b-instruct --file corpus.txt --repeat 5
      """)
  @OptionGroup var common: CommonOptions
  @Argument(help: "Catalog name, file:PATH or a .gguf path.") var model: String
  @Option(name: .long, help: "A UTF-8 text.", completion: .file()) var file: String
  @Flag(name: .long, help: "Encode each line as a text of its own.") var lines = false
  @Option(name: .customLong("repeat"), help: "Repetitions; the median is reported.") var repetitions = 5

  func validate() throws {
    guard repetitions >= 1 else { throw ValidationError("--repeat is at least 1.") }
  }

  func run() async throws {
    try await common.run {
      let store = try Wiring().modelStore
      guard let data = FileManager.default.contents(atPath: file) else {
        throw CommandError(CommandError.usage, "There is no file at \(file).")
      }
      let text = String(decoding: data, as: UTF8.self)
      let texts = lines ? text.split(separator: "\n").map(String.init) : [text]
      var seconds: [Double] = []
      var count = 0
      for _ in 0..<repetitions {
        let tokenizer = try store.tokenizer(model)
        count = 0
        let start = ContinuousClock.now
        for text in texts { count += tokenizer.encode(text).count }
        seconds.append(start.duration(to: .now) / .seconds(1))
      }
      let median = seconds.sorted()[seconds.count / 2]
      let megabytes = Double(data.count) / 1e6
      if common.json {
        return Terminal.json([
          "model": .string(model), "bytes": .int(data.count), "texts": .int(texts.count), "tokens": .int(count),
          "seconds": .double(median), "megabytes_per_second": .double(megabytes / median),
        ])
      }
      Terminal.out("\(model), one thread, median of \(repetitions)")
      Terminal.out(
        "  \(Terminal.formatted(bytes: data.count)) → \(count) tokens   "
          + "\(Terminal.formatted(megabytes / median, digits: 1)) MB/s")
    }
  }
}
