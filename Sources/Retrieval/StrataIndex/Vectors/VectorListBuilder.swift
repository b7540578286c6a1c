// Owns putting vectors into lists, to memory or straight into a file, holding no more of them than a budget says. What
// lists are made by is learned elsewhere.
import CStrataKernels

/// How much of the lists a builder holds, in bytes. What it makes does not depend on it.
package struct VectorListBudget: Sendable {
  /// Coded rows that are put in order together; they are there twice meanwhile.
  var run: Int
  /// What is written at a time.
  var piece: Int

  package static let standard = VectorListBudget(run: 32 << 20, piece: 8 << 20)

  package init(run: Int, piece: Int) {
    self.run = run
    self.piece = piece
  }
}

/// Lists in the making: every row coded and noted in a run of rows that is in order of lists (an external sort), from
/// which the blocks of all lists can be had in order.
struct VectorListBuilder {
  private let space: VectorSpace
  private let rowCount: Int
  private let options: VectorListOptions
  private let breadth: Int
  private let learned: LearnedLists
  private let budget: VectorListBudget
  /// Blocks before each list.
  private let starts: [UInt64]
  private let runs: ListRuns

  /// Lists every row whose bit is set in `present`. Depends on the vectors and options alone, not on threads.
  ///
  /// - Parameters:
  ///   - vectors: row-major [rows, dimension], read twice from front to back.
  ///   - scratch: where the sample and the runs go.
  /// - Returns: nil when memory could not be had or there are no rows.
  init?(
    _ vectors: Column<Float>, space: VectorSpace, present: Column<UInt64>, options: VectorListOptions, breadth: Int,
    scratch: ScratchPlace, budget: VectorListBudget, threads: VectorThreads
  ) throws(IndexError) {
    let rows = PresentRows(vectors, space, present)
    guard rows.count > 0,
      let learned = try LearnedLists(rows, options: options, scratch: scratch, threads: threads),
      let runs = try ListRuns(rows, learned, scratch: scratch, budget: budget.run, threads: threads)
    else { return nil }
    self.space = space
    self.options = options
    self.breadth = breadth
    self.learned = learned
    self.budget = budget
    self.runs = runs
    rowCount = space.dimension > 0 ? vectors.count / space.dimension : 0
    var starts: [UInt64] = [0]
    starts.reserveCapacity(learned.shape.count + 1)
    for list in 0..<learned.shape.count {
      starts.append(starts[list] + UInt64((runs.size(of: list) + Self.block - 1) / Self.block))
    }
    self.starts = starts
  }

  /// In memory.
  func lists() -> VectorLists {
    let blocks = Int(starts[shape.count])
    return lists(
      codes: Column(count: blocks * codesPerBlock) { fill(codes: $0, 0..<blocks) },
      ids: Column(count: blocks * Self.block) { fill(ids: $0, 0..<blocks) },
      squares: Column(count: hasSquares ? blocks * Self.block : 0) { fill(squares: $0, 0..<blocks) })
  }

  /// The same bytes as ``VectorLists/encode(into:prefix:)`` of ``lists()`` writes.
  func encode(into writer: inout SegmentWriter, prefix: String) {
    lists(codes: [], ids: [], squares: []).encode(into: &writer, prefix: prefix) { writer in
      write("\(prefix).listed", codesPerBlock, into: &writer) { fill(codes: $0, $1) }
      write("\(prefix).ids", Self.block, into: &writer) { fill(ids: $0, $1) }
      write("\(prefix).squares", hasSquares ? Self.block : 0, into: &writer) { fill(squares: $0, $1) }
    }
  }

  // MARK: Blocks

  private static let block = Int(STRATA_LIST_BLOCK)
  private var shape: VectorLists.Shape { learned.shape }
  private var codesPerBlock: Int { shape.parts * Self.block / 2 }
  private var hasSquares: Bool { space.metric == .euclidean }

  private func lists(codes: Column<UInt8>, ids: Column<UInt32>, squares: Column<Float>) -> VectorLists {
    VectorLists(
      space: space, rowCount: rowCount, shape: shape, probes: options.probes, breadth: breadth,
      centroids: learned.centroids, books: learned.books, starts: Column(starts), codes: codes, ids: ids,
      squares: squares)
  }

  private func fill(codes: UnsafeMutableBufferPointer<UInt8>, _ blocks: Range<Int>) {
    codes.initialize(repeating: 0)
    guard let target = codes.baseAddress, let source = runs.codes.buffer.baseAddress else { return }
    let bytes = shape.parts / 2
    forEachStretch(blocks) { rows, place in
      strata_lists_place(Int32(shape.parts), source + rows.lowerBound * bytes, Int64(rows.count), Int64(place), target)
    }
  }

