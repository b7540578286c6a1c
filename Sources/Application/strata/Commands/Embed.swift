// Owns `strata embed`: vectors for lines of text.
import ArgumentParser
import Foundation
import StrataCore
import StrataModel

struct Embed: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Turn lines of text into vectors.",
    discussion: "Example: printf 'a cat\\na kitten\\n' | strata embed --json")
  @OptionGroup var common: CommonOptions
  @Argument(help: "Texts; without any, each line of standard input is one.") var texts: [String] = []
  @Option(name: .long, help: "Threads (default: all processors).") var threads: Int?
  @Option(name: .long, help: "How the encoder's matrices are kept: int8 or float32 (exact, half as fast).")
  var precision = EncoderPrecision.int8

  func run() async throws {
    try await common.run {
      var inputs = texts
      if inputs.isEmpty {
        while let line = readLine() { inputs.append(line) }
      }
      let wiring = try Wiring()
      let embedder = try wiring.embedder(pool: wiring.pool(threads: threads), precision: precision)
      let start = ContinuousClock.now
      let vectors = try await embedder.embed(inputs)
      let seconds = (ContinuousClock.now - start) / .seconds(1)
      if common.json {
        return Terminal.json([
          "model": .string(embedder.id), "dimension": .int(embedder.dimension),
          "seconds": .double(seconds),
          "data": .array(
            vectors.enumerated().map { index, vector in
              ["index": .int(index), "embedding": .array(vector.map { JSON.double(Double($0)) })]
            }),
        ])
      }
      for vector in vectors {
        let head = vector.prefix(6).map { Terminal.formatted(Double($0), digits: 4) }.joined(separator: " ")
        Terminal.out("[\(head) …] \(vector.count) values")
      }
    }
  }
}

extension EncoderPrecision: ExpressibleByArgument {}
