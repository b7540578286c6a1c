// Owns the bounds within which a template from an untrusted file may work.

/// Bounds of one template. A conversation of a thousand messages stays far below the defaults.
package struct JinjaLimits: Sendable {
  /// Bytes of template source.
  package var sourceBytes = 1 << 20
  /// Containers, calls and blocks inside each other in the source.
  package var syntaxDepth = 80
  /// Statements and expressions evaluated in one rendering.
  package var steps = 10_000_000
  /// Bytes of text and (16 for each) elements made in one rendering, garbage included.
  package var workBytes = 512 << 20
  /// Bytes of the result.
  package var outputBytes = 64 << 20
  /// Bytes of the stack that evaluations inside each other may use: half of what the smallest thread has.
  package var stackBytes = 256 << 10
  /// Containers inside containers.
  package var valueDepth = 200

  package init() {}
}
