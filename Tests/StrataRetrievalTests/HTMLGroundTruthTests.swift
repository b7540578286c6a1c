import Foundation
import StrataCore
import StrataRetrieval
import Testing

@Suite("HTML main text against the article extraction benchmark")
struct HTMLGroundTruthTests {
  /// Mean precision and recall of runs of four words, as the benchmark's own script counts.
  @Test("four-word F1 on 91 pages is at least 0.95", .enabled(if: Fixtures.data != nil, "STRATA_DATA is absent"))
  func score() async throws {
    let folder = (Fixtures.data ?? "") + "/parsing"
    let truth = try JSON(
      parsing: String(contentsOfFile: folder + "/html-ground-truth.json", encoding: .utf8))
    var (precision, recall, count) = (0.0, 0.0, 0.0)
    for (name, page) in truth.objectValue ?? JSONObject() {
      let html = try Self.unzip("\(folder)/html/\(name).html.gz")
      let document = try? await DocumentFormat.html.parse(html, path: name + ".html")
      let found = Self.shingles(document?.canonicalText ?? "")
      let wanted = Self.shingles(page["articleBody"]?.stringValue ?? "")
      let common = Double(found.reduce(0) { $0 + min($1.value, wanted[$1.key] ?? 0) })
      precision += found.isEmpty ? 0 : common / Double(found.values.reduce(0, +))
      recall += wanted.isEmpty ? 1 : common / Double(wanted.values.reduce(0, +))
      count += 1
    }
    precision /= count
    recall /= count
    let f1 = 2 * precision * recall / (precision + recall)
    print("HTML main text: \(Int(count)) pages, precision \(precision), recall \(recall), F1 \(f1)")
    #expect(f1 >= 0.95)
  }

  private static func shingles(_ text: String) -> [String: Int] {
    let words = text.split { !$0.isLetter && !$0.isNumber && $0 != "_" }
    guard !words.isEmpty else { return [:] }
    var counts: [String: Int] = [:]
    for start in 0..<max(1, words.count - 3) {
      counts[words[start..<min(words.count, start + 4)].joined(separator: " "), default: 0] += 1
    }
    return counts
  }

  private static func unzip(_ path: String) throws -> [UInt8] {
    let process = Process()
    process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
    process.arguments = ["gzip", "-dc", path]
    let pipe = Pipe()
    process.standardOutput = pipe
    try process.run()
    let data = pipe.fileHandleForReading.readDataToEndOfFile()
    process.waitUntilExit()
    return Array(data)
  }
}
