// Owns the file of keys: hashed secrets with what each may do, as JSON. Knows nothing about requests.
import Foundation
import StrataCore

/// Keys as they are kept on disk. Secrets are not among them, only their SHA-256.
public struct KeyFile: Sendable, Hashable {
  /// A key and when it was made.
  public struct Entry: Sendable, Hashable {
    public var key: APIKey
    /// Seconds since 1970.
    public var created: Int
  }

  public private(set) var entries: [Entry] = []

  public init() {}

  /// - Throws: ``ServerError`` that names the entry at fault.
  public init(json: JSON) throws {
    guard let list = json["keys"]?.arrayValue else {
      throw ServerError(.invalidKeyFile, "The file of keys has no list `keys`.")
    }
    for (index, value) in list.enumerated() {
      guard let object = value.objectValue else {
        throw ServerError(.invalidKeyFile, "keys[\(index)] is no object.", parameter: "keys[\(index)]")
      }
      entries.append(try KeyFile.entry(ParameterReader(object, prefix: "keys[\(index)].")))
    }
  }

  /// The keys of a file; an absent one has none.
  public init(path: String) throws {
    guard FileManager.default.fileExists(atPath: path) else {
      self.init()
      return
    }
    guard let data = FileManager.default.contents(atPath: path) else {
      throw ServerError(
        .invalidKeyFile, "The file of keys at \(path) cannot be read.", remedy: "Check its owner and mode.")
    }
    do {
      try self.init(json: JSON(parsing: Array(data)))
    } catch let error as JSONParseError {
      throw ServerError(.invalidKeyFile, "The file of keys at \(path) is no JSON: \(error.message)", cause: error)
    }
  }

  /// Replaces the file at `path` in one step; only its owner may read it.
  public func write(to path: String) throws {
    let partial = "\(path).\(RandomID.make(8))"
    let bytes = Data(json.utf8(.pretty) + Array("\n".utf8))
    guard
      FileManager.default.createFile(atPath: partial, contents: bytes, attributes: [.posixPermissions: 0o600]),
      rename(partial, path) == 0
    else {
      try? FileManager.default.removeItem(atPath: partial)
      throw ServerError(
        .invalidKeyFile, "The file of keys at \(path) cannot be written.", remedy: "Check the folder's mode and space.")
    }
  }

  public mutating func add(_ key: APIKey, created: Int) { entries.append(Entry(key: key, created: created)) }

  /// Removes the key with this id or, when only one has it, this name.
  /// - Returns: the key, or nil when none or several are meant.
  public mutating func remove(_ idOrName: String) -> APIKey? {
    let places = entries.indices.filter { entries[$0].key.id == idOrName || entries[$0].key.name == idOrName }
    guard places.count == 1, let place = places.first else { return nil }
    return entries.remove(at: place).key
  }

  /// A new secret: 192 random bits in a form that is easy to select and to search for.
  public static func newSecret() -> String { "sk-strata-" + RandomID.make(36) }

  // MARK: JSON

  private static func entry(_ reader: ParameterReader) throws -> Entry {
    let digest = try reader.require("sha256", try reader.string("sha256"))
    guard digest.utf8.count == 64, digest.utf8.allSatisfy({ "0123456789abcdef".utf8.contains($0) }) else {
      throw reader.invalid("sha256", "must be 64 lower-case hexadecimal digits.")
    }
    func strings(_ name: String) throws -> [String]? {
      try reader.array(name)?.map { value in
        guard let text = value.stringValue else { throw reader.invalid(name, "must hold strings only.") }
        return text
      }
    }
    let most = 1_000_000_000_000
    let limits = KeyLimits(
      requestsPerMinute: try reader.int("requests_per_minute", in: 1...most),
      tokensPerMinute: try reader.int("tokens_per_minute", in: 1...most),
      tokensPerDay: try reader.int("tokens_per_day", in: 1...most),
      concurrentRequests: try reader.int("max_concurrent", in: 1...100_000))
    let principal = Principal(
      tenant: try reader.string("tenant") ?? "default", user: try reader.require("user", try reader.string("user")),
      groups: Set(try strings("groups") ?? []))
    let key = APIKey(
      digest: digest, principal: principal, name: try reader.string("name") ?? "", limits: limits,
      models: try strings("models"), isAdmin: try reader.bool("admin") ?? false, priority: try reader.priority())
    return Entry(key: key, created: try reader.int("created", in: 0...most) ?? 0)
  }

  public var json: JSON { ["keys": .array(entries.map { .object(KeyFile.object($0)) })] }

  private static func object(_ entry: Entry) -> JSONObject {
    let key = entry.key
    var object: JSONObject = [
      "id": .string(key.id), "name": .string(key.name), "sha256": .string(key.digest),
      "tenant": .string(key.principal.tenant), "user": .string(key.principal.user), "created": .int(entry.created),
    ]
    if !key.principal.groups.isEmpty { object["groups"] = .array(key.principal.groups.sorted().map(JSON.string)) }
    for (name, value) in [
      ("requests_per_minute", key.limits.requestsPerMinute), ("tokens_per_minute", key.limits.tokensPerMinute),
      ("tokens_per_day", key.limits.tokensPerDay), ("max_concurrent", key.limits.concurrentRequests),
    ] {
      if let value { object[name] = .int(value) }
    }
    if let models = key.models { object["models"] = .array(models.map(JSON.string)) }
    if key.isAdmin { object["admin"] = true }
    if key.priority != 0 { object["priority"] = .int(key.priority) }
    return object
  }
}
