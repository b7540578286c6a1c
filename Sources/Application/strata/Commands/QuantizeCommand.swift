// Owns `strata model quantize`.
import ArgumentParser
import Foundation
import StrataCore
import StrataModel
import StrataTraining

struct ModelQuantize: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "quantize", abstract: "Write a smaller copy of a model.",
    discussion: """
      Types: \(QuantizationType.allCases.map(\.rawValue).joined(separator: ", ")).
      Example: strata model quantize model-f16.gguf model-q4_k_m.gguf --type Q4_K_M --calibration text.txt
      """)
  @OptionGroup var common: CommonOptions
  @Argument(help: "Catalog name, file:PATH or a .gguf path.") var model: String
  @Argument(help: "The file to write.", completion: .file()) var output: String
  @Option(name: .long, help: "What most matrices become, for example Q4_K_M.") var type: String
  @Option(name: .long, help: "An importance matrix, from `strata model imatrix` or llama-imatrix.", completion: .file())
  var imatrix: String?
  @Option(name: .long, help: "A text to measure an importance matrix with first.", completion: .file())
  var calibration: String?
  @Flag(name: .long, help: "Show what would be written, and write nothing.") var dryRun = false
  @Option(name: .long, help: "Threads (default: all processors).") var threads: Int?

  func validate() throws {
    guard QuantizationType(name: type) != nil else {
      let known = QuantizationType.allCases.map(\.rawValue).joined(separator: ", ")
      throw ValidationError("--type is one of \(known).")
    }
    guard imatrix == nil || calibration == nil else {
      throw ValidationError("Give --imatrix or --calibration, not both.")
    }
  }

  func run() async throws {
    try await common.run {
      guard let type = QuantizationType(name: type) else { return }
      let (_, path) = try Wiring().modelStore.decoderPath(model)
      let source = try GGUFFile(path: path)
      let pool = try ComputePool(threads: threads ?? ProcessInfo.processInfo.activeProcessorCount)
      let quantizer = try ModelQuantizer(source: source, type: type, importance: importance(source, pool), pool: pool)
      warn(about: quantizer)
      guard !dryRun else { return preview(quantizer) }
      let start = ContinuousClock.now
      let bar = ProgressBar.bytes("quantize")
      let report = try quantizer.write(to: output) { done, total, tensor in bar.update(done, of: total, note: tensor) }
      bar.finish()
      show(report, type, seconds: (ContinuousClock.now - start) / .seconds(1))
    }
  }

  private func importance(_ source: GGUFFile, _ pool: ComputePool) throws -> ImportanceMatrix? {
    if let imatrix { return try ImportanceMatrix(path: imatrix) }
    // What would be written has the same size with any matrix; measuring one takes minutes.
    guard let calibration, !dryRun else { return nil }
    return try CalibrationText(path: calibration).importance(for: source, pool: pool)
  }

  private func preview(_ quantizer: ModelQuantizer) {
    if common.json {
      return Terminal.json([
        "type": .string(quantizer.type.rawValue), "bytes": .int(quantizer.plannedByteCount),
        "tensors": .array(
          quantizer.plannedTypes.map { ["name": .string($0.name), "to": .string($0.type.name)] }),
      ])
    }
    for (name, type) in quantizer.plannedTypes { Terminal.out("\(name) \(Terminal.dim(type.name))") }
    Terminal.out("\(Terminal.formatted(bytes: quantizer.plannedByteCount))")
  }

  private func warn(about quantizer: ModelQuantizer) {
    let again = quantizer.requantizedCount
    if again > 0 {
      Terminal.err(
        "warning: \(again) tensors are quantized already and lose a second time; "
          + "start from an F16, BF16 or F32 file where there is one.")
    }
    let unweighted = quantizer.unweightedCount
    if unweighted > 0 {
      Terminal.err("note: the importance matrix has no entry for \(unweighted) of the tensors; those are not weighted.")
    }
  }

  private func show(_ report: ModelQuantizer.Report, _ type: QuantizationType, seconds: Double) {
    var types: [String: Int] = [:]
    for tensor in report.tensors { types[tensor.type.name, default: 0] += 1 }
    let counts = types.sorted { ($1.value, $0.key) < ($0.value, $1.key) }
    if common.json {
      return Terminal.json([
        "output": .string(output), "type": .string(type.rawValue), "source_bytes": .int(report.sourceByteCount),
        "bytes": .int(report.byteCount), "bits_per_weight": .double(report.bitsPerWeight),
        "seconds": .double(seconds),
        "tensor_types": .object(JSONObject(counts.map { ($0.key, .int($0.value)) })),
        "tensors": .array(
          report.tensors.map { tensor in
            [
              "name": .string(tensor.name), "from": .string(tensor.sourceType.name), "to": .string(tensor.type.name),
              "bytes": .int(tensor.byteCount), "rms_error": .double(tensor.error),
              "weighted": .bool(tensor.usedImportance),
            ]
          }),
      ])
    }
    let before = Terminal.formatted(bytes: report.sourceByteCount)
    let after = Terminal.formatted(bytes: report.byteCount)
    let bits = Terminal.formatted(report.bitsPerWeight, digits: 2)
    let time = Terminal.formatted(seconds, digits: 1)
    Terminal.out("\(output): \(before) → \(after), \(bits) bits per weight, \(time) s")
    Terminal.out(Terminal.dim("  " + counts.map { "\($0.value) × \($0.key)" }.joined(separator: ", ")))
  }
}