  private func fill(ids: UnsafeMutableBufferPointer<UInt32>, _ blocks: Range<Int>) {
    ids.initialize(repeating: UInt32.max)
    forEachStretch(blocks) { rows, place in
      _ = ids[place..<(place + rows.count)].update(fromContentsOf: runs.ids.buffer[rows])
    }
  }

  private func fill(squares: UnsafeMutableBufferPointer<Float>, _ blocks: Range<Int>) {
    squares.initialize(repeating: 0)
    forEachStretch(blocks) { rows, place in
      _ = squares[place..<(place + rows.count)].update(fromContentsOf: runs.squares.buffer[rows])
    }
  }

  /// Calls `body` with rows of the runs and their place, counted from the first of `blocks`.
  private func forEachStretch(_ blocks: Range<Int>, _ body: (_ rows: Range<Int>, _ place: Int) -> Void) {
    var (low, high) = (0, shape.count)  // the first list that ends behind the first block
    while low < high {
      let middle = (low + high) / 2
      if Int(starts[middle + 1]) <= blocks.lowerBound { low = middle + 1 } else { high = middle }
    }
    for list in low..<shape.count {
      let first = max(blocks.lowerBound, Int(starts[list]))
      let last = min(blocks.upperBound, Int(starts[list + 1]))
      guard Int(starts[list]) < blocks.upperBound else { return }
      guard first < last else { continue }
      let wanted = ((first - Int(starts[list])) * Self.block)..<((last - Int(starts[list])) * Self.block)
      var rank = 0
      for run in 0..<runs.count {
        let rows = runs.rows(of: list, in: run)
        let some = wanted.clamped(to: rank..<(rank + rows.count))
        if !some.isEmpty {
          let from = rows.lowerBound + some.lowerBound - rank
          body(
            from..<(from + some.count), (first - blocks.lowerBound) * Self.block + some.lowerBound - wanted.lowerBound)
        }
        rank += rows.count
        if rank >= wanted.upperBound { break }
      }
    }
  }

  /// Writes a section of so many elements a block, a piece at a time.
  private func write<E: BitwiseCopyable>(
    _ name: String, _ perBlock: Int, into writer: inout SegmentWriter,
    _ fill: (UnsafeMutableBufferPointer<E>, Range<Int>) -> Void
  ) {
    writer.begin(name, of: E.self)
    defer { writer.end() }
    let blocks = Int(starts[shape.count])
    guard perBlock > 0, blocks > 0 else { return }
    let some = min(blocks, max(1, budget.piece / (perBlock * MemoryLayout<E>.stride)))
    let piece = UnsafeMutableBufferPointer<E>.allocate(capacity: some * perBlock)
    defer { piece.deallocate() }
    for first in stride(from: 0, to: blocks, by: some) {
      let range = first..<min(blocks, first + some)
      let part = UnsafeMutableBufferPointer(rebasing: piece[0..<(range.count * perBlock)])
      fill(part, range)
      writer.append(UnsafeBufferPointer(part))
    }
  }
}

/// Coded rows in runs: each run has the next so many rows, in order of lists and within one in order of rows.
private struct ListRuns {
  let count: Int
  /// Row of the vectors, codes [rows, parts / 2] and squares, run by run.
  let ids: Column<UInt32>
  let codes: Column<UInt8>
  let squares: Column<Float>
  /// [runs, lists + 1] where each list begins in a run.
  private let starts: Column<UInt32>
  private let lists: Int
  private let rowsPerRun: Int

  init?(
    _ rows: PresentRows, _ learned: LearnedLists, scratch: ScratchPlace, budget: Int, threads: VectorThreads
  ) throws(IndexError) {
    let bytes = learned.shape.parts / 2
    let hasSquares = rows.space.metric == .euclidean
    let lists = learned.shape.count
    self.lists = lists
    rowsPerRun = min(rows.count, max(1, budget / (bytes + (hasSquares ? 12 : 8))))
    count = (rows.count + rowsPerRun - 1) / rowsPerRun
    let writers = try Writers(rows.count, lists: lists, runs: count, bytes: bytes, hasSquares: hasSquares, scratch)
    var run = Run(rowsPerRun, bytes: bytes, hasSquares: hasSquares)
    let width = Int64(rows.space.width)
    var inC = VectorLists.inC(rows.space, learned.shape)
    inC.centroids = learned.centroids.buffer.baseAddress
    inC.books = learned.books.buffer.baseAddress
    var status: Int32 = 0
    try rows.forEachBatch { (ids, values) throws(IndexError) in
      guard let start = values.baseAddress, let packed = inC.centroids else { return }
      let (some, count) = (ids.count, Int64(ids.count))
      var homes = [UInt32](repeating: 0, count: some)
      var codes = [UInt8](repeating: 0, count: some * bytes)
      var squares = [Float](repeating: 0, count: hasSquares ? some : 0)
      strata_centroids_nearest(threads.pool, start, count, width, packed, Int64(lists), &homes)
      status |= squares.withUnsafeMutableBufferPointer {
        strata_lists_encode(threads.pool, &inC, start, count, homes, &codes, hasSquares ? $0.baseAddress : nil)
      }
      var first = 0
      while first < some {
        let last = first + min(some - first, run.room)
        run.append(
          ids[first..<last], homes[first..<last], codes[(first * bytes)..<(last * bytes)],
          hasSquares ? squares[first..<last] : [])
        if run.room == 0 { try writers.append(&run) }
        first = last
      }
    }
    try writers.append(&run)
    withExtendedLifetime(learned) {}
    guard status == 0 else { return nil }
    (ids, codes, squares, starts) = try writers.finish()
  }

