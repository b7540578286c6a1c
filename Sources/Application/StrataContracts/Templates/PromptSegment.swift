// Owns rendered templates that remember which text came from the author and which from an input.
import StrataCore

/// A piece of a rendered template. Only literal text may open a message: what an input says never does.
public struct PromptSegment: Sendable, Hashable {
  public enum Kind: Sendable, Hashable {
    /// Written by the author of the contract.
    case literal
    /// The value of an expression; the root input's name when there is exactly one.
    case interpolated(source: String?)
    /// A conversation that is put here message by message.
    case thread(input: String)
  }

  public var kind: Kind
  public var text: String

  public init(_ kind: Kind, _ text: String) {
    self.kind = kind
    self.text = text
  }
}

/// Appends text so that neighbours of one kind become one segment, within a bound.
struct SegmentWriter {
  private(set) var segments: [PromptSegment] = []
  private(set) var byteCount = 0
  let limit: Int

  mutating func append(_ kind: PromptSegment.Kind, _ text: String) throws(ContractError) {
    guard !text.isEmpty else { return }
    byteCount += text.utf8.count
    guard byteCount <= limit else {
      throw ContractError(
        ContractError.template, "The rendered prompt is longer than \(limit) bytes.",
        remedy: "Pass less input, or loop over fewer items.")
    }
    if kind == .literal, segments.last?.kind == .literal {
      segments[segments.count - 1].text += text
    } else {
      segments.append(PromptSegment(kind, text))
    }
  }
}

/// A template language. Contracts name theirs in `template.format.kind`.
public protocol TemplateRenderer: Sendable {
  /// - Throws: ``ContractError``.
  func render(_ template: String, inputs: JSONObject) throws -> [PromptSegment]
}

/// Bounds that keep a hostile or mistaken template from using up the machine.
public struct TemplateLimits: Sendable, Hashable {
  public var outputByteCount = 4 << 20
  /// Loop passes and evaluated nodes in one rendering.
  public var operationCount = 1_000_000
  public var depth = 64
  public init() {}
}
