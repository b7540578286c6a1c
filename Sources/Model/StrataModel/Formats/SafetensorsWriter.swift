// Owns writing safetensors files of 32-bit floats. Knows nothing about what the tensors mean.
import StrataCore

/// Collects tensors and lays them out as a safetensors file.
package struct SafetensorsWriter {
  private var header: [(String, JSON)] = []
  private var data: [UInt8] = []

  package init(metadata: [(String, String)] = []) {
    guard !metadata.isEmpty else { return }
    header.append(("__metadata__", .object(JSONObject(metadata.map { ($0.0, JSON.string($0.1)) }))))
  }

  /// Adds a tensor of row-major `values`; `shape` has the slowest-varying dimension first.
  package mutating func add(_ name: String, shape: [Int], floats values: [Float]) {
    let begin = data.count
    values.withUnsafeBytes { data.append(contentsOf: $0) }
    header.append(
      (
        name,
        [
          "dtype": "F32", "shape": .array(shape.map(JSON.int)),
          "data_offsets": [.int(begin), .int(data.count)],
        ]
      ))
  }

  /// The whole file. The header is padded so that data begin at a multiple of eight bytes.
  package func encoded() -> [UInt8] {
    var text = JSON.object(JSONObject(header)).utf8()
    text.append(contentsOf: repeatElement(UInt8(ascii: " "), count: (8 - text.count % 8) % 8))
    var out: [UInt8] = []
    withUnsafeBytes(of: UInt64(text.count).littleEndian) { out.append(contentsOf: $0) }
    return out + text + data
  }
}
