// Owns the evaluation of follow-up questions. Knows nothing about how they are rewritten: it is given closures.
import StrataCore

/// How one way of reading follow-ups did.
public struct ConversationScore: Sendable, Hashable {
  /// For example `alone`, `rules`.
  public var method: String
  /// Places (from 1) of the documents of follow-ups; nil where the search did not find it.
  public var followUps: [Int?] = []
  /// The same of questions that stand alone.
  public var switches: [Int?] = []

  static func recall(_ places: [Int?], at k: Int) -> Double {
    places.isEmpty ? 0 : Double(places.count { ($0 ?? .max) <= k }) / Double(places.count)
  }

  static func reciprocalRank(_ places: [Int?]) -> Double {
    places.isEmpty ? 0 : places.reduce(0) { $0 + ($1.map { 1 / Double($0) } ?? 0) } / Double(places.count)
  }
}

public struct ConversationReport: Sendable, Hashable {
  public var scores: [ConversationScore]
}

public enum ConversationEvaluation {
  /// Documents of the passages found, best first.
  public typealias Search = @Sendable (EvaluationFollowUp) async throws -> [String]

  public static func run(
    _ set: ConversationSet, methods: [(name: String, search: Search)]
  ) async throws -> ConversationReport {
    var scores: [ConversationScore] = []
    for method in methods {
      var score = ConversationScore(method: method.name)
      for question in set.questions {
        let place = try await method.search(question).firstIndex(of: question.expected).map { $0 + 1 }
        if question.isSwitch { score.switches.append(place) } else { score.followUps.append(place) }
      }
      scores.append(score)
    }
    return ConversationReport(scores: scores)
  }
}

extension ConversationReport {
  public var json: JSON {
    .object(
      JSONObject(
        scores.map { score in
          (
            score.method,
            [
              "follow_ups": .int(score.followUps.count), "switches": .int(score.switches.count),
              "recall@1": .double(ConversationScore.recall(score.followUps, at: 1)),
              "recall@5": .double(ConversationScore.recall(score.followUps, at: 5)),
              "mrr": .double(ConversationScore.reciprocalRank(score.followUps)),
              "switch_recall@1": .double(ConversationScore.recall(score.switches, at: 1)),
              "switch_recall@5": .double(ConversationScore.recall(score.switches, at: 5)),
            ]
          )
        }))
  }

  /// A table of at most 80 columns.
  public var text: String {
    var table = TextTable(["method", "R@1", "R@5", "MRR", "switch R@1", "switch R@5"])
    for score in scores {
      table.add(
        [score.method]
          + [
            ConversationScore.recall(score.followUps, at: 1), ConversationScore.recall(score.followUps, at: 5),
            ConversationScore.reciprocalRank(score.followUps), ConversationScore.recall(score.switches, at: 1),
            ConversationScore.recall(score.switches, at: 5),
          ].map { TextTable.number($0, 3) })
    }
    let counts = scores.first.map { "\($0.followUps.count) follow-ups, \($0.switches.count) changes of topic\n" } ?? ""
    return counts + table.text
  }
}
