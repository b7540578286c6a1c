// Owns byte-level byte pair encoding (GPT-2, Llama 3, Qwen, SmolLM).

/// Sennrich et al. 2016, "Neural Machine Translation of Rare Words with Subword Units", over bytes as in Radford et al.
/// 2019 (GPT-2): text is cut into words, each word starts as its bytes, and neighbours merge by rank.
struct BytePairTokenizer: Tokenizer {
  let special: SpecialTokens
  private let table: TokenTable
  private let scanner: SpecialTokenScanner
  private let merges: PairMerges
  private let preTokenizer: PreTokenizer
  /// The token of each byte, -1 where the vocabulary has none.
  private let byteIDs: [Int32]
  /// Whether a word that is a token whole is taken without merging (Llama 3).
  private let prefersWholeWords: Bool
  /// Whether text is composed (Unicode NFC) first, as Qwen's own tokenizer does.
  private let composes: Bool
  private let caches = WordCachePool()

  init(
    table: TokenTable, merges: PairMerges, special: SpecialTokens, preTokenizer: PreTokenizer, prefersWholeWords: Bool,
    composes: Bool
  ) {
    self.table = table
    self.merges = merges
    self.special = special
    self.preTokenizer = preTokenizer
    self.prefersWholeWords = prefersWholeWords
    self.composes = composes
    scanner = SpecialTokenScanner(table)
    byteIDs = (0...255).map { table.id(of: [UInt8($0)]) ?? -1 }
  }

  var vocabularySize: Int { table.count }

  func bytes(of id: Int32) -> [UInt8] { Array(table.bytes(of: id)) }

  func isSpecial(_ id: Int32) -> Bool { table.isSpecial(id) }

  func decode(_ ids: some Sequence<Int32>, skipSpecial: Bool) -> String {
    table.decode(ids, skipSpecial: skipSpecial)
  }

  func encode(_ text: String, addSpecial: Bool, parseSpecial: Bool) -> [Int32] {
    var output: [Int32] = []
    output.reserveCapacity(text.utf8.count / 3 + 2)
    if addSpecial, special.addsBOS, let bos = special.bos { output.append(bos) }
    var text = text
    text.withUTF8 { bytes in
      for fragment in scanner.fragments(of: bytes, parseSpecial: parseSpecial) {
        switch fragment {
        case .token(let id): output.append(id)
        case .text(let range): encode(bytes, range, into: &output)
        }
      }
    }
    if addSpecial, special.addsEOS, let eos = special.eos { output.append(eos) }
    return output
  }

  private func encode(_ bytes: UnsafeBufferPointer<UInt8>, _ range: Range<Int>, into output: inout [Int32]) {
    if composes, let composed = CanonicalComposition.composed(UnsafeBufferPointer(rebasing: bytes[range])) {
      composed.withUnsafeBufferPointer { encodeWords($0, 0..<$0.count, into: &output) }
    } else {
      encodeWords(bytes, range, into: &output)
    }
  }

  private func encodeWords(_ bytes: UnsafeBufferPointer<UInt8>, _ range: Range<Int>, into output: inout [Int32]) {
    caches.withCache { cache in
      var word: [Int32] = []
      preTokenizer.forEachWord(ScalarReader(bytes), in: range) { range in
        guard range.count <= WordCache.longestWord else {
          encodeWord(bytes, range, &word)
          output.append(contentsOf: word)
          return
        }
        let key = WordCache.Key(bytes, range)
        if !cache.append(key, to: &output) {
          encodeWord(bytes, range, &word)
          output.append(contentsOf: word)
          cache.insert(key, word)
        }
      }
    }
  }

  private func encodeWord(_ bytes: UnsafeBufferPointer<UInt8>, _ range: Range<Int>, _ word: inout [Int32]) {
    word.removeAll(keepingCapacity: true)
    if prefersWholeWords, let id = table.id(of: UnsafeBufferPointer(rebasing: bytes[range])) {
      word.append(id)
      return
    }
    for index in range {
      let id = byteIDs[Int(bytes[index])]
      if id >= 0 {
        word.append(id)
      } else if let unknown = special.unknown {
        word.append(unknown)
      }
    }
    merges.merge(&word)
  }
}

extension TokenTable {
  func isSpecial(_ id: Int32) -> Bool {
    switch kind(of: id) {
    case .control, .unknown, .unused, nil: true
    case .normal, .userDefined, .byte: false
    }
  }

  func decode(_ ids: some Sequence<Int32>, skipSpecial: Bool) -> String {
    var bytes: [UInt8] = []
    for id in ids where !(skipSpecial && isSpecial(id)) { bytes.append(contentsOf: self.bytes(of: id)) }
    return String(decoding: bytes, as: UTF8.self)
  }
}
