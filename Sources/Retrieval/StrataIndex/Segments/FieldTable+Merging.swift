// Owns making one table of fields of several.
import StrataCore

extension FieldTable {
  private struct Key: Hashable {
    var name: String
    var kind: Kind
  }

  /// The fields of the chunks in `kept`, one part after the other.
  static func merge(_ parts: [(table: FieldTable, kept: [UInt64])]) -> FieldTable {
    var count = 0
    var texts: [Key: [[UInt8]: [UInt32]]] = [:]
    var numbers: [Key: [(value: Double, position: UInt32)]] = [:]
    for (table, kept) in parts {
      /// New position of each old one; `UInt32.max` for those that go.
      var places = [UInt32](repeating: .max, count: table.count)
      kept.forEachBit {
        places[$0] = UInt32(count)
        count += 1
      }
      for field in table.fields {
        let key = Key(name: field.name, kind: field.kind)
        switch field.values {
        case .texts(let column): column.collect(places, into: &texts[key, default: [:]])
        case .numbers(let column): column.collect(places, into: &numbers[key, default: []])
        }
      }
    }
    var fields = texts.compactMap { key, lists in
      lists.isEmpty ? nil : Field(name: key.name, kind: key.kind, values: .texts(Texts(lists)))
    }
    fields += numbers.compactMap { key, rows in
      rows.isEmpty ? nil : Field(name: key.name, kind: key.kind, values: .numbers(Numbers(rows)))
    }
    fields.sort { ($0.name, $0.kind.rawValue) < ($1.name, $1.kind.rawValue) }
    return FieldTable(count: count, fields: fields)
  }
}

extension FieldTable.Texts {
  /// - Parameter lists: the positions of each value, rising.
  init(_ lists: [[UInt8]: [UInt32]]) {
    let sorted = lists.sorted { $0.key.lexicographicallyPrecedes($1.key) }
    var starts: [UInt32] = [0]
    starts.reserveCapacity(sorted.count + 1)
    for (_, list) in sorted { starts.append((starts.last ?? 0) + UInt32(list.count)) }
    self.init(
      values: StringTable(sorted: sorted.map(\.key)), starts: Column(starts),
      positions: Column(Array(sorted.map(\.value).joined())))
  }

  fileprivate func collect(_ places: [UInt32], into lists: inout [[UInt8]: [UInt32]]) {
    for index in 0..<values.count {
      var list: [UInt32] = []
      forEachPosition(index..<index + 1) { if places[$0] != .max { list.append(places[$0]) } }
      if !list.isEmpty { lists[values.withBytes(index) { Array($0) }, default: []] += list }
    }
  }
}

extension FieldTable.Numbers {
  init(_ rows: [(value: Double, position: UInt32)]) {
    let sorted = rows.sorted { ($0.value, $0.position) < ($1.value, $1.position) }
    self.init(values: Column(sorted.map(\.value)), positions: Column(sorted.map(\.position)))
  }

  fileprivate func collect(_ places: [UInt32], into rows: inout [(value: Double, position: UInt32)]) {
    for (value, position) in zip(values, positions) where places[Int(position)] != .max {
      rows.append((value, places[Int(position)]))
    }
  }
}
