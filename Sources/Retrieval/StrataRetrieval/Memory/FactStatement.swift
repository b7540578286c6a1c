// Owns what somebody states as a fact, before the memory has decided what that means for what it believes.
import Foundation
import StrataCore

/// One statement found in text.
public struct FactStatement: Sendable, Hashable {
  public var subject: String
  public var predicate: String
  public var object: String
  /// The sentence that people and models will read.
  public var text: String
  /// Whether the subject has one such object at a time.
  public var isSingle: Bool
  /// From when on it holds; nil for the moment at which it was said.
  public var validFrom: Date?
  public var validTo: Date?
  /// Whether it says that something holds no more.
  public var isEnd: Bool
  /// 0…1.
  public var importance: Double

  public init(
    subject: String = "user", predicate: String, object: String, text: String, isSingle: Bool = false,
    validFrom: Date? = nil, validTo: Date? = nil, isEnd: Bool = false, importance: Double = 0.5
  ) {
    self.subject = subject
    self.predicate = predicate
    self.object = object
    self.text = text
    self.isSingle = isSingle
    self.validFrom = validFrom
    self.validTo = validTo
    self.isEnd = isEnd
    self.importance = min(1, max(0, importance))
  }
}

/// Finds statements in what was said.
public protocol FactExtractor: Sendable {
  /// - Parameter time: when it was said; words such as "since 2021" count from it.
  func statements(in text: String, at time: Date) async throws -> [FactStatement]
}
