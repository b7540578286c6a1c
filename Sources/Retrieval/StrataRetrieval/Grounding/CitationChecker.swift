// Owns the verdict on a citation long after it was given: whether the store still says what was quoted. Reads only.
import StrataCore

/// What the store says of a citation.
public struct CitationCheck: Sendable, Hashable {
  public enum Status: String, Sendable, Hashable, CaseIterable {
    /// The cited version is the current one and says exactly this.
    case verified
    /// The cited version said exactly this; there is a newer one.
    case stale
    /// The document or the cited version is no longer stored.
    case gone
    /// The reader may not read the document (any more). Whoever may not know that it exists is to be told ``gone``.
    case forbidden
    /// The cited version says something else in this place, or has no such place.
    case altered
  }

  public var place: CitedPlace
  public var status: Status
  /// The newest version, where the reader may know it.
  public var currentVersion: Int?
  /// Where the quotation stands in the newest version of a stale citation, whatever its typography; nil when the version
  /// no longer says it.
  public var currentRange: Range<Int>?

  /// `{"document","version","start","end","status"}`, and `current_version`, `current_start`, `current_end` where known.
  public var json: JSON {
    var object: JSONObject = [
      "document": .string(place.document), "version": .int(place.version), "start": .int(place.range.lowerBound),
      "end": .int(place.range.upperBound), "status": .string(status.rawValue),
    ]
    if let currentVersion { object["current_version"] = .int(currentVersion) }
    if let currentRange {
      object["current_start"] = .int(currentRange.lowerBound)
      object["current_end"] = .int(currentRange.upperBound)
    }
    return .object(object)
  }
}

/// Asks the store whether citations still hold; ``CitedPlace/quote(in:from:)`` compares the bytes.
public struct CitationChecker: Sendable {
  let store: any DocumentStore
  let collection: String
  private let gate: AccessGate

  /// - Parameter gate: that of the collection, if there is one already.
  public init(store: any DocumentStore, collection: String = "default", gate: AccessGate? = nil) {
    self.store = store
    self.collection = collection
    self.gate = gate ?? AccessGate(store: store, collection: collection)
  }

  /// One check for each place, in their order.
  /// - Throws: ``RetrievalError`` when the store fails; a citation that is wrong is no error.
  public func check(_ places: [CitedPlace], as principal: Principal) async throws -> [CitationCheck] {
    var checks: [CitationCheck] = []
    for place in places {
      try Task.checkCancellation()
      do { checks.append(try await check(place, principal)) } catch let error as CancellationError {
        throw error
      } catch { throw RetrievalError.storeFailed(error, path: place.document) }
    }
    return checks
  }

  private func check(_ place: CitedPlace, _ principal: Principal) async throws -> CitationCheck {
    guard let current = try await store.document(place.document, version: nil, in: collection) else {
      return CitationCheck(place: place, status: .gone)
    }
    guard try await gate.decision(for: principal).mayRead(current) else {
      return CitationCheck(place: place, status: .forbidden)
    }
    var check = CitationCheck(place: place, status: .gone, currentVersion: current.version)
    guard let text = try await store.text(of: place.document, version: place.version, in: collection) else {
      return check
    }
    guard let quote = place.quote(in: Array(text.utf8)) else {
      check.status = .altered
      return check
    }
    guard place.version != current.version else {
      check.status = .verified
      return check
    }
    check.status = .stale
    if let newest = try await store.text(of: place.document, version: current.version, in: collection) {
      check.currentRange = QuoteFinder(newest).range(of: quote, near: place.range.lowerBound)
    }
    return check
  }
}
