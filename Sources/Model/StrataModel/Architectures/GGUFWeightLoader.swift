// Owns finding tensors of a GGUF file by name and checking their shapes before anything reads them. Knows no
// architecture.
import StrataCore

struct GGUFWeightLoader {
  struct Linear {
    let weights: WeightMatrix
    let bias: FloatBuffer?
  }

  let file: GGUFFile
  let device: any Device

  func info(_ name: String, shape: [Int]) throws(ModelError) -> TensorInfo {
    guard let tensor = file.tensor(name) else {
      throw ModelError(
        ModelError.tensorMissing, "The tensor `\(name)` is missing.", remedy: ModelError.downloadAgain,
        location: file.path)
    }
    guard tensor.shape == shape else {
      throw ModelError(
        ModelError.tensorShape, "The tensor `\(name)` has the shape \(tensor.shape); the metadata ask for \(shape).",
        remedy: ModelError.downloadAgain, location: file.path)
    }
    return tensor
  }

  func matrix(_ name: String, inputs: Int, outputs: Int) throws(ModelError) -> WeightMatrix {
    try split(name, inputs: inputs, outputs: [outputs])[0]
  }

  /// Linear layers of one input, each under its name, or all of them one above the other in the tensor `fused`.
  func matrices(
    _ names: [String], fused: String, inputs: Int, outputs: [Int]
  ) throws(ModelError) -> [Linear] {
    var result: [Linear] = []
    guard names.allSatisfy({ file.tensor($0 + ".weight") == nil || $0 == fused }), file.tensor(fused + ".weight") != nil
    else {
      for (name, count) in zip(names, outputs) {
        result.append(
          Linear(
            weights: try matrix(name + ".weight", inputs: inputs, outputs: count),
            bias: try optionalVector(name + ".bias", count: count)))
      }
      return result
    }
    let matrices = try split(fused + ".weight", inputs: inputs, outputs: outputs)
    let bias = try optionalFloats(fused + ".bias", count: outputs.reduce(0, +))
    var start = 0
    for matrix in matrices {
      let part = bias.map { device.makeFloats(Array($0[start..<(start + matrix.rows)])) }
      result.append(Linear(weights: matrix, bias: part))
      start += matrix.rows
    }
    return result
  }

  /// Consecutive rows of one tensor as matrices of their own: a row is a whole number of blocks in every type.
  private func split(_ name: String, inputs: Int, outputs: [Int]) throws(ModelError) -> [WeightMatrix] {
    let tensor = try info(name, shape: [inputs, outputs.reduce(0, +)])
    let bytes = file.bytes(of: tensor)
    var matrices: [WeightMatrix] = []
    var start = 0
    for count in outputs {
      guard let length = tensor.type.byteCount(elementCount: inputs * count), start + length <= bytes.count else {
        throw ModelError(
          ModelError.tensorShape, "The tensor `\(name)` has no \(count) rows of whole blocks.",
          remedy: ModelError.downloadAgain)
      }
      matrices.append(
        try device.makeMatrix(
          type: tensor.type, bytes: UnsafeRawBufferPointer(rebasing: bytes[start..<(start + length)]), rows: count,
          columns: inputs, name: name))
      start += length
    }
    // The device has its own copy now: a file must not be in memory twice.
    file.storage.willNotNeed(tensor.range)
    return matrices
  }

  func vector(_ name: String, count: Int) throws(ModelError) -> FloatBuffer {
    device.makeFloats(try floats(name, count: count))
  }

  /// Nil without a count: an architecture that has no such vector.
  func vector(_ name: String, countIfAny count: Int?) throws(ModelError) -> FloatBuffer? {
    guard let count else { return nil }
    return try vector(name, count: count)
  }

  func optionalVector(_ name: String, count: Int) throws(ModelError) -> FloatBuffer? {
    try optionalFloats(name, count: count).map { device.makeFloats($0) }
  }

  func optionalFloats(_ name: String, count: Int) throws(ModelError) -> [Float]? {
    file.tensor(name) == nil ? nil : try floats(name, count: count)
  }

  private func floats(_ name: String, count: Int) throws(ModelError) -> [Float] {
    let tensor = try info(name, shape: [count])
    guard let values = tensor.type.decode(file.bytes(of: tensor), count: count) else {
      throw ModelError(
        ModelError.unsupportedTensorType, "The tensor `\(name)` of type \(tensor.type.name) cannot be decoded.",
        remedy: ModelError.downloadAgain)
    }
    return values
  }
}
