// Owns `strata adapter`: what adapters are there, what is in one, turning one format into the other.
import ArgumentParser
import Foundation
import StrataCore
import StrataModel

struct AdapterCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "adapter", abstract: "Look at LoRA adapters and convert them.",
    subcommands: [AdapterList.self, AdapterShow.self, AdapterConvert.self])
}

struct AdapterList: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "list", abstract: "Adapters in a folder: GGUF files and PEFT folders.",
    discussion: "Example: strata adapter list ./adapters --json")
  @OptionGroup var common: CommonOptions
  @Argument(help: "A folder (default: STRATA_HOME/adapters).", completion: .directory) var folder: String?

  func run() async throws {
    try await common.run {
      let path = folder ?? Home().adapters.path
      let found = try AdapterFolder(path).adapters()
      if common.json {
        return Terminal.json([
          "folder": .string(path),
          "adapters": .array(
            found.map { ["name": .string($0.name), "path": .string($0.path), "format": .string($0.format)] }),
        ])
      }
      if found.isEmpty { return Terminal.out("\(path) holds no adapters.") }
      for adapter in found {
        let name = adapter.name.padding(toLength: 29, withPad: " ", startingAt: 0)
        Terminal.out("\(Terminal.bold(name)) \(adapter.format)  \(Terminal.dim(adapter.path))")
      }
    }
  }
}

struct AdapterShow: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "show", abstract: "What an adapter changes in a model.",
    discussion: "Example: strata adapter show ./adapters/legal --model smollm2-135m-instruct")
  @OptionGroup var common: CommonOptions
  @Argument(help: "A GGUF adapter or a PEFT folder.", completion: .file()) var path: String
  @Option(name: .long, help: "The model that it is for: catalog name, file:PATH or a .gguf path.") var model: String

  func run() async throws {
    try await common.run {
      let (id, configuration) = try AdapterConvert.base(model)
      let weights = try LoRAWeights(path: path, configuration: configuration)
      let scales = Set(weights.pairs.map(\.scale)).sorted()
      let value: JSON = [
        "name": .string(weights.name), "path": .string(path), "model": .string(id),
        "architecture": .string(weights.architecture),
        "layers": .int(Set(weights.pairs.map(\.layer)).count), "of_layers": .int(configuration.layerCount),
        "modules": .array(weights.modules.map { .string($0.targetName) }),
        "ranks": .array(weights.ranks.map(JSON.int)), "scales": .array(scales.map { .double(Double($0)) }),
        "parameters": .int(weights.parameterCount), "bytes_in_memory": .int(weights.parameterCount * 2),
      ]
      if common.json { return Terminal.json(value) }
      for (key, entry) in value.objectValue ?? [:] {
        let label = key.replacing("_", with: " ").padding(toLength: 16, withPad: " ", startingAt: 0)
        Terminal.out("\(Terminal.dim(label)) \(entry.stringValue ?? entry.text())")
      }
    }
  }
}

struct AdapterConvert: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "convert", abstract: "Write a PEFT folder as GGUF, or a GGUF adapter as a PEFT folder.",
    discussion: "Example: strata adapter convert ./legal legal.gguf --model smollm2-135m-instruct")
  @OptionGroup var common: CommonOptions
  @Argument(help: "A GGUF adapter or a PEFT folder.", completion: .file()) var source: String
  @Argument(help: "A path that ends in .gguf, or a folder.", completion: .file()) var target: String
  @Option(name: .long, help: "The model that it is for: catalog name, file:PATH or a .gguf path.") var model: String
  @Option(name: .long, help: "Type of the values in a GGUF file: f16 or f32.") var type = "f16"

  func run() async throws {
    try await common.run {
      let (id, configuration) = try Self.base(model)
      let weights = try LoRAWeights(path: source, configuration: configuration)
      if target.hasSuffix(".gguf") {
        guard let type = [TensorType.f16, .f32].first(where: { $0.name.lowercased() == self.type.lowercased() }) else {
          throw CommandError(CommandError.usage, "--type is f16 or f32.")
        }
        try weights.write(ggufPath: target, type: type)
      } else {
        try weights.write(peftFolder: target, configuration: configuration, baseModel: id)
      }
      if common.json {
        return Terminal.json(["path": .string(target), "matrices": .int(weights.pairs.count * 2)])
      }
      Terminal.out("\(target): \(weights.pairs.count) linear layers, \(weights.parameterCount) parameters")
    }
  }

  /// The shape of the model that adapters are checked against; its weights stay where they are.
  static func base(_ model: String) throws -> (id: String, configuration: DecoderConfiguration) {
    let (id, path) = try Wiring().modelStore.decoderPath(model)
    return (id, try DecoderConfiguration(gguf: GGUFFile(path: path)))
  }
}
