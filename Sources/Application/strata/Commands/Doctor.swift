// Owns `strata doctor`: what this machine has, and whether the store and the models are sound.
import ArgumentParser
import CStrataKernels
import Foundation
import StrataCore

struct Doctor: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Check the machine, the models and the store.", discussion: "Example: strata doctor --json")
  @OptionGroup var common: CommonOptions

  func run() async throws {
    try await common.run {
      let wiring = try Wiring()
      var problems: [String] = []
      let isa = String(cString: strata_isa_name(strata_isa_current()))
      var models: [JSON] = []
      for model in wiring.catalog.models {
        var state = "not fetched"
        if wiring.modelStore.isPresent(model) {
          let sound = try model.files.allSatisfy { file in
            let url = wiring.modelStore.folder(of: model).appendingPathComponent(file.name)
            return try ModelStore.sha256(of: url) == file.sha256
          }
          state = sound ? "sound" : "damaged"
          if !sound { problems.append("\(model.name) is damaged; fetch it again: strata model pull \(model.name)") }
        }
        models.append(["name": .string(model.name), "state": .string(state)])
      }
      let store = try wiring.store()
      let storeProblems = try await store.verify()
      problems += storeProblems
      var collections: [JSON] = []
      for name in try await store.collections() {
        let documents = try await store.documents(in: name)
        let twice = Dictionary(grouping: documents, by: \.path).filter { $0.value.count > 1 }.keys.sorted()
        problems += twice.map { "\(name): \($0) is there twice" }
        collections.append([
          "name": .string(name), "documents": .int(documents.count),
          "chunks": .int(documents.reduce(0) { $0 + $1.chunkCount }),
        ])
      }
      let tools = ["pdftotext", "python3", "curl"].map { tool -> (String, Bool) in (tool, Self.isInstalled(tool)) }
      problems += tools.filter { !$0.1 }.map { "\($0.0) is not installed (Debian: poppler-utils, python3, curl)" }
      if common.json {
        Terminal.json([
          "version": .string(Strata.version), "home": .string(wiring.home.root.path),
          "processors": .int(ProcessInfo.processInfo.activeProcessorCount), "instruction_set": .string(isa),
          "memory_bytes": .int(Int(ProcessInfo.processInfo.physicalMemory)), "models": .array(models),
          "collections": .array(collections), "problems": .array(problems.map(JSON.string)),
        ])
      } else {
        Terminal.out("strata \(Strata.version) · \(wiring.home.root.path)")
        let memory = Terminal.formatted(bytes: Int(ProcessInfo.processInfo.physicalMemory))
        Terminal.out(
          "machine      \(ProcessInfo.processInfo.activeProcessorCount) processors, \(memory), kernels: \(isa)")
        for model in models {
          Terminal.out("model        \(model["name"]?.stringValue ?? ""): \(model["state"]?.stringValue ?? "")")
        }
        for collection in collections {
          Terminal.out(
            "collection   \(collection["name"]?.stringValue ?? ""): \(collection["documents"]?.intValue ?? 0) documents, "
              + "\(collection["chunks"]?.intValue ?? 0) chunks")
        }
        Terminal.out(problems.isEmpty ? "No problems found." : "")
        for problem in problems { Terminal.out(Terminal.wrapped("problem: \(problem)")) }
      }
      if !problems.isEmpty { throw ExitCode(ErrorKind.corrupted.exitCode) }
    }
  }

  private static func isInstalled(_ tool: String) -> Bool {
    (ProcessInfo.processInfo.environment["PATH"] ?? "/usr/bin:/bin").split(separator: ":")
      .contains { FileManager.default.isExecutableFile(atPath: "\($0)/\(tool)") }
  }
}
