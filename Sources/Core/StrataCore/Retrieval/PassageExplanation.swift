// Owns how the place of a passage is told. Knows nothing about how it came about.

/// Why a passage is where it is.
public struct PassageExplanation: Sendable, Hashable {
  /// What one leg said.
  public struct Leg: Sendable, Hashable {
    public var leg: RetrievalLeg
    /// From 1.
    public var rank: Int
    /// In the leg's own measure: BM25, cosine, share of visits.
    public var score: Double
    /// What it added to the fused score.
    public var contribution: Double

    public init(leg: RetrievalLeg, rank: Int, score: Double, contribution: Double) {
      self.leg = leg
      self.rank = rank
      self.score = score
      self.contribution = contribution
    }
  }

  /// What a later stage said: `late_interaction`, `feedback`, `pair`, …
  public struct Stage: Sendable, Hashable {
    public var name: String
    public var score: Double
    /// For a reader; names the other passage of a pair, for example.
    public var note: String?

    public init(name: String, score: Double, note: String? = nil) {
      self.name = name
      self.score = score
      self.note = note
    }
  }

  /// What one word of the query added to the lexical score.
  public struct Word: Sendable, Hashable {
    public var term: String
    public var score: Double
    /// For a reader: occurrences, how many passages have the word.
    public var note: String?

    public init(term: String, score: Double, note: String? = nil) {
      self.term = term
      self.score = score
      self.note = note
    }
  }

  /// An entity over which the walk through the graph came to the passage.
  public struct Entity: Sendable, Hashable {
    public var name: String
    /// Part of all arrivals at the passage, 0…1.
    public var share: Double

    public init(name: String, share: Double) {
      self.name = name
      self.share = share
    }
  }

  public var legs: [Leg]
  /// Of all legs together.
  public var fusedScore: Double
  public var stages: [Stage]
  public var words: [Word]
  /// Most arrivals first; empty when the graph was not asked.
  public var entities: [Entity]

  public init(
    legs: [Leg] = [], fusedScore: Double = 0, stages: [Stage] = [], words: [Word] = [], entities: [Entity] = []
  ) {
    self.legs = legs
    self.fusedScore = fusedScore
    self.stages = stages
    self.words = words
    self.entities = entities
  }
}

extension PassageExplanation {
  /// `{"legs":{LEG:{rank,score,contribution}},"fused":…,"stages":[…],"words":[…],"entities":[{name,share}]}`
  public var json: JSON {
    func note(_ object: JSONObject, _ note: String?) -> JSON {
      var object = object
      object["note"] = note.map(JSON.string)
      return .object(object)
    }
    return [
      "legs": .object(
        JSONObject(
          legs.map {
            (
              $0.leg.rawValue,
              ["rank": .int($0.rank), "score": .double($0.score), "contribution": .double($0.contribution)]
            )
          })),
      "fused": .double(fusedScore),
      "stages": .array(stages.map { note(["name": .string($0.name), "score": .double($0.score)], $0.note) }),
      "words": .array(words.map { note(["term": .string($0.term), "score": .double($0.score)], $0.note) }),
      "entities": .array(entities.map { ["name": .string($0.name), "share": .double($0.share)] }),
    ]
  }
}
