// Owns `strata generate` and `strata chat`: the model alone, without documents.
import ArgumentParser
import Foundation
import StrataCore
import StrataServing

struct Generate: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Continue or answer a prompt with the model alone.",
    discussion: """
      Examples: strata generate "Write a haiku about rain."
                strata generate "Once upon a time" --raw --max-tokens 32 --temperature 0
                strata generate "Ada is 36." --schema person.json
      """)
  @OptionGroup var common: CommonOptions
  @OptionGroup var options: ModelOptions
  @Argument(help: "The prompt; - reads standard input.") var prompt: String
  @Flag(name: .long, help: "Continue the text as it is, without the chat template.") var raw = false
  @Option(name: .long, help: "Most tokens to write.") var maxTokens = 256
  @Option(name: .long, help: "0 is greedy.") var temperature: Float = 0.7
  @Option(name: .long, help: "Nucleus mass.") var topP: Float = 1
  @Option(name: .long, help: "Candidates kept; 0 is off.") var topK = 0
  @Option(name: .long, help: "The same seed gives the same text.") var seed: UInt64?
  @Option(name: .long, help: "Stop before this text (repeatable).") var stop: [String] = []
  @Option(name: .long, help: "A JSON Schema file that the output must satisfy.", completion: .file()) var schema:
    String?

  func run() async throws {
    try await common.run {
      var text = prompt
      if prompt == "-" {
        text = String(decoding: try FileHandle.standardInput.readToEnd() ?? Data(), as: UTF8.self)
      }
      var output = OutputConstraint.text
      if let schema {
        guard let data = FileManager.default.contents(atPath: schema) else {
          throw CommandError(CommandError.fileUnreadable, "\(schema) cannot be read.")
        }
        output = .jsonSchema(try JSON(parsing: Array(data)))
      }
      let wiring = try Wiring()
      let model = try wiring.model(options, pool: wiring.pool(threads: options.threads))
      let request = GenerationRequest(
        raw ? .prompt(text) : .messages([.user(text)]), output: output,
        sampling: SamplingParameters(temperature: temperature, topP: topP, topK: topK, seed: seed),
        maxTokens: maxTokens, stop: stop)
      var written = ""
      var usage = Usage()
      var reason = FinishReason.stop
      for try await event in model.generate(request) {
        switch event {
        case .text(let piece, _):
          written += piece
          if !common.json { Terminal.out(piece, terminator: "") }
        case .toolCall, .stopString: break
        case .finished(let finish, let used, _): (reason, usage) = (finish, used)
        }
      }
      if common.json {
        Terminal.json([
          "text": .string(written), "finish_reason": .string(reason.rawValue), "model": .string(model.info.id),
          "usage": usage.json,
        ])
      } else {
        Terminal.out("")
      }
    }
  }
}

struct Chat: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Talk to the model alone, in the terminal.", discussion: "Example: strata chat --system \"Be brief.\"")
  @OptionGroup var common: CommonOptions
  @OptionGroup var options: ModelOptions
  @Option(name: .long, help: "Instructions for the model.") var system: String?
  @Option(name: .long, help: "0 is greedy.") var temperature: Float = 0.7

  func run() async throws {
    try await common.run {
      let wiring = try Wiring()
      let model = try wiring.model(options, pool: wiring.pool(threads: options.threads))
      var messages = system.map { [Message.system($0)] } ?? []
      Terminal.err(Terminal.dim("\(model.info.id) · an empty line or Ctrl-D ends the chat"))
      while true {
        Terminal.err("> ", terminator: "")
        guard let line = readLine(), !line.isEmpty else { return }
        messages.append(.user(line))
        var answer = ""
        let request = GenerationRequest(
          .messages(messages), sampling: SamplingParameters(temperature: temperature), maxTokens: 512)
        for try await case .text(let piece, _) in model.generate(request) {
          answer += piece
          Terminal.out(piece, terminator: "")
        }
        Terminal.out("\n")
        messages.append(.assistant(answer))
      }
    }
  }
}
