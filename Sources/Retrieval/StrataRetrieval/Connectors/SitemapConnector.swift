// Owns a web site as a source: the pages that its sitemap names, as far as its robots.txt allows. Opens no connection
// itself.
import Foundation
import StrataCore
import Synchronization

/// The pages of one host that a sitemap lists.
///
/// A page whose `lastmod` is as it was is not asked for; the others are asked for with their entity tag and time, so that
/// the server may say that they are unchanged. Nothing outside the sitemap's host is read, redirects included.
public struct SitemapConnector: Connector {
  public struct Options: Sendable {
    public var pageLimit = 50_000
    public var sitemapLimit = 500
    public var pageByteLimit = 16 << 20
    /// Between two requests to the host.
    public var pause = Duration.milliseconds(50)
    public var now: @Sendable () -> Date = { Date() }
    public var sleep: @Sendable (Duration) async throws -> Void = { try await Task.sleep(for: $0) }

    public init() {}
  }

  /// Product token in robots.txt.
  public static let robot = "strata"

  public let kind = "sitemap"
  public let uri: String
  public let key: String
  private let host: String
  private let origin: String
  private let fetcher: any HTTPFetcher
  private let readers: [Reader]
  private let options: Options
  /// When the host may be asked next.
  private let pace = Pace()

  private final class Pace: Sendable {
    private let next = Mutex(ContinuousClock.now)

    /// - Returns: how long to wait for one's turn.
    func turn(pause: Duration) -> Duration {
      next.withLock { next in
        let now = ContinuousClock.now
        let turn = max(now, next)
        next = turn + pause
        return turn - now
      }
    }
  }

  /// - Parameters:
  ///   - url: of a sitemap or an index of sitemaps.
  ///   - key: begins the paths of the documents; by default the host and `/`.
  ///   - readers: who may read the pages.
  /// - Throws: ``RetrievalError`` when `url` is no `http` or `https` address.
  public init(
    _ url: String, fetcher: any HTTPFetcher, key: String? = nil, readers: [Reader] = [.everyone],
    options: Options = Options()
  ) throws {
    guard let parts = URLComponents(string: url), let scheme = parts.scheme?.lowercased(),
      ["http", "https"].contains(scheme), let host = parts.host?.lowercased(), !host.isEmpty, parts.user == nil
    else { throw Self.failure("`\(url)` is no address of a web page.", url) }
    self.uri = url
    self.host = parts.port.map { "\(host):\($0)" } ?? host
    self.origin = "\(scheme)://\(self.host)"
    self.key = key ?? "\(self.host.replacing(":", with: "_"))/"
    self.fetcher = fetcher
    self.readers = readers
    self.options = options
  }

  public func accessPolicy() -> AccessPolicy? { AccessPolicy(rules: [AccessPolicy.Rule("**", readers: readers)]) }

  static func failure(_ message: String, _ url: String) -> RetrievalError {
    RetrievalError(
      ErrorCode("site_unreadable", .unavailable), message, remedy: "Open the address in a browser.", location: url)
  }

  // MARK: Listing

  public func list(since cursor: String?) async throws -> SourceListing? {
    let robots = try await robots()
    var listing = SourceListing()
    var pending = [uri]
    var seen: Set<String> = []
    var (refused, outside) = (0, 0)
    while let url = pending.popLast() {
      try Task.checkCancellation()
      guard seen.insert(url).inserted else { continue }
      guard seen.count <= options.sitemapLimit else {
        throw Self.failure("The site has more than \(options.sitemapLimit) sitemaps.", uri)
      }
      let sitemap = try await sitemap(at: url, robots)
      pending += sitemap.sitemaps.map(\.location).filter { isInside($0) }
      for page in sitemap.pages {
        guard isInside(page.location) else {
          outside += 1
          continue
        }
        guard robots.allows(Self.target(of: page.location)) else {
          refused += 1
          continue
        }
        guard listing.items.count < options.pageLimit else {
          throw Self.failure("The site has more than \(options.pageLimit) pages.", uri)
        }
        let stamp = page.lastModified.map { PageStamp(lastModified: $0).text }
        listing.items.append(
          SourceItem(path: path(of: page.location), locator: page.location, stamp: stamp, byteCount: 1))
      }
    }
    if refused > 0 { listing.warnings.append("robots.txt keeps \(refused) pages from being read.") }
    if outside > 0 { listing.warnings.append("\(outside) pages of other hosts were passed over.") }
    return listing
  }

  public func isUnchanged(_ item: SourceItem, since stamp: String) -> Bool {
    guard let listed = item.stamp.flatMap({ PageStamp($0).lastModified }) else { return false }
    return listed == PageStamp(stamp).lastModified
  }

  private func robots() async throws -> RobotsRules {
    let reply = try await get("\(origin)/robots.txt", byteLimit: 1 << 20)
    switch reply.status {
    case 200..<300: return RobotsRules(String(decoding: reply.body, as: UTF8.self), robot: Self.robot)
    case 500...: return .closed
    default: return .open
    }
  }

  private func sitemap(at url: String, _ robots: RobotsRules) async throws -> Sitemap {
    guard robots.allows(Self.target(of: url)) else {
      throw Self.failure("robots.txt does not allow the sitemap to be read.", url)
    }
    let reply = try await get(url, byteLimit: 64 << 20)
    guard reply.status == 200 else { throw Self.failure("The sitemap's status is \(reply.status).", url) }
    // sitemaps.org: a sitemap may be a gzip file, and unpacked it has at most 50 MB.
    let isPacked = reply.body.starts(with: GzipFile.magic)
    return try Sitemap(isPacked ? GzipFile.unpack(reply.body, byteLimit: 64 << 20, path: url) : reply.body, url: url)
  }

