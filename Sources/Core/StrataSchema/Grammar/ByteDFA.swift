// Owns table-driven automata, for numbers and patterns. Building them is elsewhere.

/// A deterministic finite automaton over bytes as a table; bytes that no state tells apart share a column.
struct ByteDFA: ByteAutomaton, Sendable {
  private let columns: [UInt8]
  private let columnCount: Int
  /// Next state by state and column; -1 is dead.
  private let table: [Int32]
  private let accepting: [Bool]
  private let only: [Int16]
  private let continues: [Bool]

  var stateCount: Int { accepting.count }
  var start: UInt64 { 0 }

  /// `rows` holds 256 targets for each state (-1 is none); the first state is the start. Every state must reach an
  /// accepting one.
  init(rows: [[Int32]], accepting: [Bool]) {
    self.accepting = accepting
    var columns = [UInt8](repeating: 0, count: 256)
    var representatives: [Int] = []
    var known: [[Int32]: UInt8] = [:]
    for byte in 0..<256 {
      let column = rows.map { $0[byte] }
      if let found = known[column] {
        columns[byte] = found
      } else {
        let index = UInt8(representatives.count)
        known[column] = index
        columns[byte] = index
        representatives.append(byte)
      }
    }
    self.columns = columns
    columnCount = representatives.count
    var table: [Int32] = []
    table.reserveCapacity(rows.count * representatives.count)
    var only: [Int16] = []
    var continues: [Bool] = []
    for row in rows {
      for byte in representatives { table.append(row[byte]) }
      let leading = row.indices.filter { row[$0] >= 0 }
      continues.append(!leading.isEmpty)
      only.append(leading.count == 1 ? Int16(leading[0]) : -1)
    }
    self.table = table
    self.only = only
    self.continues = continues
  }

  @inline(__always)
  func step(_ state: UInt64, _ byte: UInt8) -> UInt64 {
    let next = table[Int(state) * columnCount + Int(columns[Int(byte)])]
    return next < 0 ? deadState : UInt64(next)
  }

  func isAccepting(_ state: UInt64) -> Bool { accepting[Int(state)] }
  func canContinue(_ state: UInt64) -> Bool { continues[Int(state)] }
  func onlyByte(_ state: UInt64) -> UInt8? { only[Int(state)] < 0 ? nil : UInt8(only[Int(state)]) }

  /// The automaton without bounds checks, for walks over all tokens; valid inside `body` only.
  func withView<Result>(_ body: (View) -> Result) -> Result {
    columns.withUnsafeBufferPointer { columns in
      table.withUnsafeBufferPointer { table in
        accepting.withUnsafeBufferPointer { accepting in
          continues.withUnsafeBufferPointer { continues in
            body(
              View(
                columns: columns, table: table, accepting: accepting, continues: continues, columnCount: columnCount))
          }
        }
      }
    }
  }

  struct View: ByteAutomaton {
    let columns: UnsafeBufferPointer<UInt8>
    let table: UnsafeBufferPointer<Int32>
    let accepting: UnsafeBufferPointer<Bool>
    let continues: UnsafeBufferPointer<Bool>
    let columnCount: Int

    @inline(__always)
    func step(_ state: UInt64, _ byte: UInt8) -> UInt64 {
      let next = table[Int(state) * columnCount + Int(columns[Int(byte)])]
      return next < 0 ? deadState : UInt64(next)
    }
    @inline(__always)
    func isAccepting(_ state: UInt64) -> Bool { accepting[Int(state)] }
    @inline(__always)
    func canContinue(_ state: UInt64) -> Bool { continues[Int(state)] }
    func onlyByte(_ state: UInt64) -> UInt8? { nil }
  }
}
