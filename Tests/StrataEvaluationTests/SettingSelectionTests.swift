import StrataEvaluation
import Testing

@Suite struct SettingSelectionTests {
  private static let queries = (0..<50).map { "q\($0)" }

  private func runs(_ dataset: String, _ settings: [(String, (Int) -> Double)]) -> SettingRuns {
    SettingRuns(
      dataset: dataset, queries: Self.queries,
      settings: settings.enumerated().map { number, setting in
        SettingRuns.Setting(
          family: "fusion", name: setting.0, isDefault: number == 0,
          values: ["ndcg@10": Self.queries.indices.map(setting.1)])
      })
  }

  @Test("what is reported on a query was chosen without it")
  func honest() throws {
    // Each lucky setting is right about one fold and nothing else: chosen in sample it looks better than the default, and
    // held out it is never used where it is right.
    let fold = Self.queries.map { SettingSelection.fold(of: $0, among: 5) }
    let lucky = (0..<5).map { part in ("lucky \(part)", { (query: Int) in fold[query] == part ? 1.0 : 0 }) }
    let selection = SettingSelection([runs("a", [("usual", { _ in 0.1 })] + lucky)], folds: 5)
    func figure(_ way: String) throws -> SettingSelection.Figure {
      try #require(selection.figures.first { $0.way == way })
    }
    #expect(try abs(figure("default").interval.mean - 0.1) < 1e-9)
    #expect(try figure("in sample").interval.mean > 0.2)
    #expect(try figure("held out").interval.mean == 0)
    #expect(try figure("held out").chosen.values.reduce(0, +) == 5)
  }

  @Test("a setting that is better everywhere is chosen everywhere, also for another collection")
  func better() throws {
    let one = runs("a", [("usual", { _ in 0.4 }), ("better", { $0 % 2 == 0 ? 0.6 : 0.4 })])
    let other = runs("b", [("usual", { _ in 0.5 }), ("better", { _ in 0.2 })])
    let figures = SettingSelection([one, other], folds: 5).figures
    let held = try #require(figures.first { $0.dataset == "a" && $0.way == "held out" })
    #expect(held.chosen == ["better": 5] && abs(held.gain.mean - 0.1) < 1e-9 && held.gain.low > 0)
    let moved = try #require(figures.first { $0.dataset == "b" && $0.way == "from a" })
    #expect(moved.chosen == ["better": 1] && abs(moved.gain.mean + 0.3) < 1e-9)
    let back = try #require(figures.first { $0.dataset == "a" && $0.way == "from b" })
    #expect(back.chosen == ["usual": 1] && back.gain.mean == 0)
  }

  @Test("folds are what the hash of the query's id says, and the table fits a terminal")
  func folds() {
    // SHA-256 of "1" begins with 6b86b273, that of "13" with 3fdba35f.
    #expect(SettingSelection.fold(of: "1", among: 5) == 0x6b86_b273 % 5)
    #expect(SettingSelection.fold(of: "13", among: 7) == 0x3fdb_a35f % 7)
    let text = SettingSelection([runs("a", [("usual", { _ in 0.4 })])], folds: 5).text
    #expect(text.split(separator: "\n").allSatisfy { $0.count <= 80 })
    #expect(text.contains("\na, fusion, ndcg@10\n  default    .4000  .400-.400"))
  }
}
