// Measures vector search for Benchmarks/scripts/vectors.py, which reads what it prints; proves nothing.
import Foundation
import StrataIndex
import Synchronization
import Testing

@Suite("Vector speed", .tags(.slow), .serialized)
struct VectorSpeedTests {
  /// A folder with base.f32, queries.f32 [rows, dimension] and truth.i32 [queries, 10], and filter-NAME.u64 (words of
  /// allowed rows) with truth-NAME.i32 for each filter.
  private static let folder = ProcessInfo.processInfo.environment["STRATA_BENCH_ANN"]
  private static let dimension =
    ProcessInfo.processInfo.environment["STRATA_BENCH_ANN_DIMENSION"].flatMap(Int.init) ?? 50
  private static let links = (ProcessInfo.processInfo.environment["STRATA_BENCH_ANN_LINKS"] ?? "16")
    .split(separator: ",").compactMap { Int($0) }

  private static func read<E: BitwiseCopyable>(_ name: String, _: E.Type) throws -> [E] {
    let data = try Data(contentsOf: URL(fileURLWithPath: (folder ?? "") + "/" + name))
    return [E](unsafeUninitializedCapacity: data.count / MemoryLayout<E>.stride) { target, count in
      count = target.count
      _ = data.copyBytes(to: target)
    }
  }

  /// Seconds of processor time, so that neighbours on the machine count less.
  private static func seconds() -> Double { Double(clock()) / Double(CLOCKS_PER_SEC) }

  private static func recall(_ found: [[ScoredRow]], _ truth: [Int32]) -> Double {
    var hits = 0
    for (index, rows) in found.enumerated() {
      hits += Set(rows.map(\.row)).intersection(truth[(index * 10)..<(index * 10 + 10)].map(Int.init)).count
    }
    return Double(hits) / Double(found.count * 10)
  }

  /// Only lists, instead of only graphs.
  private static let isOfLists = ProcessInfo.processInfo.environment["STRATA_BENCH_ANN_LISTS"] != nil

  @Test(
    "Build seconds, queries per second and recall",
    .enabled(if: folder != nil && !isOfLists && fits == nil, "no STRATA_BENCH_ANN"))
  func speed() throws {
    let base = Column(try Self.read("base.f32", Float.self))
    let flat = try Self.read("queries.f32", Float.self)
    let queries = (0..<(flat.count / Self.dimension)).map {
      Array(flat[($0 * Self.dimension)..<(($0 + 1) * Self.dimension)])
    }
    let truth = try Self.read("truth.i32", Int32.self)
    for links in Self.links {
      for code in links == Self.links[0] ? VectorCode.allCases : [.int8] {
        let start = Self.seconds()
        let index = try VectorIndex(
          base, dimension: Self.dimension, options: VectorOptions(code: code, links: links, buildBreadth: 100))
        print("strata\tbuild\t\(links)\t\(code)\t\(Self.seconds() - start)\t\(index.bytesPerVector)")
        for breadth in [20, 40, 60, 80, 100, 120, 160, 200, 240, 300, 400, 600] {
          for together in [true, false] {
            let start = Self.seconds()
            let found =
              together
              ? try index.search(queries, limit: 10, breadth: breadth).map(\.rows)
              : try queries.map { try index.search($0, limit: 10, breadth: breadth) }
            let rate = Double(queries.count) / (Self.seconds() - start)
            print(
              "strata\t\(together ? "many" : "one")\t\(links)\t\(code)\t\(breadth)\t\(Self.recall(found, truth))\t\(rate)"
            )
          }
        }
        if code == .int8, links == Self.links[0] { try filtered(index, queries) }
      }
    }
  }

  @Test("The same of lists, and what they read", .enabled(if: folder != nil && isOfLists, "no STRATA_BENCH_ANN_LISTS"))
  func lists() throws {
    let base = Column(try Self.read("base.f32", Float.self))
    let flat = try Self.read("queries.f32", Float.self)
    let queries = (0..<(flat.count / Self.dimension)).map {
      Array(flat[($0 * Self.dimension)..<(($0 + 1) * Self.dimension)])
    }
    let truth = try Self.read("truth.i32", Int32.self)
    for partWidth in [2, 1] {
      let options = VectorOptions(structure: .lists(VectorListOptions(partWidth: partWidth)))
      let start = Self.seconds()
      let index = try VectorIndex(base, dimension: Self.dimension, options: options)
      print(
        "strata\tbuild\t\(partWidth)\t\(Self.seconds() - start)\t\(index.bytesPerVector)\t\(index.residentBytesPerVector)"
      )
      for (probes, breadth) in Self.reaches(base.count / Self.dimension) {
        let start = Self.seconds()
        let found = try index.search(queries, limit: 10, breadth: breadth, probes: probes).map(\.rows)
        let rate = Double(queries.count) / (Self.seconds() - start)
        print("strata\tlists\t\(partWidth)\t\(probes)\t\(breadth)\t\(Self.recall(found, truth))\t\(rate)")
      }
      if partWidth == 2 {
        try filtered(index, queries)
        try onDisk(index, base, queries, truth)
      }
    }
  }

