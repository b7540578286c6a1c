// Owns a compiled template. Knows nothing about conversations; see ChatTemplate.

import Foundation
import StrataCore

/// A template in the language of jinja2 3.1, compiled once and rendered under the settings that Hugging Face
/// transformers uses for chat templates: blocks trimmed, an immutable sandbox, `break` and `continue`, JSON unescaped.
package struct JinjaTemplate: Sendable {
  private let statements: [JinjaStatement]
  private let limits: JinjaLimits

  /// - Throws: ``TemplateError`` with the line when `source` is no template or exceeds the limits.
  package init(_ source: String, limits: JinjaLimits = JinjaLimits()) throws(TemplateError) {
    statements = try JinjaParser.parse(source, limits: limits)
    self.limits = limits
  }

  /// - Parameter now: what `strftime_now` tells, in the local time zone.
  /// - Throws: ``TemplateError`` with the line; never runs beyond the limits.
  package func render(_ context: JinjaDict, now: Date) throws(TemplateError) -> String {
    guard context.depth <= limits.valueDepth else {
      throw .limit("The conversation nests values more than \(limits.valueDepth) levels deep.")
    }
    return try JinjaInterpreter(context: context, limits: limits, now: now).run(statements)
  }
}
