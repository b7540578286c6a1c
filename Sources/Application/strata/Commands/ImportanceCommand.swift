// Owns `strata model imatrix`, and reading texts to calibrate with.
import ArgumentParser
import Foundation
import StrataCore
import StrataModel
import StrataTraining

struct ModelImportance: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "imatrix", abstract: "Measure which columns of the weights a text makes matter.",
    discussion: """
      Writes an importance matrix for `strata model quantize --imatrix`, in the format of llama-imatrix.
      Example: strata model imatrix model-f16.gguf --text calibration.txt --out model.imatrix.gguf
      """)
  @OptionGroup var common: CommonOptions
  @Argument(help: "Catalog name, file:PATH or a .gguf path.") var model: String
  @Option(name: .long, help: "A text like those that the model will see.", completion: .file()) var text: String
  @Option(name: .long, help: "The file to write.", completion: .file()) var out: String
  @Option(name: .long, help: "Tokens of the text to use (0: all).") var tokens = 0
  @Option(name: .long, help: "Tokens of one window.") var context = 512
  @Option(name: .long, help: "Threads (default: all processors).") var threads: Int?

  func run() async throws {
    try await common.run {
      let (_, path) = try Wiring().modelStore.decoderPath(model)
      let pool = try ComputePool(threads: threads ?? ProcessInfo.processInfo.activeProcessorCount)
      let matrix = try CalibrationText(path: text).importance(
        for: GGUFFile(path: path), tokens: tokens, context: context, pool: pool)
      try matrix.write(to: out)
      if common.json {
        return Terminal.json([
          "output": .string(out), "entries": .int(matrix.entries.count), "chunks": .int(matrix.chunkCount),
          "context": .int(matrix.chunkSize),
        ])
      }
      Terminal.out(
        "\(out): \(matrix.entries.count) matrices, from \(matrix.chunkCount) windows of \(matrix.chunkSize) tokens")
    }
  }
}

/// A text file that a model is calibrated or measured with.
struct CalibrationText {
  let name: String
  private let text: String

  init(path: String) throws {
    guard let data = FileManager.default.contents(atPath: path) else {
      throw CommandError(CommandError.fileUnreadable, "\(path) cannot be read.")
    }
    name = (path as NSString).lastPathComponent
    text = String(decoding: data, as: UTF8.self)
  }

  /// The first `most` tokens, or all when that is 0.
  func tokens(_ tokenizer: any Tokenizer, most: Int) -> [Int32] {
    let ids = tokenizer.encode(text, addSpecial: true, parseSpecial: false)
    return most > 0 ? Array(ids.prefix(most)) : ids
  }

  func importance(
    for source: GGUFFile, tokens most: Int = 0, context: Int = 512, pool: ComputePool
  ) throws -> ImportanceMatrix {
    let tokenizer = try source.makeTokenizer()
    let bar = ProgressBar("imatrix") { "\(Int($0 * Double(context))) tokens/s" }
    defer { bar.finish() }
    return try ImportanceMatrix.measure(
      source, tokens: tokens(tokenizer, most: most), dataset: name, contextLength: context,
      bos: tokenizer.addsBOS ? tokenizer.bosID : nil, pool: pool
    ) { done, total in bar.update(done, of: total) }
  }
}
