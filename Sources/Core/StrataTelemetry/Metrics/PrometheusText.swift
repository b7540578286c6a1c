// Owns the Prometheus text form of numbers (exposition format 0.0.4).

/// Collects families of numbers and writes them as one page.
public struct PrometheusText: Sendable {
  public enum Kind: String, Sendable { case counter, gauge, histogram }

  public private(set) var text = ""

  public init() {}

  /// Begins a family: what follows belongs to it until the next one begins.
  public mutating func family(_ name: String, _ kind: Kind, _ help: String) {
    text += "# HELP \(name) \(help)\n# TYPE \(name) \(kind.rawValue)\n"
  }

  public mutating func sample(_ name: String, _ labels: [(String, String)] = [], _ value: Int) {
    text += "\(name)\(Self.braces(labels)) \(value)\n"
  }

  public mutating func sample(_ name: String, _ labels: [(String, String)] = [], _ value: Double) {
    text += "\(name)\(Self.braces(labels)) \(value)\n"
  }

  public mutating func histogram(_ name: String, _ labels: [(String, String)] = [], _ histogram: Histogram) {
    var total = 0
    for (bound, bucket) in zip(histogram.bounds, histogram.buckets) {
      total += bucket
      sample(name + "_bucket", labels + [("le", "\(bound)")], total)
    }
    sample(name + "_bucket", labels + [("le", "+Inf")], histogram.count)
    sample(name + "_sum", labels, histogram.sum)
    sample(name + "_count", labels, histogram.count)
  }

  private static func braces(_ labels: [(String, String)]) -> String {
    labels.isEmpty ? "" : "{" + labels.map { "\($0.0)=\"\(escaped($0.1))\"" }.joined(separator: ",") + "}"
  }

  static func escaped(_ label: String) -> String {
    label.reduce(into: "") { text, character in
      switch character {
      case "\\": text += "\\\\"
      case "\"": text += "\\\""
      case "\n", "\r\n": text += "\\n"
      default: text.append(character)
      }
    }
  }
}