  private static func reaches(_ count: Int) -> [(probes: Int, breadth: Int)] {
    let lists = 4 * Double(count).squareRoot()
    return [0.015, 0.025, 0.033, 0.04, 0.05, 0.065, 0.08, 0.1, 0.12, 0.15, 0.2].flatMap { share in
      [50, 100, 150, 200, 300, 400].map { (max(1, Int(share * lists)), $0) }
    }
  }

  /// Searches the lists in a file of which nothing is in memory, and counts the pages that are there afterwards.
  private func onDisk(_ index: VectorIndex, _ base: Column<Float>, _ queries: [[Float]], _ truth: [Int32]) throws {
    let path = (Self.folder ?? "") + "/lists.seg"
    var writer = try SegmentWriter(path: path)
    index.encode(into: &writer, prefix: "dense")
    writer.add("vectors", base)
    let size = try writer.finish().byteCount
    let descriptor = open(path, O_RDONLY)
    defer { close(descriptor) }
    guard descriptor >= 0, let map = mmap(nil, size, PROT_READ, MAP_SHARED, descriptor, 0), map != MAP_FAILED else {
      return
    }
    defer { munmap(map, size) }
    let page = Int(sysconf(Int32(_SC_PAGESIZE)))
    func resident() -> Int {
      var pages = [UInt8](repeating: 0, count: (size + page - 1) / page)
      guard mincore(map, size, &pages) == 0 else { return -1 }
      return pages.reduce(0) { $0 + Int($1 & 1) } * page
    }
    posix_fadvise(descriptor, 0, 0, POSIX_FADV_DONTNEED)
    print("strata\tmemory\tempty\t\(size)\t\(resident())\t0\t0")
    let file = try SegmentFile(path: path)
    let opened = try VectorIndex(
      file, prefix: "dense", vectors: file.column("vectors", of: Float.self, isVerified: false),
      dimension: Self.dimension, present: index.present)
    print("strata\tmemory\topened\t\(size)\t\(resident())\t0\t0")
    for count in [1, 10, 100, queries.count] {
      let start = ContinuousClock.now
      let found = try opened.search(Array(queries.prefix(count)), limit: 10).map(\.rows)
      let seconds = (ContinuousClock.now - start) / Duration.seconds(1)
      let recall = Self.recall(found, Array(truth.prefix(10 * count)))
      print("strata\tmemory\t\(count) queries\t\(size)\t\(resident())\t\(recall)\t\(Double(count) / seconds)")
    }
  }

  /// A code, or "all".
  private static let fits = ProcessInfo.processInfo.environment["STRATA_BENCH_ANN_FIT"]

  @Test("What walks look at and each way takes", .enabled(if: folder != nil && fits != nil, "no STRATA_BENCH_ANN_FIT"))
  func costs() throws {
    let base = Column(try Self.read("base.f32", Float.self))
    let flat = try Self.read("queries.f32", Float.self)
    let queries = (0..<200).map { Array(flat[($0 * Self.dimension)..<(($0 + 1) * Self.dimension)]) }
    let names = try FileManager.default.contentsOfDirectory(atPath: Self.folder ?? "").sorted()
      .filter { $0.hasPrefix("filter-") }.map { String($0.dropFirst(7).dropLast(4)) }
    for code in VectorCode.allCases where Self.fits == "all" || Self.fits == "\(code)" {
      let index = try VectorIndex(
        base, dimension: Self.dimension, options: VectorOptions(code: code, buildBreadth: 100))
      for name in names {
        let allowed = try Self.read("filter-\(name).u64", UInt64.self)
        let truth = try Self.read("truth-\(name).i32", Int32.self)
        for (isWalk, breadth) in [(true, 100), (true, 200), (true, 400), (false, 36)] {
          let start = Self.seconds()
          let found = queries.compactMap {
            index.look($0, limit: 10, breadth: breadth, allowed: allowed, isWalk: isWalk)
          }
          let micros = (Self.seconds() - start) / Double(queries.count) * 1e6
          func mean(_ values: [Int]) -> Int { values.reduce(0, +) / values.count }
          let near = found.map(\.near).sorted()
          let least = found.map(\.rows.count).min() ?? 0
          print(
            "strata\tcost\t\(code)\t\(name)\t\(isWalk ? "walk" : "scan")\t\(breadth)\t\(mean(found.map(\.scored)))"
              + "\t\(mean(found.map(\.visited)))\t\(near[20])\t\(least)"
              + "\t\(Self.recall(found.map(\.rows), Array(truth.prefix(2000))))\t\(micros)")
        }
      }
    }
  }

