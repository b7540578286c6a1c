// Owns the question how much memory this process may still take. Knows nothing about models.
import Foundation
import StrataCore

package enum SystemMemory {
  /// Bytes that can be had without swapping: the lesser of the machine's and the control group's; nil when unknown.
  package static func availableByteCount() -> Int? {
    let machine = lineValue("MemAvailable:", in: "/proc/meminfo").map { $0 * 1024 }
    let limitText = read("/sys/fs/cgroup/memory.max")?.trimmingCharacters(in: .whitespacesAndNewlines)
    guard let limit = limitText.flatMap({ Int($0) }),
      let used = lineValue("anon", in: "/sys/fs/cgroup/memory.stat")
    else { return machine }
    return min(machine ?? .max, max(0, limit - used))
  }

  /// - Throws: ``ModelError`` `out_of_memory` when `byteCount` more bytes cannot be had.
  package static func require(_ byteCount: Int, for what: String) throws(ModelError) {
    guard let available = availableByteCount(), available < byteCount else { return }
    throw ModelError(
      ModelError.outOfMemory,
      "\(what) needs about \(megabytes(byteCount)) of memory, but only \(megabytes(available)) are available.",
      remedy: "Use a smaller or more strongly quantized model, or close other programs.")
  }

  private static func megabytes(_ count: Int) -> String { "\((count + 999_999) / 1_000_000) MB" }

  private static func read(_ path: String) -> String? {
    try? String(contentsOfFile: path, encoding: .utf8)
  }

  private static func lineValue(_ name: String, in path: String) -> Int? {
    guard let text = read(path) else { return nil }
    for line in text.split(separator: "\n") {
      let words = line.split(separator: " ")
      if words.count >= 2, words[0] == name { return Int(words[1]) }
    }
    return nil
  }
}
