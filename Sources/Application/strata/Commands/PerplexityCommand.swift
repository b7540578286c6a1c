// Owns `strata model perplexity`.
import ArgumentParser
import Foundation
import StrataCore
import StrataModel

struct ModelPerplexity: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "perplexity", abstract: "How well a model predicts a text, and how far it is from its original.",
    discussion: """
      Windows, scored tokens and definitions are llama-perplexity's, so that figures compare.
      Example: strata model perplexity model-q4_k_m.gguf --text valid.txt --reference model-f16.gguf
      """)
  @OptionGroup var common: CommonOptions
  @Argument(help: "Catalog name, file:PATH or a .gguf path.") var model: String
  @Argument(help: "A text file.", completion: .file()) var file: String?
  @Option(name: .long, help: "A text file.", completion: .file()) var text: String?
  @Option(name: .long, help: "The model that this one was made from, to compare with.") var reference: String?
  @Option(name: .long, help: "Tokens of the text to use (0: all).") var tokens = 8192
  @Option(name: .long, help: "Tokens of one window.") var context = 512
  @Option(name: .long, help: "Threads (default: all processors).") var threads: Int?

  func validate() throws {
    guard (text ?? file) != nil, text == nil || file == nil else { throw ValidationError("Give one text file.") }
  }

  func run() async throws {
    try await common.run {
      let store = try Wiring().modelStore
      let (id, path) = try store.decoderPath(model)
      let pool = try ComputePool(threads: threads ?? ProcessInfo.processInfo.activeProcessorCount)
      let loaded = try DecoderModel(gguf: GGUFFile(path: path), pool: pool)
      let tokenizer = try loaded.file.makeTokenizer()
      let ids = try CalibrationText(path: text ?? file ?? "").tokens(tokenizer, most: tokens)
      let bos = tokenizer.addsBOS ? tokenizer.bosID : nil
      let bar = ProgressBar("perplexity") { "\(Int($0 * Double(context))) tokens/s" }
      if let reference {
        let original = try DecoderModel(gguf: GGUFFile(path: store.decoderPath(reference).path), pool: pool)
        let result = try Divergence.measure(
          loaded, reference: original, tokens: ids, contextLength: context, bos: bos
        ) { done, total, divergence in
          bar.update(done, of: total, note: "KL \(Terminal.formatted(divergence, digits: 4))")
        }
        bar.finish()
        show(result, id)
      } else {
        let result = try Perplexity.measure(loaded, tokens: ids, contextLength: context, bos: bos) {
          done, total, value in
          bar.update(done, of: total, note: "perplexity \(Terminal.formatted(value, digits: 3))")
        }
        bar.finish()
        show(result, id)
      }
    }
  }

  private func show(_ result: Perplexity, _ id: String) {
    if common.json {
      return Terminal.json([
        "model": .string(id), "perplexity": .double(result.perplexity),
        "standard_error": .double(result.standardError), "low": .double(result.interval.lowerBound),
        "high": .double(result.interval.upperBound), "tokens": .int(result.tokenCount),
        "scored_tokens": .int(result.scoredTokenCount), "context": .int(context),
      ])
    }
    let value = Terminal.formatted(result.perplexity, digits: 4)
    let error = Terminal.formatted(result.standardError, digits: 4)
    Terminal.out(
      "\(id): perplexity \(value) ± \(error), \(result.scoredTokenCount) of \(result.tokenCount) tokens scored")
  }

  private func show(_ result: Divergence, _ id: String) {
    if common.json {
      var value = result.json.objectValue ?? [:]
      value["model"] = .string(id)
      value["reference"] = reference.map(JSON.string)
      value["context"] = .int(context)
      return Terminal.json(.object(value))
    }
    func line(_ name: String, _ text: String) {
      Terminal.out("  \(Terminal.dim(name.padding(toLength: 18, withPad: " ", startingAt: 0))) \(text)")
    }
    func interval(_ estimate: Divergence.Estimate, scale: Double = 1, digits: Int, unit: String = "") -> String {
      let low = Terminal.formatted(estimate.interval.lowerBound * scale, digits: digits)
      let high = Terminal.formatted(estimate.interval.upperBound * scale, digits: digits)
      return "\(Terminal.formatted(estimate.mean * scale, digits: digits))\(unit)  (95 %: \(low) … \(high))"
    }
    Terminal.out("\(id), \(result.perplexity.scoredTokenCount) of \(result.perplexity.tokenCount) tokens scored")
    let own = Terminal.formatted(result.perplexity.perplexity, digits: 4)
    let error = Terminal.formatted(result.perplexity.standardError, digits: 4)
    line("perplexity", "\(own) ± \(error)")
    line("of the reference", Terminal.formatted(result.referencePerplexity.perplexity, digits: 4))
    line("ln of their ratio", interval(result.logRatio, digits: 5))
    line("KL divergence", interval(result.divergence, digits: 6))
    let median = Terminal.formatted(result.percentile(0.5), digits: 6)
    let high = Terminal.formatted(result.percentile(0.99), digits: 4)
    let most = Terminal.formatted(result.percentile(1), digits: 4)
    line("  median, 99 %, max", "\(median), \(high), \(most)")
    line("same top token", interval(result.topAgreement, scale: 100, digits: 2, unit: " %"))
    line("RMS of Δp", interval(result.rootMeanSquareDelta, scale: 100, digits: 3, unit: " %"))
  }
}
