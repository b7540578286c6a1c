// Owns the choice of a page's main text: which nodes are the article and which are navigation, advertising and such.
//
// The scoring follows Arc90's Readability (2009) as Mozilla keeps it: paragraphs vote for their ancestors, links count
// against them. Deviations are noted where they are.

struct HTMLMainText {
  private let nodes: [HTMLTree.Node]
  /// Of each node, over its kept subtree: characters of text, of those in links, and commas.
  private var textCount: [Int] = []
  private var linkCount: [Int] = []
  private var commaCount: [Int] = []
  /// Characters of text outside links that stand in paragraphs.
  private var proseCount: [Int] = []
  private var dropped: [Bool]
  private var scores: [Double] = []

  /// Nodes that are not part of the main text.
  private(set) var excluded: [Bool]
  /// Subtrees that make up the main text, in document order.
  private(set) var roots: [Int] = []

  private static let neverText: Set<String> = [
    "head", "script", "style", "noscript", "template", "svg", "math", "iframe", "object", "embed", "canvas", "button",
    "input", "select", "textarea", "option", "datalist", "audio", "video", "map", "nav", "footer", "dialog", "menu",
    "progress", "meter",
  ]
  private static let neverRoles: Set<String> = [
    "navigation", "complementary", "contentinfo", "banner", "search", "dialog", "alertdialog", "alert", "menu",
    "menubar", "toolbar", "tablist", "status", "tooltip",
  ]
  private static let unlikely = [
    "-ad-", "ai2html", "banner", "breadcrumb", "combx", "comment", "community", "cover-wrap", "disqus", "extra",
    "footer", "gdpr", "cookie", "consent", "header", "legends", "menu", "related", "remark", "replies", "rss",
    "shoutbox", "sidebar", "skyscraper", "social", "sponsor", "supplemental", "ad-break", "agegate", "pagination",
    "pager", "popup", "yom-remote", "newsletter", "subscribe", "promo", "share", "sharing", "outbrain", "taboola",
    "recommend", "most-read", "most-popular", "trending", "read-more", "readmore", "paywall", "toolbar", "navbar",
  ]
  private static let maybe = [
    "and", "article", "body", "column", "content", "main", "shadow", "story", "post", "entry",
  ]
  private static let positive = [
    "article", "body", "content", "entry", "hentry", "h-entry", "main", "page", "post", "text", "blog", "story",
  ]
  private static let negative = [
    "-ad-", "hidden", "banner", "combx", "comment", "com-", "contact", "foot", "gdpr", "masthead", "media", "meta",
    "outbrain", "promo", "related", "scroll", "share", "shoutbox", "sidebar", "skyscraper", "sponsor", "shopping",
    "tags", "tool", "widget", "newsletter", "caption", "byline", "author-bio", "credit",
  ]
  static let blockTags: Set<String> = [
    "address", "article", "aside", "blockquote", "body", "center", "dd", "details", "div", "dl", "dt", "fieldset",
    "figcaption", "figure", "form", "h1", "h2", "h3", "h4", "h5", "h6", "header", "hr", "html", "li", "main", "ol", "p",
    "pre", "section", "summary", "table", "tbody", "td", "tfoot", "th", "thead", "tr", "ul", "caption", "hgroup",
  ]

  /// - Parameter wholePage: take all text that readers see.
  init(_ tree: HTMLTree, wholePage: Bool = false) {
    nodes = tree.nodes
    dropped = [Bool](repeating: false, count: nodes.count)
    excluded = dropped
    // Each try forbids less; the first that finds a text of some length counts.
    for strictness in wholePage ? [] : [2, 1, 0] {
      choose(strictness: strictness)
      if roots.reduce(0, { $0 + textCount[$1] }) >= 250 { return }
    }
    // A page of few words has no main text to find: take the body as it is.
    dropNeverText(strictness: 0)
    count()
    excluded = dropped
    roots = nodes.firstIndex { $0.tag == "body" }.map { [$0] } ?? (nodes.isEmpty ? [] : [0])
  }

  private mutating func choose(strictness: Int) {
    dropNeverText(strictness: strictness)
    count()
    roots = landmark().map { [$0] } ?? candidates(strictness: strictness)
    excluded = dropped
    clean(strictness: strictness)
    count()
  }

  // MARK: Dropping

  private mutating func dropNeverText(strictness: Int) {
    dropped = [Bool](repeating: false, count: nodes.count)
    var index = 0
    while index < nodes.count {
      let node = nodes[index]
      if !node.isText, isNeverText(node, index) || (strictness == 2 && isUnlikely(node, index)) {
        for inner in index..<node.end { dropped[inner] = true }
        index = node.end
      } else {
        index += 1
      }
    }
  }