  func rows(of list: Int, in run: Int) -> Range<Int> {
    let place = run * (lists + 1) + list
    let first = run * rowsPerRun
    return (first + Int(starts.buffer[place]))..<(first + Int(starts.buffer[place + 1]))
  }

  func size(of list: Int) -> Int { (0..<count).reduce(0) { $0 + rows(of: list, in: $1).count } }

  /// Rows of a run, as they come.
  struct Run {
    let most: Int
    let bytes: Int
    var ids: [UInt32] = []
    var homes: [UInt32] = []
    var codes: [UInt8] = []
    var squares: [Float] = []

    var room: Int { most - ids.count }

    init(_ most: Int, bytes: Int, hasSquares: Bool) {
      self.most = most
      self.bytes = bytes
      ids.reserveCapacity(most)
      homes.reserveCapacity(most)
      codes.reserveCapacity(most * bytes)
      if hasSquares { squares.reserveCapacity(most) }
    }

    mutating func append(
      _ ids: ArraySlice<UInt32>, _ homes: ArraySlice<UInt32>, _ codes: ArraySlice<UInt8>, _ squares: ArraySlice<Float>
    ) {
      self.ids += ids
      self.homes += homes
      self.codes += codes
      self.squares += squares
    }

    mutating func removeAll() {
      ids.removeAll(keepingCapacity: true)
      homes.removeAll(keepingCapacity: true)
      codes.removeAll(keepingCapacity: true)
      squares.removeAll(keepingCapacity: true)
    }
  }

  /// Where runs go.
  struct Writers {
    private let lists: Int
    private let ids: ScratchWriter<UInt32>
    private let codes: ScratchWriter<UInt8>
    private let squares: ScratchWriter<Float>
    private let starts: ScratchWriter<UInt32>

    init(
      _ rows: Int, lists: Int, runs: Int, bytes: Int, hasSquares: Bool, _ scratch: ScratchPlace
    ) throws(IndexError) {
      self.lists = lists
      ids = try ScratchWriter(rows, in: scratch)
      codes = try ScratchWriter(rows * bytes, in: scratch)
      squares = try ScratchWriter(hasSquares ? rows : 0, in: scratch)
      starts = try ScratchWriter(runs * (lists + 1), in: scratch)
    }

    /// Puts the rows in order (a counting sort, which keeps that of equal lists) and begins another run.
    func append(_ run: inout Run) throws(IndexError) {
      guard !run.ids.isEmpty else { return }
      var next = [UInt32](repeating: 0, count: lists + 1)
      for home in run.homes { next[Int(home) + 1] += 1 }
      for list in 0..<lists { next[list + 1] += next[list] }
      try starts.append(next)
      let (count, bytes) = (run.ids.count, run.bytes)
      var order = [UInt32](repeating: 0, count: count)
      for (row, home) in run.homes.enumerated() {
        order[Int(next[Int(home)])] = UInt32(row)
        next[Int(home)] += 1
      }
      try ids.append(order.map { run.ids[Int($0)] })
      if !run.squares.isEmpty { try squares.append(order.map { run.squares[Int($0)] }) }
      try codes.append(
        [UInt8](unsafeUninitializedCapacity: count * bytes) { sorted, filled in
          run.codes.withUnsafeBufferPointer { codes in
            for (place, row) in order.enumerated() {
              let slice = UnsafeMutableBufferPointer(rebasing: sorted[(place * bytes)..<((place + 1) * bytes)])
              _ = slice.initialize(fromContentsOf: codes[(Int(row) * bytes)..<((Int(row) + 1) * bytes)])
            }
          }
          filled = count * bytes
        })
      run.removeAll()
    }

    func finish() throws(IndexError) -> (Column<UInt32>, Column<UInt8>, Column<Float>, Column<UInt32>) {
      (try ids.finish(), try codes.finish(), try squares.finish(), try starts.finish())
    }
  }
}
