// Owns a small random world of documents, people and grants, and an oracle for it: plain recursion over plain lists,
// which knows nothing about evaluators, bitmaps or indexes.
import Foundation
import StrataCore
import StrataRetrieval

/// SplitMix64 (Steele et al. 2014), so that a failing case can be met again.
struct SeededGenerator: RandomNumberGenerator {
  var state: UInt64

  mutating func next() -> UInt64 {
    state &+= 0x9e37_79b9_7f4a_7c15
    var value = state
    value = (value ^ (value >> 30)) &* 0xbf58_476d_1ce4_e5b9
    value = (value ^ (value >> 27)) &* 0x94d0_49bb_1331_11eb
    return value ^ (value >> 31)
  }
}

/// What is granted, as the oracle sees it.
struct LeakWorld {
  static let model = """
    model
      schema 1.1
    type user
    type group
      relations
        define member: [user, user:*, group#member]
    type folder
      relations
        define parent: [folder]
        define owner: [user]
        define viewer: [user, user:*, group#member, user with cleared] or owner or viewer from parent
        define blocked: [user, group#member] or blocked from parent
    type document
      relations
        define parent: [folder]
        define member_only: [group]
        define viewer: [user, user:*, group#member, group#member with cleared] or viewer from parent
        define blocked: [user, group#member] or blocked from parent
        define insider: member from member_only
        define can_read: (viewer and insider) or (viewer but not blocked)
    condition cleared(clearance: int, level: int) { clearance >= level }
    """

  static let users = (0..<12).map { "u\($0)" }
  static let groups = (0..<6).map { "g\($0)" }
  static let folders = ["", "a", "b", "a/x", "a/y", "a/x/deep", "b/z"]

  /// Either relations decide, or the readers of each document.
  let usesRelations: Bool
  var readers: [String: [Reader]] = [:]
  private(set) var tuples: [RelationTuple] = []
  /// The same by object, as plain text.
  private var facts: [String: [Fact]] = [:]

  private struct Fact {
    var relation: String
    var subject: String
    /// Least clearance; nil for an unconditional fact.
    var level: Int?
  }

  init(usesRelations: Bool) { self.usesRelations = usesRelations }

  mutating func grant(_ tuple: RelationTuple) {
    revoke(tuple)
    tuples.append(tuple)
    let fact = Fact(
      relation: tuple.relation, subject: tuple.subject.description,
      level: tuple.condition.map { $0.context["level"]?.intValue ?? .max })
    facts[tuple.object.description, default: []].append(fact)
  }

  mutating func revoke(_ tuple: RelationTuple) {
    tuples.removeAll { $0.key == tuple.key }
    facts[tuple.object.description]?.removeAll {
      $0.relation == tuple.relation && $0.subject == tuple.subject.description
    }
  }

  /// Whether somebody may read the document at `path`.
  func mayRead(_ path: String, _ principal: Principal) -> Bool {
    guard usesRelations else {
      return (readers[path] ?? []).contains { reader in
        switch reader {
        case .everyone: true
        case .user(let name): name == principal.user
        case .group(let name): principal.groups.contains(name)
        }
      }
    }
    let document = "document:\(path)"
    let places = reach(document)
    guard isNamed(["viewer", "owner"], at: places, principal) else { return false }
    let isInsider = (facts[document] ?? []).contains {
      $0.relation == "member_only" && isMember($0.subject, principal, [])
    }
    return isInsider || !isNamed(["blocked"], at: places, principal)
  }

  /// The object and all that is above it: what paths imply, and what was granted.
  private func reach(_ object: String) -> Set<String> {
    var seen: Set<String> = []
    var rest = [object]
    while let next = rest.popLast() {
      guard seen.insert(next).inserted else { continue }
      for fact in facts[next] ?? [] where fact.relation == "parent" { rest.append(fact.subject) }
      let name = next.split(separator: ":", maxSplits: 1)[1]
      guard name != "/" else { continue }
      let above = name.split(separator: "/").dropLast().joined(separator: "/")
      rest.append("folder:" + (above.isEmpty ? "/" : above))
    }
    return seen
  }