  /// "ROWS DIMENSION": that many vectors around some centres; a folder with base.f32 has them otherwise.
  private static let built = ProcessInfo.processInfo.environment["STRATA_BENCH_ANN_BUILD"]?.split(separator: " ")
    .compactMap { Int($0) }

  @Test("What building lists in a file holds", .enabled(if: built != nil, "no STRATA_BENCH_ANN_BUILD"))
  func memory() throws {
    guard let built = Self.built, built.count == 2 else { return }
    let (rows, dimension) = (built[0], built[1])
    let folder = Self.folder ?? NSTemporaryDirectory()
    let path = folder + "/built.seg"
    var writer = try SegmentWriter(path: path)
    writer.begin("vectors", of: Float.self)
    var random = SeededGenerator(state: 3)
    let centres = (0..<1000).map { _ in (0..<dimension).map { _ in Float.random(in: -1...1, using: &random) } }
    for first in stride(from: 0, to: rows, by: 4096) {
      let values = (first..<min(rows, first + 4096)).flatMap { _ in
        centres[Int(random.next() % 1000)].map { value in
          let bits = random.next()
          return value + Float(Int32(truncatingIfNeeded: bits)) * 0x1p-32 + Float(Int32(bits >> 33)) * 0x1p-32
        }
      }
      values.withUnsafeBufferPointer { writer.append($0) }
    }
    writer.end()
    let vectors = try writer.column("vectors", of: Float.self)
    let before = Self.anonymousBytes()
    let watch = PeakWatch { Self.anonymousBytes() }
    let start = Self.seconds()
    try VectorIndex.write(
      vectors, dimension: dimension, metric: .cosine, present: Column([UInt64](repeating: .max, count: rows / 64)),
      options: VectorOptions(structure: .lists(VectorListOptions())), scratch: ScratchPlace(folder: folder),
      into: &writer, prefix: "dense")
    let seconds = Self.seconds() - start
    let peak = watch.stop() - before
    let size = try writer.finish().byteCount
    print("strata\theld\t\(rows)\t\(dimension)\t\(rows * dimension * 4)\t\(size)\t\(peak)\t\(seconds)")
    try FileManager.default.removeItem(atPath: path)
  }

  /// Memory of this process that is of no file (Linux).
  private static func anonymousBytes() -> Int {
    let status = (try? String(contentsOfFile: "/proc/self/status", encoding: .utf8)) ?? ""
    let line = status.split(separator: "\n").first { $0.hasPrefix("RssAnon") }
    return 1024 * (line?.split(separator: " ").compactMap { Int($0) }.first ?? 0)
  }

  private func filtered(_ index: VectorIndex, _ queries: [[Float]]) throws {
    let names = try FileManager.default.contentsOfDirectory(atPath: Self.folder ?? "").sorted()
    for name in names.filter({ $0.hasPrefix("filter-") }).map({ String($0.dropFirst(7).dropLast(4)) }) {
      let allowed = try Self.read("filter-\(name).u64", UInt64.self)
      let truth = try Self.read("truth-\(name).i32", Int32.self)
      let some = Array(queries.prefix(truth.count / 10))
      let start = Self.seconds()
      let found = try some.map { try index.search([$0], limit: 10, allowed: allowed)[0] }
      let rate = Double(some.count) / (Self.seconds() - start)
      let ways = Dictionary(grouping: found, by: \.way).map { "\($0.key.rawValue) \($0.value.count)" }.sorted()
      let least = found.map(\.rows.count).min() ?? 0
      print(
        "strata\tfilter\t\(name)\t\(least)\t\(Self.recall(found.map(\.rows), truth))\t\(rate)\t\(ways.joined(separator: ", "))"
      )
    }
  }
}

/// Looks at a number every few milliseconds and keeps the greatest.
private final class PeakWatch: Sendable {
  private let state = Mutex<(peak: Int, isOver: Bool)>((0, false))

  init(_ read: @escaping @Sendable () -> Int) {
    Thread.detachNewThread { [self] in
      while !state.withLock(\.isOver) {
        let value = read()
        state.withLock { $0.peak = max($0.peak, value) }
        usleep(3000)
      }
    }
  }

  func stop() -> Int {
    state.withLock {
      $0.isOver = true
      return $0.peak
    }
  }
}
