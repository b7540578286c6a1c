// Owns telling a question that leans on what was said before from one that stands alone, by words. English.
import Foundation

/// What a question lacks, as its words show.
struct FollowUp: Sendable, Hashable {
  enum Sign: String, Sendable, Hashable {
    /// No clause of its own: `and for contractors?`, `why?`, `what about Oslo?`
    case fragment
    /// A word that stands for a person: `her`, `they`.
    case person
    /// A word that stands for a thing or a place: `it`, `there`, `that`.
    case thing
    /// Too few words with a meaning of their own to say what it is about.
    case thin
  }

  /// A word as it was written.
  struct Word: Sendable, Hashable {
    var text: String
    var lower: String
    var range: Range<String.Index>
    var isName: Bool
  }

  var words: [Word]
  /// Words at the beginning that only tie the question to what was said before.
  var leadCount: Int
  var signs: Set<Sign>

  var dependsOnContext: Bool { !signs.isEmpty }
  var rest: ArraySlice<Word> { words.dropFirst(leadCount) }
  var content: [Word] { rest.filter(Self.isContent) }

  init(_ question: String) {
    words = Self.words(question)
    leadCount = Self.leads(words)
    signs = []
    let rest = words.dropFirst(leadCount)
    guard !rest.isEmpty else { return }
    let lowers = rest.map(\.lower)
    let content = rest.filter(Self.isContent)
    let hasVerb = lowers.contains(where: Self.verbs.contains)
    // `Which bus stops here?` has a verb that no list of auxiliaries knows.
    let hasClause = hasVerb || content.count > 1 && lowers.contains(where: Self.interrogatives.contains)
    if !hasClause || content.isEmpty || leadCount > 0 && content.count <= 1 {
      // Key words without a question mark are a query of their own, unless something ties them to what was said.
      let isQuestion = question.contains("?") || leadCount > 0 || Self.prepositions.contains(lowers[0])
      if isQuestion, content.count <= 4 { signs.insert(.fragment) }
    }
    if lowers.contains(where: Self.persons.contains) { signs.insert(.person) }
    if rest.indices.contains(where: { Self.standsForThing(rest, at: $0) }) { signs.insert(.thing) }
    // An indefinite article brings in something new.
    if signs.isEmpty, hasVerb, content.count <= 2, !content.contains(where: \.isName),
      !lowers.contains("a"), !lowers.contains("an")
    {
      signs.insert(.thin)
    }
  }

  // MARK: Words

  static func words(_ text: String) -> [Word] {
    var words: [Word] = []
    var index = text.startIndex
    while index < text.endIndex {
      guard isPart(text[index]) else {
        index = text.index(after: index)
        continue
      }
      let start = index
      while index < text.endIndex {
        let next = text.index(after: index)
        // `10,000`, `0.42`, `on-call` and `it's` are one word each.
        let joins = ",.-'’".contains(text[index]) && next < text.endIndex && isPart(text[next])
        guard isPart(text[index]) || joins else { break }
        index = next
      }
      let word = String(text[start..<index])
      let hasInnerCapital = word.dropFirst().contains(where: \.isUppercase)
      let isName =
        word.contains(where: \.isNumber) || hasInnerCapital || word.first?.isUppercase == true && !words.isEmpty
      words.append(
        Word(text: word, lower: word.lowercased().replacing("’", with: "'"), range: start..<index, isName: isName))
    }
    return words
  }

  private static func isPart(_ character: Character) -> Bool { character.isLetter || character.isNumber }

  static func isContent(_ word: Word) -> Bool { !functionWords.contains(word.lower) }

  /// How many words at the beginning say only that the question goes on from the one before.
  private static func leads(_ words: [Word]) -> Int {
    let lowers = words.map(\.lower)
    for lead in leadPhrases where lowers.starts(with: lead) {
      return lead.count + (lowers.count > lead.count + 1 && leadWords.contains(lowers[lead.count]) ? 1 : 0)
    }
    return lowers.count > 1 && leadWords.contains(lowers[0]) ? 1 + (lowers.count > 2 && lowers[1] == "then" ? 1 : 0) : 0
  }

  private static func standsForThing(_ words: ArraySlice<Word>, at index: Int) -> Bool {
    let word = words[index].lower
    let next = words.indices.contains(index + 1) ? words[index + 1].lower : nil
    let previous = words.indices.contains(index - 1) ? words[index - 1].lower : nil
    switch word {
    case "it", "its", "itself", "one", "ones", "former", "latter":
      return word != "one" || next.map(functionWords.contains) ?? true
    case "there":
      // `Is there a bus?` speaks of no place.
      return !(previous.map(beings.contains) ?? false) || next == nil
    case "that", "this", "these", "those":
      // `that does`, `of that`, `that take`, but not `the buoy that sends` or `this year`.
      if let next, times.contains(next) { return false }
      return previous == nil || previous.map { verbs.contains($0) || prepositions.contains($0) } ?? false
    case "then": return next == nil
    case "same": return true
    default: return false
    }
  }

  private static func set(_ text: String) -> Set<String> {
    Set(text.split(whereSeparator: \.isWhitespace).map(String.init))
  }

  private static let leadWords = set("and but so or also then plus")
  private static let leadPhrases = [
    ["what", "about"], ["how", "about"], ["and", "what", "about"], ["and", "how", "about"], ["what", "if"],
    ["and", "what", "if"], ["same", "for"],
  ]
  static let prepositions = set(
    "in on at for from with without during after before under over above below outside inside within of to by about per until since as"
  )
  private static let interrogatives = set("what which who whom whose when where why how")
  static let persons = set("he him his himself she her hers herself they them their theirs themselves")
  private static let beings = set("is are was were will be been isn't aren't")
  private static let times = set("day days week weeks month months year years time morning quarter")
  /// Words by which a question has a clause: auxiliaries, and the verbs that short questions are made of.
  private static let verbs = set(
    """
    is are was were be been am do does did have has had can could may might must shall should will would isn't aren't \
    doesn't don't can't won't what's who's where's how's when's
    """)
  static let functionWords =
    persons.union(prepositions).union(verbs).union(leadWords).union(
      set(
        """
        a an the this that these those it its itself there here one ones same what which who whom whose when where why \
        how much many often long far old big i me my mine we us our ours you your yours if not no nor than else too very \
        just only please any some all each every more most less least other another such into out up down off get gets got \
        still again now today yes okay ok thanks mean means happen happens tell say says know let s t
        """))
}
