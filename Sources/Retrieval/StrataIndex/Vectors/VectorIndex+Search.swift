// Owns the choice between walking the graph, looking into lists, and looking at every allowed row, and scoring again by exact vectors.
import CStrataKernels

extension VectorIndex {
  /// How a search went; for benchmarks, `explain` and tests.
  public enum Way: String, Sendable, Hashable {
    /// Every allowed row was scored by its exact vector.
    case exact
    /// Every allowed row was scored by its code, the best again by their exact vectors.
    case scan
    /// Through the graph.
    case graph
    /// The graph was left for a scan, because it found too few or took too long.
    case graphThenScan
    /// Through lists.
    case lists
    /// Lists had too few of the allowed rows, which were then all scored.
    case listsThenExact
  }

  /// The rows nearest to `query`, best first, the lower row among equals.
  ///
  /// - Parameters:
  ///   - allowed: a bit per row; nil: all rows.
  ///   - breadth: how many near rows the graph's search keeps in view, or of lists are scored exactly; nil:
  ///     ``VectorOptions/searchBreadth``.
  ///   - probes: lists that are looked into; nil: ``VectorListOptions/probes``.
  ///   - isExact: looks at the exact vector of every allowed row.
  /// - Throws: when the query has the wrong length or is not finite.
  public func search(
    _ query: [Float], limit: Int, allowed: [UInt64]? = nil, breadth: Int? = nil, probes: Int? = nil,
    isExact: Bool = false
  ) throws(IndexError) -> [ScoredRow] {
    try search([query], limit: limit, allowed: allowed, breadth: breadth, probes: probes, isExact: isExact)[0].rows
  }

  /// The same for several queries, which are served faster together.
  ///
  /// - Returns: as many results as there are queries.
  public func search(
    _ queries: [[Float]], limit: Int, allowed: [UInt64]? = nil, breadth: Int? = nil, probes: Int? = nil,
    isExact: Bool = false
  ) throws(IndexError) -> [(rows: [ScoredRow], way: Way)] {
    for query in queries {
      guard query.count == dimension else { throw .dimension(expected: dimension, found: query.count) }
      guard query.allSatisfy(\.isFinite) else { throw .notFinite() }
    }
    let words = (count + 63) / 64
    if let allowed, allowed.count != words { throw .dimension(expected: count, found: allowed.count * 64) }
    guard limit > 0, presentCount > 0 else { return queries.map { _ in ([], .exact) } }
    guard let allowed else { return run(queries, limit, present.buffer, presentCount, breadth, probes, isExact) }
    let usable = zip(allowed, present).map { $0 & $1 }
    let count = usable.withUnsafeBufferPointer { words in
      words.baseAddress.map { Int(strata_bits_count($0, nil, Int64(words.count))) } ?? 0
    }
    return usable.withUnsafeBufferPointer { run(queries, limit, $0, count, breadth, probes, isExact) }
  }

  private func run(
    _ queries: [[Float]], _ limit: Int, _ allowed: UnsafeBufferPointer<UInt64>, _ allowedCount: Int,
    _ breadth: Int?, _ probes: Int?, _ isExact: Bool
  ) -> [(rows: [ScoredRow], way: Way)] {
    if let lists, !isExact {
      return run(lists, queries, limit, allowed, allowedCount, breadth ?? options.searchBreadth, probes)
    }
    guard let graph, !isExact else { return queries.map { (exact($0, limit, allowed), .exact) } }
    let plan = VectorPlan(
      limit: limit, breadth: breadth ?? options.searchBreadth, code: options.code,
      stride: graph.codes.stride, allowed: allowedCount, present: presentCount)
    let prepared = queries.map(graph.codes.prepare)
    let isFiltered = allowedCount < presentCount
    let filter = isFiltered || presentCount < count ? allowed.baseAddress : nil
    guard plan.walksGraph else {
      return zip(queries, prepared).map { query, prepared in
        let rows = graph.codes.scan(prepared, allowed: filter, limit: plan.rescored)
        return (rescore(rows, query, limit), .scan)
      }
    }
    let found = graph.search(
      prepared, breadth: plan.breadth, allowed: isFiltered ? filter : nil, budget: plan.budget, least: plan.least)
    return queries.indices.map { index in
      let rows = found[index].rows
      if found[index].effort.complete, rows.count >= min(limit, allowedCount) {
        return (rescore(rows.prefix(plan.rescored), queries[index], limit), .graph)
      }
      let scanned = graph.codes.scan(prepared[index], allowed: filter, limit: plan.rescored)
      return (rescore(scanned[...], queries[index], limit), .graphThenScan)
    }
  }

