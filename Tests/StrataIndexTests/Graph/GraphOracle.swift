// Owns the slow, obvious entity graph that the index is compared with: a dictionary of what each chunk gives.
import Foundation
import StrataCore
import StrataIndex

struct GraphOracle {
  /// The readable chunks.
  var chunks: [Int64: ChunkEntities]

  init(_ entries: [Int64: IndexEntry], as principal: Principal) {
    chunks = entries.filter { principal.mayRead($0.value.readers) }.mapValues(\.entities)
  }

  var names: Set<String> { Set(chunks.values.flatMap { $0.mentions.map(\.name) }) }

  func isSubject(_ name: String) -> Bool {
    chunks.values.contains { $0.mentions.contains { $0.name == name && $0.role.contains(.subject) } }
  }

  /// The chunks that count for an entity, and whether each is about it.
  func members(_ name: String) -> [Int64: Bool] {
    let hasSubject = isSubject(name)
    return chunks.compactMapValues { chunk in
      guard let mention = chunk.mentions.first(where: { $0.name == name }), mention.role != .part || hasSubject
      else { return nil }
      return mention.role.contains(.subject)
    }
  }

  func view(_ name: String) -> EntityView? {
    let members = members(name)
    guard !members.isEmpty else { return nil }
    var neighbours: [String: Int] = [:]
    var passages: [EntityView.Passage] = []
    for id in members.keys.sorted() {
      for mention in chunks[id]?.mentions ?? [] {
        if mention.name == name {
          passages.append(EntityView.Passage(chunk: id, role: mention.role, count: mention.count))
        } else if mention.role != .part || isSubject(mention.name) {
          neighbours[mention.name, default: 0] += 1
        }
      }
    }
    func isAbout(_ passage: EntityView.Passage) -> Int { passage.role.contains(.subject) ? 0 : 1 }
    passages.sort { (isAbout($0), -$0.count, $0.chunk) < (isAbout($1), -$1.count, $1.chunk) }
    var relations: [ChunkEntities.Relation: [Int64: Int]] = [:]
    for (id, chunk) in chunks {
      for relation in chunk.relations where relation.subject == name || relation.object == name {
        let key = ChunkEntities.Relation(relation.subject, relation.predicate, relation.object)
        relations[key, default: [:]][id] = relation.count
      }
    }
    return EntityView(
      name: name, passages: passages,
      neighbours: neighbours.sorted { (-$0.value, $0.key) < (-$1.value, $1.key) }.map {
        EntityView.Neighbour(name: $0.key, chunkCount: $0.value)
      },
      relations: relations.map { key, counts in
        EntityView.Relation(
          subject: key.subject, predicate: key.predicate, object: key.object, count: counts.values.reduce(0, +),
          chunks: counts.keys.sorted())
      }.sorted {
        (-$0.count, $0.subject, $0.predicate, $0.object) < (-$1.count, $1.subject, $1.predicate, $1.object)
      })
  }

  /// Personalized PageRank by multiplying with the whole matrix until nothing changes.
  func pageRank(_ seeds: [(id: Int64, score: Double)], question: ChunkEntities, _ options: GraphWalk.Options)
    -> [Int64: Double]
  {
    let ids = chunks.keys.sorted()
    let entities = names.sorted().compactMap { name -> (name: String, members: [Int64: Bool])? in
      let members = members(name)
      return members.count >= 2 && members.count <= options.hubLimit ? (name, members) : nil
    }
    let count = ids.count + entities.count
    let places = Dictionary(uniqueKeysWithValues: entities.enumerated().map { ($1.name, ids.count + $0) })
    let weights = entities.map { log1p(Double(ids.count) / Double($0.members.count)) }
    var matrix = [[Double]](repeating: [Double](repeating: 0, count: count), count: count)
    for (number, entity) in entities.enumerated() {
      for (row, id) in ids.enumerated() {
        guard let isSubject = entity.members[id] else { continue }
        let weight = weights[number] * (isSubject ? options.subjectWeight : 1)
        matrix[row][ids.count + number] += weight
        matrix[ids.count + number][row] += weight
      }
    }
    for relation in chunks.values.flatMap(\.relations) where relation.subject != relation.object {
      guard let one = places[relation.subject], let other = places[relation.object] else { continue }
      let weight =
        options.relationWeight * Double(relation.count) * min(weights[one - ids.count], weights[other - ids.count])
      matrix[one][other] += weight
      matrix[other][one] += weight
    }
    var start = [Double](repeating: 0, count: count)
    let seeds = seeds.prefix(options.seedCount).filter { chunks[$0.id] != nil && $0.score > 0 }
    let known = question.mentions.filter {
      places[$0.name] != nil && ($0.role.contains(.named) || isSubject($0.name))
    }.compactMap { places[$0.name] }
    let share = known.isEmpty ? 0 : seeds.isEmpty ? 1 : options.entityShare
    let squares = seeds.reduce(0) { $0 + $1.score * $1.score }
    for seed in seeds { start[ids.firstIndex(of: seed.id) ?? 0] += (1 - share) * seed.score * seed.score / squares }
    let total = known.reduce(0) { $0 + weights[$1 - ids.count] }
    for place in known { start[place] += share * weights[place - ids.count] / total }
    var visits = start
    for _ in 0..<300 {
      var next = start.map { options.restart * $0 }
      for row in 0..<count {
        let sum = matrix[row].reduce(0, +)
        guard sum > 0, visits[row] > 0 else { continue }
        for column in 0..<count { next[column] += (1 - options.restart) * visits[row] * matrix[row][column] / sum }
      }
      visits = next
    }
    return Dictionary(uniqueKeysWithValues: ids.enumerated().map { ($1, visits[$0]) }.filter { $0.1 > 0 })
  }
}

extension RandomContent {
  /// Few names, so that chunks share them.
  mutating func entities() -> ChunkEntities {
    func name() -> String { "name \(Int.random(in: 0..<14, using: &random))" }
    let roles: [ChunkEntities.Role] = [.named, .named, .part, .part, .subject, [.named, .subject]]
    let mentions = (0..<Int.random(in: 0...5, using: &random)).map { _ in
      ChunkEntities.Mention(
        name(), roles.randomElement(using: &random) ?? .named, count: Int.random(in: 1...3, using: &random))
    }
    let relations = (0..<Int.random(in: 0...2, using: &random)).map { _ in
      ChunkEntities.Relation(name(), "says \(Int.random(in: 0..<3, using: &random))", name())
    }
    return ChunkEntities(mentions, relations: relations)
  }
}
