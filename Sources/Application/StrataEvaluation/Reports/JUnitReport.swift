// Owns JUnit XML, which every CI system shows.
import Foundation

/// One test case of a JUnit file.
struct JUnitCase {
  var name: String
  var seconds: Double
  /// Nil when it passed.
  var failure: String?
}

enum JUnitReport {
  static func xml(suite: String, _ cases: [JUnitCase]) -> String {
    let failures = cases.count { $0.failure != nil }
    let time = TextTable.number(cases.reduce(0) { $0 + $1.seconds }, 3)
    var lines = [
      #"<?xml version="1.0" encoding="UTF-8"?>"#,
      #"<testsuite name="\#(escape(suite))" tests="\#(cases.count)" failures="\#(failures)" time="\#(time)">"#,
    ]
    for entry in cases {
      let head = #"  <testcase name="\#(escape(entry.name))" time="\#(TextTable.number(entry.seconds, 3))""#
      if let failure = entry.failure {
        lines.append(head + ">")
        lines.append(#"    <failure message="\#(escape(failure))"/>"#)
        lines.append("  </testcase>")
      } else {
        lines.append(head + "/>")
      }
    }
    return (lines + ["</testsuite>", ""]).joined(separator: "\n")
  }

  /// Also drops what XML 1.0 cannot hold at all.
  private static func escape(_ text: String) -> String {
    var result = ""
    for scalar in text.unicodeScalars {
      switch scalar {
      case "&": result += "&amp;"
      case "<": result += "&lt;"
      case ">": result += "&gt;"
      case "\"": result += "&quot;"
      case "\n", "\t": result += " "
      case _ where scalar.value < 0x20 || scalar.value == 0xFFFE || scalar.value == 0xFFFF: continue
      default: result.unicodeScalars.append(scalar)
      }
    }
    return result
  }
}
