// Owns on whose behalf a request to the documents is made. Knows nothing about what is asked.
import StrataCore

struct AppCaller: Sendable {
  let app: any AppService

  /// The key's principal, or in local mode whoever the caller says to be.
  /// - Parameter name: what the client sent as `as`.
  /// - Throws: ``ServerError`` when a key asks on somebody else's behalf.
  func principal(_ name: String?, _ context: RequestContext) async throws -> Principal {
    guard let owner = context.principal?.user else { return try await local(name) }
    guard name == nil || name == "" || name == owner else {
      throw ServerError(.otherPrincipal, "With an API key you ask as its owner only.", parameter: "as")
    }
    return try await keyHolder(context) ?? .anonymous
  }

  /// As ``principal(_:_:)`` for APIs whose `user` member is a label of the client's own: a key decides alone.
  func principal(labelled user: String?, _ context: RequestContext) async throws -> Principal {
    if let holder = try await keyHolder(context) { return holder }
    return try await local(user, parameter: "user")
  }

  /// The owner of the key, with the groups that the key and the collection give.
  private func keyHolder(_ context: RequestContext) async throws -> Principal? {
    guard let principal = context.principal else { return nil }
    let known = try await app.principal(named: principal.user)
    return Principal(
      tenant: principal.tenant, user: principal.user, groups: principal.groups.union(known.groups),
      attributes: principal.attributes)
  }

  private func local(_ name: String?, parameter: String = "as") async throws -> Principal {
    guard let name, !name.isEmpty else { return .anonymous }
    guard name.utf8.count <= 200 else {
      throw ServerError(.invalidParameter, "The user name is too long.", parameter: parameter)
    }
    return try await app.principal(named: name)
  }
}
