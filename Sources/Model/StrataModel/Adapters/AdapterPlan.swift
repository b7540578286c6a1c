// Owns which rows of a step run with which adapter. Knows nothing about the order of computing around it.
import StrataCore

/// The adapters of a step's rows. Rows of one adapter form a group wherever they are in the batch, so that its matrices
/// are read once for all of them.
struct AdapterPlan {
  private struct Group {
    var adapter: LoRAAdapter
    var rows: [Int32] = []
    var place = 0..<0
  }

  private var groups: [Group] = []
  private var groupOfAdapter: [ObjectIdentifier: Int] = [:]
  /// The rows of all groups, one group after another.
  private(set) var rows: [Int32] = []

  /// Whether no row has an adapter.
  var isEmpty: Bool { groups.isEmpty }

  mutating func removeAll() {
    guard !groups.isEmpty else { return }
    groups.removeAll(keepingCapacity: true)
    groupOfAdapter.removeAll(keepingCapacity: true)
    rows.removeAll(keepingCapacity: true)
  }

  mutating func append(_ adapter: LoRAAdapter, rows: Range<Int>) {
    let known = groupOfAdapter[ObjectIdentifier(adapter)]
    let index = known ?? groups.count
    if known == nil {
      groupOfAdapter[ObjectIdentifier(adapter)] = index
      groups.append(Group(adapter: adapter))
    }
    groups[index].rows += rows.map(Int32.init)
  }

  /// Lays out ``rows``; called once, when all rows are there.
  mutating func close() {
    for index in groups.indices {
      groups[index].place = rows.count..<(rows.count + groups[index].rows.count)
      rows += groups[index].rows
    }
  }

  /// What the adapters add to the outputs of linear layers that share an input.
  func updates(of outputs: [(module: LoRAModule, output: FloatBuffer)], layer: Int) -> [LowRankUpdate] {
    var updates: [LowRankUpdate] = []
    updates.reserveCapacity(groups.count * outputs.count)
    for group in groups {
      for (module, output) in outputs {
        guard let matrix = group.adapter.matrix(of: module, layer: layer) else { continue }
        updates.append(LowRankUpdate(matrix: matrix, output: output, rows: group.place))
      }
    }
    return updates
  }
}
