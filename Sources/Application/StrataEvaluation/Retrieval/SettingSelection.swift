// Owns figures for settings that were chosen on other queries than those they are reported on. Searches nothing: it is
// given what each query scored with each setting.
import Foundation
import StrataCore

/// How every query of one collection did with every setting of a grid.
public struct SettingRuns: Sendable, Hashable {
  public var dataset: String
  /// In the order of all values.
  public var queries: [String]
  public var settings: [Setting]

  public struct Setting: Sendable, Hashable {
    /// Settings are chosen among those of one family, for example `fusion`.
    public var family: String
    public var name: String
    /// What a search does when it is told nothing.
    public var isDefault: Bool
    /// By measure, then by query.
    public var values: [String: [Double]]

    public init(family: String, name: String, isDefault: Bool = false, values: [String: [Double]]) {
      self.family = family
      self.name = name
      self.isDefault = isDefault
      self.values = values
    }
  }

  public init(dataset: String, queries: [String], settings: [Setting]) {
    self.dataset = dataset
    self.queries = queries
    self.settings = settings
  }
}

/// Choosing the best setting on some queries and reporting it on others (nested cross-validation, Stone 1974).
public struct SettingSelection: Sendable, Hashable {
  /// One figure: where it was chosen, where it was measured, and with what.
  public struct Figure: Sendable, Hashable {
    public var family: String
    public var measure: String
    /// `default`, `in sample`, `held out`, or `from NAME`: chosen there.
    public var way: String
    public var dataset: String
    public var interval: Interval
    /// What it has more than the default, query by query.
    public var gain: Interval
    /// Settings that were chosen, by the number of folds that chose them.
    public var chosen: [String: Int]
  }

  public var folds: Int
  public var figures: [Figure]

  /// - Parameters:
  ///   - runs: of one collection or several; a setting is carried from one to another by family and name.
  ///   - folds: at least 2. A query's fold is the first four bytes of its id's SHA-256, modulo this.
  public init(_ runs: [SettingRuns], folds: Int) {
    self.folds = max(2, folds)
    figures = []
    for run in runs {
      var families: [String] = []
      for setting in run.settings where !families.contains(setting.family) { families.append(setting.family) }
      for family in families {
        for measure in run.settings.first(where: { $0.family == family })?.values.keys.sorted() ?? [] {
          figures += Self.figures(run, family, measure, folds: self.folds, others: runs.filter { $0 != run })
        }
      }
    }
  }

  /// Which part of the queries one belongs to.
  public static func fold(of query: String, among folds: Int) -> Int {
    Int((UInt32(SHA256.hash(query).prefix(8), radix: 16) ?? 0) % UInt32(max(1, folds)))
  }

  private static func figures(
    _ run: SettingRuns, _ family: String, _ measure: String, folds: Int, others: [SettingRuns]
  ) -> [Figure] {
    let settings = run.settings.filter { $0.family == family }
    let all = Array(run.queries.indices)
    guard let usual = settings.first(where: \.isDefault)?.values[measure],
      let best = best(settings, measure, over: all)
    else { return [] }
    func figure(_ way: String, _ values: [Double], _ chosen: [String: Int]) -> Figure {
      Figure(
        family: family, measure: measure, way: way, dataset: run.dataset, interval: Interval(bootstrapping: values),
        gain: Interval(bootstrapping: zip(values, usual).map { $0 - $1 }), chosen: chosen)
    }
    let fold = run.queries.map { Self.fold(of: $0, among: folds) }
    var held = usual
    var chosen: [String: Int] = [:]
    for part in 0..<folds {
      guard let setting = Self.best(settings, measure, over: all.filter { fold[$0] != part }),
        let values = setting.values[measure]
      else { continue }
      chosen[setting.name, default: 0] += 1
      for query in all where fold[query] == part { held[query] = values[query] }
    }
    var figures = [
      figure("default", usual, [:]), figure("in sample", best.values[measure] ?? usual, [best.name: folds]),
      figure("held out", held, chosen),
    ]
    for other in others {
      let candidates = other.settings.filter { $0.family == family }
      guard let setting = Self.best(candidates, measure, over: Array(other.queries.indices)),
        let values = settings.first(where: { $0.name == setting.name })?.values[measure]
      else { continue }
      figures.append(figure("from \(other.dataset)", values, [setting.name: 1]))
    }
    return figures
  }

  /// The setting with the greatest mean over some queries; of equal ones the first of the grid.
  private static func best(
    _ settings: [SettingRuns.Setting], _ measure: String, over queries: [Int]
  ) -> SettingRuns.Setting? {
    var best: (setting: SettingRuns.Setting, sum: Double)?
    for setting in settings {
      guard let values = setting.values[measure] else { continue }
      let sum = queries.reduce(0) { $0 + values[$1] }
      if best.map({ sum > $0.sum }) ?? true { best = (setting, sum) }
    }
    return best?.setting
  }
}

extension SettingSelection {
  public var json: JSON {
    [
      "folds": .int(folds),
      "figures": .array(
        figures.map { figure in
          [
            "dataset": .string(figure.dataset), "family": .string(figure.family), "measure": .string(figure.measure),
            "way": .string(figure.way), "value": figure.interval.json, "gain": figure.gain.json,
            "chosen": .object(JSONObject(figure.chosen.sorted { $0.key < $1.key }.map { ($0.key, .int($0.value)) })),
          ]
        }),
    ]
  }

  /// A table of at most 80 columns; of several settings that folds chose the most frequent.
  public var text: String {
    var table = TextTable(["", "value", "95%", "gain", "95%", "setting"])
    for figure in figures {
      let chosen = figure.chosen.max { ($0.value, $1.key) < ($1.value, $0.key) }
      table.add([
        "  \(figure.way)", Self.short(figure.interval.mean, 4),
        "\(Self.short(figure.interval.low, 3))-\(Self.short(figure.interval.high, 3))", Self.short(figure.gain.mean, 3),
        "\(Self.short(figure.gain.low, 3)),\(Self.short(figure.gain.high, 3))",
        chosen.map { figure.chosen.count > 1 ? "\($0.key) (\($0.value)/\(folds))" : $0.key } ?? "",
      ])
    }
    var lines = table.text.split(separator: "\n").map(String.init)
    // Titles stand between the rows, from the last upwards.
    for index in figures.indices.reversed() {
      let title = Self.title(figures[index])
      if index == 0 || Self.title(figures[index - 1]) != title { lines.insert(title, at: index + 1) }
    }
    return "Settings chosen by \(folds)-fold cross-validation over queries\n\(lines.joined(separator: "\n"))"
  }

  private static func title(_ figure: Figure) -> String { "\(figure.dataset), \(figure.family), \(figure.measure)" }

  /// Without a zero before the point.
  private static func short(_ value: Double, _ digits: Int) -> String {
    TextTable.number(value, digits).replacingOccurrences(of: "0.", with: ".", options: .anchored)
      .replacingOccurrences(of: "-0.", with: "-.", options: .anchored)
  }
}