  private func isNeverText(_ node: HTMLTree.Node, _ index: Int) -> Bool {
    if Self.neverText.contains(node.tag) || node.isHidden || Self.neverRoles.contains(node.role) { return true }
    if node.tag == "aside" { return true }
    if node.tag == "header" {
      // The page's header, not the article's: the latter holds the title.
      return !(index..<node.end).contains { nodes[$0].tag == "h1" || nodes[$0].tag == "h2" }
    }
    return false
  }

  private func isUnlikely(_ node: HTMLTree.Node, _ index: Int) -> Bool {
    guard !node.names.isEmpty, !["html", "body", "article", "main", "a", "p", "h1"].contains(node.tag) else {
      return false
    }
    guard Self.unlikely.contains(where: node.names.contains) else { return false }
    return !Self.maybe.contains(where: node.names.contains)
  }

  // MARK: Counting

  private mutating func count() {
    textCount = [Int](repeating: 0, count: nodes.count)
    linkCount = textCount
    commaCount = textCount
    proseCount = textCount
    for index in nodes.indices.reversed() {
      let node = nodes[index]
      if dropped[index] {
        textCount[index] = 0
        linkCount[index] = 0
        commaCount[index] = 0
        proseCount[index] = 0
        continue
      }
      if node.isText {
        var wasSpace = true
        for byte in node.text.utf8 {
          if byte.isASCIISpace {
            if !wasSpace { textCount[index] += 1 }
            wasSpace = true
          } else {
            // Characters, not bytes: a continuation byte adds nothing.
            if !byte.isUTF8Continuation { textCount[index] += 1 }
            if byte == UInt8(ascii: ",") { commaCount[index] += 1 }
            wasSpace = false
          }
        }
      }
      if node.tag == "a" { linkCount[index] = node.key.hasPrefix("#") ? textCount[index] / 3 : textCount[index] }
      if node.tag == "p" { proseCount[index] = textCount[index] - linkCount[index] }
      if node.parent >= 0 {
        proseCount[node.parent] += proseCount[index]
        textCount[node.parent] += textCount[index]
        linkCount[node.parent] += linkCount[index]
        commaCount[node.parent] += commaCount[index]
      }
    }
  }

  private func linkDensity(_ index: Int) -> Double {
    textCount[index] == 0 ? 0 : Double(linkCount[index]) / Double(textCount[index])
  }

  private func classWeight(_ node: HTMLTree.Node) -> Double {
    guard !node.names.isEmpty else { return 0 }
    var weight = 0.0
    if Self.negative.contains(where: node.names.contains) { weight -= 25 }
    if Self.positive.contains(where: node.names.contains) { weight += 25 }
    return weight
  }

  // MARK: Choosing

  /// Beyond Readability: when the author marked one `main` or `article` that holds nearly all prose, that is it.
  private func landmark() -> Int? {
    guard !nodes.isEmpty else { return nil }
    // Pages of tables and lists have little prose to judge by.
    let isProse = proseCount[0] * 3 >= textCount[0]
    let wanted = isProse ? Double(proseCount[0]) * 0.85 : Double(textCount[0]) * 0.5
    let marks = nodes.indices.filter {
      !dropped[$0] && textCount[$0] >= 140
        && (nodes[$0].names.contains("articlebody") || nodes[$0].tag == "article" || nodes[$0].tag == "main"
          || nodes[$0].role == "main" || nodes[$0].role == "article")
    }
    // The innermost that holds enough: an article within main, the body within the article.
    return marks.reversed().first {
      Double(isProse ? proseCount[$0] : textCount[$0]) >= wanted && linkDensity($0) < 0.4
    }
  }

  private mutating func candidates(strictness: Int) -> [Int] {
    scores = [Double](repeating: 0, count: nodes.count)
    var touched: Set<Int> = []
    for index in nodes.indices where !dropped[index] && isParagraph(index) {
      guard textCount[index] >= 25 else { continue }
      let points = 1 + Double(commaCount[index]) + min(3, Double(textCount[index]) / 100).rounded(.down)
      var ancestor = nodes[index].parent
      var level = 0
      while ancestor >= 0, level < 5 {
        if touched.insert(ancestor).inserted { scores[ancestor] += initialScore(ancestor, strictness: strictness) }
        scores[ancestor] += points / (level == 0 ? 1 : level == 1 ? 2 : Double(level) * 3)
        ancestor = nodes[ancestor].parent
        level += 1
      }
    }
    for index in touched { scores[index] *= 1 - linkDensity(index) }
    let ranked = touched.filter { nodes[$0].tag != "html" }.sorted { (scores[$0], $1) > (scores[$1], $0) }
    guard let best = ranked.first else { return [] }
    let top = ancestorOfRivals(best, ranked)
    return siblings(of: climb(from: top))
  }

  private func isParagraph(_ index: Int) -> Bool {
    switch nodes[index].tag {
    case "p", "td", "pre", "h2", "h3", "h4", "h5", "h6", "blockquote", "li", "dd": true
    case "div", "section": !(index + 1..<nodes[index].end).contains { Self.blockTags.contains(nodes[$0].tag) }
    default: false
    }
  }