  /// Same scheme, host and port.
  private func isInside(_ url: String) -> Bool {
    guard let parts = URLComponents(string: url), let scheme = parts.scheme?.lowercased(),
      let name = parts.host?.lowercased(), parts.user == nil
    else { return false }
    return origin == "\(scheme)://\(parts.port.map { "\(name):\($0)" } ?? name)"
  }

  private static func target(of url: String) -> String {
    guard let parts = URLComponents(string: url) else { return "/" }
    let path = parts.percentEncodedPath.isEmpty ? "/" : parts.percentEncodedPath
    return parts.percentEncodedQuery.map { "\(path)?\($0)" } ?? path
  }

  private func path(of url: String) -> String {
    let target = Self.target(of: url).drop { $0 == "/" }
    return key + (target.isEmpty ? "index" : String(target))
  }

  // MARK: Pages

  public func fetch(_ items: [SourceItem]) async -> [Result<FetchedItem, any Error>] {
    var results: [Result<FetchedItem, any Error>] = []
    for item in items {
      do {
        results.append(.success(try await page(item)))
      } catch {
        results.append(.failure(error))
      }
    }
    return results
  }

  private func page(_ item: SourceItem) async throws -> FetchedItem {
    let known = item.knownStamp.map(PageStamp.init)
    var headers: [(String, String)] = [("Accept", "text/html, text/*, application/pdf, */*;q=0.1")]
    if let tag = known?.entityTag { headers.append(("If-None-Match", tag)) }
    if let time = known?.time { headers.append(("If-Modified-Since", time)) }
    var url = item.locator
    for _ in 0..<5 {
      let reply = try await get(url, headers: headers, byteLimit: options.pageByteLimit)
      let stamp = PageStamp(
        lastModified: item.stamp.flatMap { PageStamp($0).lastModified }, entityTag: reply.headers["etag"],
        time: reply.headers["last-modified"])
      switch reply.status {
      case 200: return .content(try content(reply, item, at: url, stamp))
      case 304: return .unchanged(stamp: stamp.merged(over: known).text)
      case 404, 410: return .gone
      case 301, 302, 303, 307, 308:
        guard let target = reply.headers["location"],
          let next = URL(string: target, relativeTo: URL(string: url))?.absoluteString
        else { throw Self.failure("The page leads nowhere.", url) }
        guard isInside(next) else { throw Self.failure("The page leads to another host: \(next)", url) }
        url = next
      default: throw Self.failure("The page's status is \(reply.status).", url)
      }
    }
    throw Self.failure("The page leads from one place to the next.", item.locator)
  }

  private func content(
    _ reply: HTTPReply, _ item: SourceItem, at url: String, _ stamp: PageStamp
  ) throws -> SourceContent {
    let type = reply.headers["content-type"] ?? ""
    guard let format = DocumentFormat(mediaType: type) ?? DocumentFormat(path: Self.target(of: url)) else {
      throw RetrievalError.unsupportedType(item.path)
    }
    let time = reply.headers["last-modified"].flatMap(Self.date) ?? options.now()
    return SourceContent(
      bytes: reply.body, format: format, stamp: stamp.text, origin: url,
      sourceVersion: stamp.entityTag ?? stamp.time ?? stamp.lastModified, modifiedAt: time,
      metadata: ["url": .string(url)])
  }

  private func get(
    _ url: String, headers: [(String, String)] = [], byteLimit: Int
  ) async throws -> HTTPReply {
    // Batches are fetched side by side; the host is asked by one after the other.
    let wait = pace.turn(pause: options.pause)
    if wait > .zero { try await options.sleep(wait) }
    return try await fetcher.get(url, headers: headers, byteLimit: byteLimit)
  }

  /// IMF-fixdate of RFC 9110.
  private static func date(_ text: String) -> Date? {
    let formatter = DateFormatter()
    formatter.locale = Locale(identifier: "en_US_POSIX")
    formatter.timeZone = TimeZone(secondsFromGMT: 0)
    formatter.dateFormat = "EEE, dd MMM yyyy HH:mm:ss 'GMT'"
    return formatter.date(from: text)
  }
}

/// What is known of a page without reading it: its `lastmod` in the sitemap, and its server's validators.
struct PageStamp: Sendable, Hashable {
  var lastModified: String?
  var entityTag: String?
  var time: String?

  init(lastModified: String?, entityTag: String? = nil, time: String? = nil) {
    self.lastModified = lastModified
    self.entityTag = entityTag
    self.time = time
  }

  init(_ text: String) {
    let json = try? JSON(parsing: text)
    self.init(
      lastModified: json?["lastmod"]?.stringValue, entityTag: json?["etag"]?.stringValue,
      time: json?["time"]?.stringValue)
  }

  var text: String {
    var object = JSONObject()
    object["lastmod"] = lastModified.map(JSON.string)
    object["etag"] = entityTag.map(JSON.string)
    object["time"] = time.map(JSON.string)
    return JSON.object(object).text()
  }

  /// A 304 need not repeat what it answers to.
  func merged(over known: PageStamp?) -> PageStamp {
    PageStamp(
      lastModified: lastModified, entityTag: entityTag ?? known?.entityTag, time: time ?? known?.time)
  }
}
