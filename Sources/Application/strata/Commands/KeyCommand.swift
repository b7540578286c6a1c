// Owns `strata key`: making, listing and revoking the keys that a server asks for.
import ArgumentParser
import Foundation
import StrataCore
import StrataServer

struct KeyCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "key", abstract: "Make, list and revoke API keys.",
    subcommands: [KeyCreate.self, KeyList.self, KeyRevoke.self])
}

/// Where the keys are.
struct KeyFileOptions: ParsableArguments {
  @Option(name: .long, help: "File of keys (default: the one of STRATA_HOME).", completion: .file())
  var keys: String?

  func path() throws -> String {
    if let keys { return keys }
    let home = Home()
    try home.prepare()
    return home.keys.path
  }
}

struct KeyCreate: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "create", abstract: "Make a key; the secret is shown once and never again.",
    discussion: "Example: strata key create --name ci --user sofia --requests-per-minute 60 --tokens-per-day 500000")
  @OptionGroup var common: CommonOptions
  @OptionGroup var file: KeyFileOptions
  @Option(name: .long, help: "What to call it.") var name: String
  @Option(name: .long, help: "On whose behalf its requests are made.") var user: String
  @Option(name: .long, help: "Who pays; what one tenant stores no other one finds.") var tenant = "default"
  @Option(name: .long, help: "A group of the user (repeatable).") var group: [String] = []
  @Option(name: .long, help: "A model that it may use (repeatable; default: all).") var model: [String] = []
  @Option(name: .long, help: "Most requests in a minute.") var requestsPerMinute: Int?
  @Option(name: .long, help: "Most tokens in a minute, of prompts and answers together.") var tokensPerMinute: Int?
  @Option(name: .long, help: "Most tokens in 24 hours.") var tokensPerDay: Int?
  @Option(name: .long, help: "Most requests that run at the same time.") var maxConcurrent: Int?
  @Option(name: .long, help: "Best priority of its requests; lower runs first.") var priority = 0
  @Flag(name: .long, help: "It may load and unload models.") var admin = false

  func run() async throws {
    try await common.run {
      for (option, value) in [
        ("requests-per-minute", requestsPerMinute), ("tokens-per-minute", tokensPerMinute),
        ("tokens-per-day", tokensPerDay), ("max-concurrent", maxConcurrent),
      ] {
        guard value ?? 1 > 0 else { throw CommandError(CommandError.usage, "--\(option) must be at least 1.") }
      }
      let path = try file.path()
      var keys = try KeyFile(path: path)
      guard !keys.entries.contains(where: { $0.key.name == name }) else {
        throw CommandError(
          CommandError.nameTaken, "There is a key called \(name) already.",
          remedy: "Choose another name, or revoke it first: strata key revoke \(name)")
      }
      let secret = KeyFile.newSecret()
      let limits = KeyLimits(
        requestsPerMinute: requestsPerMinute, tokensPerMinute: tokensPerMinute, tokensPerDay: tokensPerDay,
        concurrentRequests: maxConcurrent)
      let key = APIKey(
        key: secret, principal: Principal(tenant: tenant, user: user, groups: Set(group)), name: name, limits: limits,
        models: model.isEmpty ? nil : model, isAdmin: admin, priority: priority)
      keys.add(key, created: Int(Date().timeIntervalSince1970))
      try keys.write(to: path)
      if common.json {
        Terminal.json(["id": .string(key.id), "name": .string(name), "secret": .string(secret)])
      } else {
        Terminal.out(Terminal.bold(secret))
        Terminal.out("Keep it: only its hash is in \(path). A running server takes it within a second.")
      }
    }
  }
}

struct KeyList: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "list", abstract: "Keys and what they may do.", discussion: "Example: strata key list --json")
  @OptionGroup var common: CommonOptions
  @OptionGroup var file: KeyFileOptions

  func run() async throws {
    try await common.run {
      let keys = try KeyFile(path: try file.path())
      if common.json { return Terminal.json(keys.json) }
      if keys.entries.isEmpty { Terminal.out("There are no keys. Make one: strata key create --name NAME --user USER") }
      for entry in keys.entries {
        let key = entry.key
        Terminal.out("\(Terminal.bold(key.name)) \(key.id) \(key.principal.tenant)/\(key.principal.user)")
        Terminal.out(Terminal.dim("  " + Self.rights(key)))
      }
    }
  }

  private static func rights(_ key: APIKey) -> String {
    let limits: [(String, Int?)] = [
      ("requests/min", key.limits.requestsPerMinute), ("tokens/min", key.limits.tokensPerMinute),
      ("tokens/day", key.limits.tokensPerDay), ("at once", key.limits.concurrentRequests),
    ]
    let words = limits.compactMap { name, limit in limit.map { "\($0) \(name)" } }
    let models = key.models.map { "models: \($0.joined(separator: ", "))" } ?? "all models"
    return ([models] + (words.isEmpty ? ["no limits"] : words) + (key.isAdmin ? ["administrator"] : []))
      .joined(separator: " · ")
  }
}

struct KeyRevoke: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "revoke", abstract: "Make a key worthless, for running servers too within a second.",
    discussion: "Example: strata key revoke ci")
  @OptionGroup var common: CommonOptions
  @OptionGroup var file: KeyFileOptions
  @Argument(help: "Name or id.") var key: String

  func run() async throws {
    try await common.run {
      let path = try file.path()
      var keys = try KeyFile(path: path)
      guard let removed = keys.remove(key) else {
        throw CommandError(CommandError.unknownKey, "No single key is called \(key).", remedy: "See: strata key list")
      }
      try keys.write(to: path)
      if common.json {
        Terminal.json(["revoked": .string(removed.id)])
      } else {
        Terminal.out("\(removed.name) (\(removed.id)) is worthless now.")
      }
    }
  }
}