  private func initialScore(_ index: Int, strictness: Int) -> Double {
    let base: Double =
      switch nodes[index].tag {
      case "article", "main": 10
      case "div": 5
      case "pre", "td", "blockquote": 3
      case "address", "ol", "ul", "dl", "dd", "dt", "li", "form": -3
      case "h1", "h2", "h3", "h4", "h5", "h6", "th": -5
      default: 0
      }
    return base + (strictness > 0 ? classWeight(nodes[index]) : 0)
  }

  /// When several nodes score nearly as high, the main text is spread over them: take what holds them all.
  private func ancestorOfRivals(_ best: Int, _ ranked: [Int]) -> Int {
    let rivals = ranked.prefix(5).filter { scores[$0] >= 0.75 * scores[best] }
    guard rivals.count >= 3 else { return best }
    var ancestor = nodes[best].parent
    while ancestor >= 0, nodes[ancestor].tag != "body", nodes[ancestor].tag != "html" {
      let range = ancestor..<nodes[ancestor].end
      if rivals.filter({ range.contains($0) && $0 != ancestor }).count >= 3 { return ancestor }
      ancestor = nodes[ancestor].parent
    }
    return best
  }

  /// Goes up while the parent scores higher, and through parents without other children.
  private func climb(from start: Int) -> Int {
    var top = start
    var last = scores[top]
    let threshold = last / 3
    var parent = nodes[top].parent
    while parent >= 0, nodes[parent].tag != "body", nodes[parent].tag != "html" {
      if scores[parent] == 0 {
        parent = nodes[parent].parent
        continue
      }
      if scores[parent] < threshold { break }
      if scores[parent] > last {
        top = parent
        break
      }
      last = scores[parent]
      parent = nodes[parent].parent
    }
    parent = nodes[top].parent
    while parent >= 0, nodes[parent].tag != "body", nodes[parent].tag != "html",
      textCount[parent] == textCount[top]
    {
      top = parent
      parent = nodes[top].parent
    }
    return top
  }

  private func siblings(of top: Int) -> [Int] {
    let parent = nodes[top].parent
    guard parent >= 0, nodes[top].tag != "body" else { return [top] }
    let threshold = max(10, scores[top] * 0.2)
    var found: [Int] = []
    var index = parent + 1
    while index < nodes[parent].end {
      let node = nodes[index]
      if index == top {
        found.append(index)
      } else if !dropped[index], !node.isText {
        let bonus = node.names == nodes[top].names && !node.names.isEmpty ? scores[top] * 0.2 : 0
        let density = linkDensity(index)
        if scores[index] + bonus >= threshold {
          found.append(index)
        } else if node.tag == "p", textCount[index] > 80 ? density < 0.25 : textCount[index] > 0 && density == 0 {
          found.append(index)
        } else if node.tag == "h1" {
          found.append(index)
        }
      }
      index = node.end
    }
    return found
  }

  // MARK: Cleaning

  private mutating func clean(strictness: Int) {
    for root in roots {
      var index = root
      while index < nodes[root].end {
        let node = nodes[index]
        if !node.isText, !dropped[index], index != root, isClutter(index, strictness: strictness) {
          for inner in index..<node.end { dropped[inner] = true }
          index = node.end
        } else {
          index += 1
        }
      }
    }
    for index in nodes.indices where dropped[index] { excluded[index] = true }
  }

  private static let fillers: Set<String> = [
    "advert", "advertisement", "ad", "continue reading below", "continue reading", "read more", "comments", "share",
    "share this", "print", "email", "tweet", "related", "related articles", "don't miss", "loading...", "sponsored",
  ]

  private func isFiller(_ index: Int) -> Bool {
    guard textCount[index] < 30 else { return false }
    let text = (index..<nodes[index].end).map { nodes[$0].text }.joined()
    return Self.fillers.contains(text.split(whereSeparator: \.isWhitespace).joined(separator: " ").lowercased())
  }

  private func isClutter(_ index: Int, strictness: Int) -> Bool {
    let node = nodes[index]
    let density = linkDensity(index)
    let count = textCount[index]
    if strictness > 0, isUnlikely(node, index), count < 500 || density > 0.3 { return true }
    switch node.tag {
    case "ul", "ol", "table", "div", "section", "form", "fieldset", "figure", "dl", "article":
      if count == 0 { return false }
      let weight = strictness > 0 ? classWeight(node) : 0
      if weight < 0, count < 500 { return true }
      if commaCount[index] >= 10 { return false }
      if density > (weight >= 25 ? 0.5 : 0.33), count < 1500 || density > 0.5 { return true }
      return node.tag == "figure"
    case "h2", "h3", "h4": return density > 0.6
    // A line that is nothing but a link leads away: "Read more", the next story.
    case "p": return count > 0 && count < 200 && (density > 0.9 || isFiller(index))
    case "figcaption", "cite", "time", "label", "small": return count < 200
    default: return false
    }
  }
}
