// Owns the settings that cross-validation chooses among, and running all of them. Measures nothing itself.
import StrataCore
import StrataEvaluation
import StrataRetrieval

/// Settings of the search by family; each family holds what a search does when it is told nothing.
struct RetrievalGrid {
  struct Setting {
    var family: String
    var name: String
    var isDefault = false
    var spec: QuerySpec
    var tune: @Sendable (inout QueryRanker) -> Void = { _ in }
  }

  /// Defaults come first: of equal settings they are chosen.
  static var settings: [Setting] {
    let all = fusions + pipelines + multiHops
    return all.filter(\.isDefault) + all.filter { !$0.isDefault }
  }

  /// The method of fusion and the weights of its legs.
  private static var fusions: [Setting] {
    var settings: [Setting] = []
    for k in [10.0, 60.0] {
      let spec = QuerySpec("", fusion: .reciprocalRank(k: k))
      settings.append(Setting(family: "fusion", name: "rrf \(Int(k))", spec: spec))
    }
    for normalization in ScoreNormalization.allCases {
      for dense in [0.5, 0.6, 0.7, 0.8, 0.9] {
        let spec = QuerySpec("", fusion: convex(normalization, dense))
        let isDefault = normalization == .theoretical && dense == 0.8
        settings.append(
          Setting(family: "fusion", name: "\(normalization.rawValue) \(dense)", isDefault: isDefault, spec: spec))
      }
    }
    return settings
  }

  /// Weight of meaning, weight of feedback, share of late interaction.
  private static var pipelines: [Setting] {
    var settings: [Setting] = []
    for dense in [0.6, 0.7, 0.8, 0.9] {
      for feedback: Float in [0, 0.3, 0.6] {
        for share in [0, 0.15, 0.3, 0.5] {
          let spec = QuerySpec("", rerank: share > 0 ? .lateInteraction : .none, feedback: feedback > 0)
          let isDefault = dense == 0.8 && feedback == 0.6 && share == 0.3
          settings.append(
            Setting(family: "pipeline", name: "\(dense) \(feedback) \(share)", isDefault: isDefault, spec: spec) {
              $0.fusion = convex(.theoretical, dense)
              $0.feedbackWeight = feedback
              $0.rerankWeights[.lateInteraction] = share
            })
        }
      }
    }
    return settings
  }

  /// What the edge between a chunk and its subject weighs in the walk; what a link and the places of a pair are worth.
  private static var multiHops: [Setting] {
    var settings: [Setting] = []
    for subject in [3.0, 6.0, 12.0] {
      for pair in [0.05, 0.1, 0.2] {
        let spec = QuerySpec("", multiHop: .graph)
        let isDefault = subject == 6 && pair == 0.1
        settings.append(
          Setting(family: "multi-hop", name: "\(Int(subject)) \(pair)", isDefault: isDefault, spec: spec) {
            $0.walk.subjectWeight = subject
            $0.pairs = EvidencePairs(linkWeight: pair, placeWeight: pair)
          })
      }
    }
    return settings
  }

  private static func convex(_ normalization: ScoreNormalization, _ dense: Double) -> RankFusion {
    .convex(normalization, weights: LegWeights(lexical: ((1 - dense) * 100).rounded() / 100, dense: dense, graph: 0.5))
  }

  /// nDCG@10 and recall@5 of every query with every setting. What settings share, such as scores of late interaction, is
  /// computed once.
  static func runs(
    _ dataset: RetrievalDataset, _ embedder: RememberingEmbedder, in space: SearchSpace,
    progress: (_ done: Int, _ total: Int) -> Void
  ) async throws -> SettingRuns {
    let lateInteraction = LateInteraction(embedder, cacheByteLimit: 1 << 30)
    // Pairs take the similarities of single tokens, so they need the reranker itself.
    let rankers = [
      false: QueryRanker(embedder: embedder, rerankers: [.lateInteraction: RememberingReranker(lateInteraction)]),
      true: QueryRanker(embedder: embedder, rerankers: [.lateInteraction: lateInteraction]),
    ]
    let documents = dataset.documents.map(\.id)
    var runs = SettingRuns(dataset: dataset.name, queries: dataset.queries.map(\.id), settings: [])
    for setting in settings {
      guard var ranker = rankers[setting.spec.multiHop == .graph] else { continue }
      setting.tune(&ranker)
      var spec = setting.spec
      spec.limit = 10
      var ndcg: [Double] = []
      var recall: [Double] = []
      for query in dataset.queries {
        try Task.checkCancellation()
        spec.text = query.text
        let ranking = try await ranker.rank(spec, in: space).prefix(10).map { documents[Int($0.id)] }
        let grades = dataset.judgements[query.id] ?? [:]
        ndcg.append(RankingMetrics.ndcg(ranking, grades, at: 10))
        recall.append(RankingMetrics.recall(ranking, grades, at: 5))
      }
      runs.settings.append(
        SettingRuns.Setting(
          family: setting.family, name: setting.name, isDefault: setting.isDefault,
          values: ["ndcg@10": ndcg, "recall@5": recall]))
      progress(runs.settings.count, settings.count)
    }
    return runs
  }
}