  /// What one way through codes finds and looks at.
  package struct Look: Sendable {
    package var rows: [ScoredRow]
    /// Of a walk: rows that were scored, and whose links were read; how many of the rows around the query are allowed;
    /// and whether it came to its end.
    package var scored = 0
    package var visited = 0
    package var near: Float = 1
    package var isComplete = true
  }

  /// Walks the graph or scans the codes, whatever the plan says; for fitting ``VectorPlan`` and for tests.
  ///
  /// - Parameter isGuarded: ends a walk that goes astray, as the plan does.
  package func look(
    _ query: [Float], limit: Int, breadth: Int, allowed: [UInt64]?, isWalk: Bool, isGuarded: Bool = false
  ) -> Look? {
    guard let graph else { return nil }
    let prepared = graph.codes.prepare(query)
    let words = allowed ?? Array(present)
    let allowedCount = words.reduce(0) { $0 + $1.nonzeroBitCount }
    return words.withUnsafeBufferPointer { words in
      guard isWalk else {
        return Look(rows: rescore(graph.codes.scan(prepared, allowed: words.baseAddress, limit: breadth), query, limit))
      }
      let plan = VectorPlan(
        limit: limit, breadth: breadth, code: options.code, stride: graph.codes.stride, allowed: allowedCount,
        present: presentCount)
      let found = graph.search(
        [prepared], breadth: isGuarded ? plan.breadth : breadth, allowed: allowed == nil ? nil : words.baseAddress,
        budget: isGuarded ? plan.budget : .max, least: isGuarded ? plan.least : 0)[0]
      return Look(
        rows: rescore(found.rows, query, limit), scored: Int(found.effort.scored),
        visited: Int(found.effort.visited), near: found.effort.near, isComplete: found.effort.complete)
    }
  }

  private func run(
    _ lists: VectorLists, _ queries: [[Float]], _ limit: Int, _ allowed: UnsafeBufferPointer<UInt64>,
    _ allowedCount: Int, _ breadth: Int, _ probes: Int?
  ) -> [(rows: [ScoredRow], way: Way)] {
    let plan = VectorListPlan(
      limit: limit, breadth: breadth, probes: probes ?? listOptions.probes(of: lists.shape.count),
      lists: lists.shape.count, allowed: allowedCount, present: presentCount)
    guard let reach = plan.reach else { return queries.map { (exact($0, limit, allowed), .exact) } }
    let isFiltered = allowedCount < presentCount
    let found = lists.search(queries, reach: reach, allowed: isFiltered ? allowed.baseAddress : nil)
    return zip(queries, found.rows).map { query, rows in
      let scored = rescore(rows, query, limit)
      if scored.count >= min(limit, allowedCount) { return (scored, .lists) }
      return (exact(query, limit, allowed), .listsThenExact)
    }
  }

  private var listOptions: VectorListOptions {
    if case .lists(let options) = options.structure { options } else { VectorListOptions() }
  }

  /// The best of `rows` by their exact vectors. A file that nobody has checked may hold anything: what is no number is
  /// near nothing, and a row may come twice.
  private func rescore(_ rows: some Collection<UInt32>, _ query: [Float], _ limit: Int) -> [ScoredRow] {
    guard let start = vectors.buffer.baseAddress else { return [] }
    let space = VectorSpace(dimension: dimension, metric: metric, lift: 0)
    let lines = min(8, (dimension * 4 + 63) / 64)
    for row in rows { for line in 0..<lines { strata_prefetch(start + Int(row) * dimension + 16 * line) } }
    var top = TopChunks<Float>(limit: min(limit, max(1, count)))
    withExtendedLifetime(vectors) {
      for row in rows {
        let score = space.score(query, start + Int(row) * dimension)
        if !score.isNaN, score >= top.threshold ?? -.infinity { top.insert(score, id: Int64(row)) }
      }
    }
    let best = top.sorted()
    if zip(best, best.dropFirst()).contains(where: { $0.id == $1.id }) { return rescore(Set(rows), query, limit) }
    return best.map { ScoredRow(row: Int($0.id), score: $0.score) }
  }

  private func exact(_ query: [Float], _ limit: Int, _ allowed: UnsafeBufferPointer<UInt64>) -> [ScoredRow] {
    guard let start = vectors.buffer.baseAddress else { return [] }
    let space = VectorSpace(dimension: dimension, metric: metric, lift: 0)
    var top = TopChunks<Float>(limit: min(limit, max(1, count)))
    withExtendedLifetime(self) {
      for word in allowed.indices {
        var rest = allowed[word]
        while rest != 0 {
          let row = word << 6 + rest.trailingZeroBitCount
          rest &= rest - 1
          let score = space.score(query, start + row * dimension)
          if !score.isNaN { top.insert(score, id: Int64(row)) }
        }
      }
    }
    return top.sorted().map { ScoredRow(row: Int($0.id), score: $0.score) }
  }
}