  private func isNamed(_ relations: Set<String>, at places: Set<String>, _ principal: Principal) -> Bool {
    places.contains { place in
      (facts[place] ?? []).contains { fact in
        guard relations.contains(fact.relation) else { return false }
        if let level = fact.level {
          guard let clearance = principal.attributes["clearance"]?.intValue, clearance >= level else { return false }
        }
        return isCovered(fact.subject, principal, [])
      }
    }
  }

  private func isCovered(_ subject: String, _ principal: Principal, _ seen: Set<String>) -> Bool {
    if subject == "user:*" || subject == "user:\(principal.user)" { return true }
    guard subject.hasSuffix("#member") else { return false }
    return isMember(String(subject.dropLast("#member".count)), principal, seen)
  }

  private func isMember(_ group: String, _ principal: Principal, _ seen: Set<String>) -> Bool {
    if principal.groups.contains(where: { "group:\($0)" == group }) { return true }
    guard !seen.contains(group) else { return false }
    return (facts[group] ?? []).contains {
      $0.relation == "member" && isCovered($0.subject, principal, seen.union([group]))
    }
  }
}

extension LeakWorld {
  static func randomPrincipal(_ random: inout SeededGenerator) -> Principal {
    let groups = Self.groups.filter { _ in Int.random(in: 0..<8, using: &random) == 0 }
    let clearance: JSONObject =
      Bool.random(using: &random) ? ["clearance": .int(Int.random(in: 0..<5, using: &random))] : [:]
    return Principal(
      user: Self.users.randomElement(using: &random) ?? "u0", groups: Set(groups), attributes: clearance)
  }

  static func randomReaders(_ random: inout SeededGenerator) -> [Reader] {
    (0..<Int.random(in: 0...3, using: &random)).map { _ in
      switch Int.random(in: 0..<8, using: &random) {
      case 0: .everyone
      case 1...4: .user(users.randomElement(using: &random) ?? "u0")
      default: .group(groups.randomElement(using: &random) ?? "g0")
      }
    }
  }

  /// A tuple that the model admits.
  static func randomTuple(_ paths: [String], _ random: inout SeededGenerator) -> RelationTuple {
    func user() -> RelationSubject { .object(DocumentObject.user(users.randomElement(using: &random) ?? "u0")) }
    func group() -> RelationObject { DocumentObject.group(groups.randomElement(using: &random) ?? "g0") }
    func folder() -> RelationObject { DocumentObject.folder(folders.randomElement(using: &random) ?? "") }
    let everyone = RelationSubject.everyone(type: "user")
    let cleared = RelationCondition("cleared", context: ["level": .int(Int.random(in: 0..<5, using: &random))])
    let document = DocumentObject.document(paths.randomElement(using: &random) ?? "none.md")
    switch Int.random(in: 0..<20, using: &random) {
    case 0...2: return RelationTuple(group(), "member", user())
    case 3: return RelationTuple(group(), "member", .userset(group(), relation: "member"))
    case 4: return RelationTuple(folder(), "viewer", user())
    case 5: return RelationTuple(folder(), "viewer", .userset(group(), relation: "member"))
    case 6: return RelationTuple(folder(), "owner", user())
    case 7: return RelationTuple(folder(), "blocked", .userset(group(), relation: "member"))
    case 8: return RelationTuple(folder(), "viewer", user(), condition: cleared)
    case 9...12: return RelationTuple(document, "viewer", user())
    case 13: return RelationTuple(document, "viewer", .userset(group(), relation: "member"))
    case 14: return RelationTuple(document, "viewer", .userset(group(), relation: "member"), condition: cleared)
    case 15: return RelationTuple(document, "viewer", everyone)
    case 16: return RelationTuple(document, "blocked", user())
    case 17: return RelationTuple(document, "member_only", .object(group()))
    case 18: return RelationTuple(document, "parent", .object(folder()))
    default: return RelationTuple(document, "blocked", .userset(group(), relation: "member"))
    }
  }
}
