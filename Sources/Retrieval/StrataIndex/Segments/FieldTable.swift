// Owns the typed metadata of a segment's chunks as columns, and finding chunks by it. Knows nothing about documents.
import Foundation
import StrataCore

/// Per field and kind of value: the values in order, and for each the chunks that have it.
struct FieldTable: Sendable {
  enum Kind: UInt8, Sendable {
    case string, strings, number, boolean, date

    init(_ value: FieldValue) {
      switch value {
      case .string: self = .string
      case .strings: self = .strings
      case .number: self = .number
      case .boolean: self = .boolean
      case .date: self = .date
      }
    }
  }

  /// Texts of one field: distinct values, and the positions of each.
  struct Texts: Sendable {
    let values: StringTable
    let starts: Column<UInt32>
    let positions: Column<UInt32>

    func forEachPosition(_ range: Range<Int>, _ body: (Int) -> Void) {
      for index in Int(starts[range.lowerBound])..<Int(starts[range.upperBound]) { body(Int(positions[index])) }
    }
  }

  /// Numbers of one field, rising, each with its position. Dates are seconds since 2001, booleans 0 and 1.
  struct Numbers: Sendable {
    let values: Column<Double>
    let positions: Column<UInt32>
  }

  enum Values: Sendable {
    case texts(Texts)
    case numbers(Numbers)
  }

  struct Field: Sendable {
    let name: String
    let kind: Kind
    let values: Values
  }

  let count: Int
  let fields: [Field]

  init(_ rows: [[String: FieldValue]]) {
    count = rows.count
    var columns: [String: [Kind: [(position: UInt32, value: FieldValue)]]] = [:]
    for (position, row) in rows.enumerated() {
      for (name, value) in row where !value.isEmpty {
        columns[name, default: [:]][Kind(value), default: []].append((UInt32(position), value))
      }
    }
    fields = columns.sorted { $0.key < $1.key }.flatMap { name, kinds in
      kinds.sorted { $0.key.rawValue < $1.key.rawValue }.map { kind, rows in
        Field(name: name, kind: kind, values: Self.values(rows))
      }
    }
  }

  private static func values(_ rows: [(position: UInt32, value: FieldValue)]) -> Values {
    let numbers = rows.compactMap { row in number(row.value).map { (value: $0, position: row.position) } }
    if numbers.count == rows.count { return .numbers(Numbers(numbers)) }
    var lists: [[UInt8]: [UInt32]] = [:]
    for row in rows {
      for text in row.value.texts ?? [] {
        let key = Array(text.utf8)
        if lists[key]?.last != row.position { lists[key, default: []].append(row.position) }
      }
    }
    return .texts(Texts(lists))
  }

  private static func number(_ value: FieldValue) -> Double? {
    switch value {
    case .number(let number): number
    case .boolean(let flag): flag ? 1 : 0
    case .date(let date): date.timeIntervalSinceReferenceDate
    case .string, .strings: nil
    }
  }

  init(count: Int, fields: [Field]) {
    self.count = count
    self.fields = fields
  }

  // MARK: Files

  func encode(into writer: inout SegmentWriter, prefix: String) {
    writer.add("\(prefix).count", [UInt64(count)])
    let names = StringTable(fields.map(\.name))
    names.encode(into: &writer, prefix: "\(prefix).names")
    writer.add("\(prefix).nameOf", fields.map { UInt32(names.index(of: $0.name) ?? 0) })
    writer.add("\(prefix).kinds", fields.map(\.kind.rawValue))
    for (index, field) in fields.enumerated() {
      switch field.values {
      case .texts(let texts):
        texts.values.encode(into: &writer, prefix: "\(prefix).\(index).values")
        writer.add("\(prefix).\(index).starts", texts.starts)
        writer.add("\(prefix).\(index).positions", texts.positions)
      case .numbers(let numbers):
        writer.add("\(prefix).\(index).values", numbers.values)
        writer.add("\(prefix).\(index).positions", numbers.positions)
      }
    }
  }

  init(_ file: SegmentFile, prefix: String) throws(IndexError) {
    let size = try file.column("\(prefix).count", of: UInt64.self)
    let names = try StringTable(file, prefix: "\(prefix).names")
    let nameOf = try file.column("\(prefix).nameOf", of: UInt32.self)
    let kinds = try file.column("\(prefix).kinds", of: UInt8.self)
    try file.check(
      prefix,
      size.count == 1 && size.allSatisfy { $0 < UInt32.max } && nameOf.count == kinds.count
        && nameOf.allSatisfy { $0 < names.count })
    let count = Int(size[0])
    var fields: [Field] = []
    for index in kinds.indices {
      guard let kind = Kind(rawValue: kinds[index]) else {
        throw .corrupted("a field has the unknown kind \(kinds[index])", path: file.path)
      }
      let positions = try file.column("\(prefix).\(index).positions", of: UInt32.self)
      try file.check("\(prefix).\(index).positions", positions.allSatisfy { $0 < count })
      let values: Values
      switch kind {
      case .string, .strings:
        let table = try StringTable(file, prefix: "\(prefix).\(index).values")
        let starts = try file.column("\(prefix).\(index).starts", of: UInt32.self)
        try file.check(
          "\(prefix).\(index).starts", starts.count == table.count + 1 && isOffsets(starts, into: positions.count))
        values = .texts(Texts(values: table, starts: starts, positions: positions))
      case .number, .boolean, .date:
        let numbers = try file.column("\(prefix).\(index).values", of: Double.self)
        try file.check("\(prefix).\(index).values", numbers.count == positions.count)
        values = .numbers(Numbers(values: numbers, positions: positions))
      }
      fields.append(Field(name: names[Int(nameOf[index])], kind: kind, values: values))
    }
    self.count = count
    self.fields = fields
  }
}
