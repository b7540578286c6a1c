// Owns guessing by a smaller model: its caches, kept in step with the sequences, and its draws. Knows nothing about
// when guessing pays.
import StrataCore
import StrataModel
import StrataSchema

/// Draft-model speculation (Leviathan et al. 2023; Chen et al. 2023). Sequences draft together: each further token of all
/// drafts is one step of the small model.
///
/// Confined to the engine's thread.
package final class DraftModel {
  /// A sequence that wants a draft.
  package struct Request {
    package var id: UInt64
    /// Prompt and output so far.
    package var tokens: [Int32]
    /// A copy of the sequence's; its history goes on with the draft.
    package var sampler: Sampler
    package var matcher: GrammarMatcher?
    /// Tokens to draft, at least one.
    package var count: Int

    package init(id: UInt64, tokens: [Int32], sampler: Sampler, matcher: GrammarMatcher?, count: Int) {
      self.id = id
      self.tokens = tokens
      self.sampler = sampler
      self.matcher = matcher
      self.count = count
    }
  }

  private struct Sequence {
    var cache: KVCache
    /// What the cache holds.
    var tokens: [Int32] = []
  }

  /// A small model that was found fit to draft for a larger one.
  package struct Source: Sendable {
    let model: DecoderModel
    let targetVocabularySize: Int
    let endOfGeneration: Set<Int32>

    /// - Throws: ``ServingError/draftVocabularyMismatch`` when the two vocabularies are not the same, token by token.
    package init(
      model: DecoderModel, tokenizer: any Tokenizer, target: any Tokenizer, targetVocabularySize: Int
    ) throws(ServingError) {
      try DraftModel.check(tokenizer, against: target)
      self.model = model
      self.targetVocabularySize = targetVocabularySize
      endOfGeneration = target.endOfGenerationIDs
    }
  }

  private let source: Source
  private let logits = LogitsBuffer()
  private var mask: TokenMask
  private var sequences: [UInt64: Sequence] = [:]
  /// Independent of the sequences' own numbers: a draw that decided on a guess must not also judge it.
  private var random: RandomSource
  private static let chunk = 256

  package init(_ source: Source, seed: UInt64 = .random(in: 0 ... .max)) {
    self.source = source
    mask = TokenMask(count: source.targetVocabularySize)
    random = RandomSource(seed: seed)
  }

  fileprivate static func check(_ draft: any Tokenizer, against target: any Tokenizer) throws(ServingError) {
    func mismatch(_ reason: String) -> ServingError {
      ServingError(
        ServingError.draftVocabularyMismatch, "The draft model has another vocabulary: \(reason).",
        remedy: "Choose a draft model of the same family, or speculate with `lookup`, which needs none.")
    }
    let (own, other) = (draft.tokenBytes(), target.tokenBytes())
    guard own.count == other.count else {
      throw mismatch("it has \(own.count) tokens, the model \(other.count)")
    }
    if let id = own.indices.first(where: {
      own[$0] != other[$0] || draft.isSpecial(Int32($0)) != target.isSpecial(Int32($0))
    }) {
      let (first, second) = (String(decoding: own[id], as: UTF8.self), String(decoding: other[id], as: UTF8.self))
      throw mismatch("token \(id) is `\(first)`, the model's is `\(second)`")
    }
    guard draft.endOfGenerationIDs == target.endOfGenerationIDs else { throw mismatch("other tokens end a text") }
  }

  /// Drafts for all requests; shorter ones where the small model's context or the grammar ends.
  /// - Throws: what the forward pass throws; the drafts that it was to make are lost, nothing else.
  package func drafts(_ requests: [Request]) throws -> [UInt64: Draft] {
    var requests = requests
    var drafts: [UInt64: Draft] = [:]
    // A sampler that draws from a distribution makes the draft a proposal; greedy and seeded ones get certain guesses,
    // so that the same seed gives the same tokens whatever the lengths of drafts.
    var pending: [UInt64: [Int32]] = [:]
    for request in requests { pending[request.id] = try catchUp(request) }
    var active = Array(requests.indices)
    while !active.isEmpty {
      active = active.filter { index in
        guard let sequence = sequences[requests[index].id], let next = pending[requests[index].id] else { return false }
        return sequence.tokens.count + next.count <= sequence.cache.capacity
      }
      guard !active.isEmpty else { break }
      var slices: [BatchSlice] = []
      for index in active {
        let id = requests[index].id
        guard let cache = sequences[id]?.cache else { continue }
        let next = pending[id] ?? []
        slices.append(BatchSlice(tokens: next[...], cache: cache))
        sequences[id]?.tokens += next
      }
      try source.model.forward(slices, into: logits)
      var going: [Int] = []
      for (slice, index) in active.enumerated() {
        let id = requests[index].id
        guard let token = draw(&requests[index], slice, &drafts[id, default: Draft()]) else { continue }
        pending[id] = [token]
        if drafts[id]?.tokens.count ?? 0 < requests[index].count { going.append(index) }
      }
      active = going
    }
    return drafts
  }

  package func forget(_ id: UInt64) { sequences[id] = nil }

  /// Brings the cache to the beginning that it shares with the sequence, and computes what is missing but the last piece.
  /// - Returns: that piece.
  private func catchUp(_ request: Request) throws -> [Int32] {
    let capacity = min(source.model.configuration.contextLength, max(256, (request.tokens.count + request.count) * 2))
    var sequence = try sequences[request.id] ?? Sequence(cache: source.model.makeCache(capacity: capacity))
    if sequence.cache.capacity < min(request.tokens.count + request.count, source.model.configuration.contextLength) {
      sequence = try Sequence(cache: source.model.makeCache(capacity: capacity))
    }
    guard request.tokens.count < sequence.cache.capacity else { return [] }
    // The last token is always computed: its logits are needed.
    var shared = 0
    let most = min(sequence.tokens.count, request.tokens.count - 1)
    while shared < most, sequence.tokens[shared] == request.tokens[shared] { shared += 1 }
    sequence.cache.truncate(to: shared)
    sequence.tokens.removeLast(sequence.tokens.count - shared)
    while request.tokens.count - sequence.tokens.count > Self.chunk {
      let piece = request.tokens[sequence.tokens.count..<(sequence.tokens.count + Self.chunk)]
      try source.model.forward([BatchSlice(tokens: piece, cache: sequence.cache, logits: .none)], into: logits)
      sequence.tokens += piece
    }
    sequences[request.id] = sequence
    return Array(request.tokens[sequence.tokens.count...])
  }

  private func draw(_ request: inout Request, _ slice: Int, _ draft: inout Draft) -> Int32? {
    var allowed: [UInt64]?
    if let matcher = request.matcher {
      matcher.fillMask(&mask)
      allowed = mask.words
    }
    let row = logits.rows(ofSlice: slice).lowerBound
    let proposal = logits.withRow(row) { all in
      // Rows beyond the tokens that the larger model knows stand for nothing.
      let known = UnsafeBufferPointer(rebasing: all.prefix(source.targetVocabularySize))
      guard let allowed else { return request.sampler.distribution(known, allowed: nil) }
      return allowed.withUnsafeBufferPointer { request.sampler.distribution(known, allowed: $0) }
    }
    let parameters = request.sampler.parameters
    let draws = parameters.temperature > 0 && parameters.seed == nil
    guard let proposal, let token = draws ? proposal.draw(&random) : proposal.ids.first else { return nil }
    draft.grades.append(min(draft.tokens.count, Self.gradeCount - 1))
    draft.tokens.append(token)
    if draws { draft.proposals.append(proposal) }
    // The end stays in the draft, though nothing follows: to leave out a draw for what it is would bend the distribution.
    if source.endOfGeneration.contains(token) { return nil }
    request.sampler.observe(token)
    guard request.matcher != nil else { return token }
    _ = request.matcher?.accept(token: token)
    return request.matcher?.isComplete == true ? nil : token
  }

  // MARK: Grades

  /// A grade is a place in the draft.
  package static let gradeCount = SpeculationController.longestDraft
  package static func prior(of grade: Int) -> Double { 0.6 }
}
