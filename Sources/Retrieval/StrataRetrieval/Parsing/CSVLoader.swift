// Owns comma-separated values (RFC 4180), also with semicolons, tabs or bars. Each record is one block of the file.

struct CSVLoader {
  private struct Record {
    var range: Range<Int>
    var cells: [String]
  }

  /// Most bytes of the column names that accompany each row.
  static let headerByteLimit = 240

  func load(_ text: String, path: String) throws -> ParsedDocument {
    let bytes = Array(text.utf8)
    let start = bytes.starts(with: [0xEF, 0xBB, 0xBF]) ? 3 : 0
    let records = Self.records(bytes, from: start, delimiter: Self.delimiter(bytes, from: start))
    var blocks: [DocumentBlock] = []
    var header: String?
    for (index, record) in records.enumerated() {
      if index == 0, records.count > 1, Self.isHeader(record.cells) {
        header = Self.shortened(record.cells.filter { !$0.isEmpty }.joined(separator: ", "))
        blocks.append(DocumentBlock(.tableHeader, record.range))
      } else {
        blocks.append(DocumentBlock(.tableRow(header: header ?? ""), record.range))
      }
    }
    return ParsedDocument(
      canonicalText: text, title: DocumentFormat.title(fromPath: path), blocks: blocks, mediaType: "text/csv")
  }

  /// Column names are words, all of them there and different.
  private static func isHeader(_ cells: [String]) -> Bool {
    !cells.isEmpty && Set(cells).count == cells.count && cells.allSatisfy { !$0.isEmpty && Double($0) == nil }
  }

  static func shortened(_ text: String) -> String {
    guard text.utf8.count > headerByteLimit else { return text }
    var end = text.startIndex
    var count = 0
    for character in text {
      count += character.utf8.count
      if count > headerByteLimit { break }
      end = text.index(after: end)
    }
    return text[..<end] + "…"
  }

  /// The sign that splits the first lines into the same number of cells, more than one.
  private static func delimiter(_ bytes: [UInt8], from start: Int) -> UInt8 {
    let sample = Array(bytes[start..<min(bytes.count, start + 16384)])
    var best = (delimiter: UInt8(ascii: ","), score: 0)
    for candidate in ",;\t|".utf8 {
      let counts = records(sample, from: 0, delimiter: candidate).prefix(20).map(\.cells.count)
      guard let first = counts.first, first > 1 else { continue }
      let score = counts.count { $0 == first } * 100 + min(first, 99)
      if score > best.score { best = (candidate, score) }
    }
    return best.delimiter
  }

  private static func records(_ bytes: [UInt8], from start: Int, delimiter: UInt8) -> [Record] {
    var records: [Record] = []
    var index = start
    // A quote that never ends would swallow the file; from there on, quotes are ordinary characters.
    var quoting = true
    while index < bytes.count {
      if let (record, next) = self.record(bytes, at: index, delimiter: delimiter, quoting: quoting) {
        if !bytes.trimmed(record.range).isEmpty { records.append(record) }
        index = next
      } else {
        quoting = false
      }
    }
    return records
  }

  /// - Returns: the record and where the next begins; nil when a quoted cell does not end.
  private static func record(_ bytes: [UInt8], at start: Int, delimiter: UInt8, quoting: Bool) -> (Record, Int)? {
    var cells: [String] = []
    var cell: [UInt8] = []
    var quoted = false
    var index = start
    func end(_ next: Int) -> (Record, Int) {
      cells.append(bytesToCell(cell))
      return (Record(range: start..<index, cells: cells), next)
    }
    while index < bytes.count {
      let byte = bytes[index]
      if quoted {
        if byte == UInt8(ascii: "\"") {
          if index + 1 < bytes.count, bytes[index + 1] == byte {
            cell.append(byte)
            index += 1
          } else {
            quoted = false
          }
        } else {
          cell.append(byte)
        }
      } else if byte == UInt8(ascii: "\""), quoting, cell.isEmpty {
        quoted = true
      } else if byte == delimiter {
        cells.append(bytesToCell(cell))
        cell.removeAll(keepingCapacity: true)
      } else if byte == 10 || byte == 13 {
        let isPair = byte == 13 && index + 1 < bytes.count && bytes[index + 1] == 10
        return end(index + (isPair ? 2 : 1))
      } else {
        cell.append(byte)
      }
      index += 1
    }
    return quoted ? nil : end(bytes.count)
  }

  private static func bytesToCell(_ bytes: [UInt8]) -> String { bytes.text(bytes.trimmed(0..<bytes.count)) }
}
