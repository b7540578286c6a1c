// Owns SentencePiece's byte pair encoding (Llama 2, Mistral): merges by score, unknown characters as bytes.

/// Kudo and Richardson 2018, "SentencePiece", in its BPE mode: a pair may merge when its text is a token, the highest
/// score first. Spaces are written U+2581.
struct SentencePieceTokenizer: Tokenizer {
  let special: SpecialTokens
  private let table: TokenTable
  private let scores: [Float]
  private let scanner: SpecialTokenScanner
  private let byteIDs: [Int32]
  /// Whether text after the start or a special token gets a space in front.
  private let addsSpacePrefix: Bool
  /// Whether no token holds a space after something else, so that words can be encoded one by one.
  private let splitsAtSpaces: Bool
  private let caches = WordCachePool()

  private static let space: [UInt8] = [0xE2, 0x96, 0x81]

  /// - Parameter scores: One per token of `table`.
  init(table: TokenTable, scores: [Float], special: SpecialTokens, addsSpacePrefix: Bool) {
    self.table = table
    self.scores = scores
    self.special = special
    self.addsSpacePrefix = addsSpacePrefix
    scanner = SpecialTokenScanner(table)
    var byteIDs = [Int32](repeating: -1, count: 256)
    var splits = true
    for id in 0..<Int32(clamping: table.count) {
      let bytes = Array(table.bytes(of: id))
      switch table.kind(of: id) {
      case .byte: if let byte = Self.byte(of: bytes) { byteIDs[Int(byte)] = id }
      case .normal, .userDefined, .unused: splits = splits && !Self.hasInnerSpace(bytes)
      default: break
      }
    }
    self.byteIDs = byteIDs
    splitsAtSpaces = splits
  }

  var vocabularySize: Int { table.count }

  func isSpecial(_ id: Int32) -> Bool { table.isSpecial(id) }

  func bytes(of id: Int32) -> [UInt8] {
    let bytes = Array(table.bytes(of: id))
    switch table.kind(of: id) {
    case .byte: return Self.byte(of: bytes).map { [$0] } ?? bytes
    case .normal, .userDefined, .unused: return Self.unescaped(bytes)
    default: return bytes
    }
  }

  func decode(_ ids: some Sequence<Int32>, skipSpecial: Bool) -> String {
    var bytes: [UInt8] = []
    var atStart = true
    for id in ids {
      if isSpecial(id) {
        if !skipSpecial { bytes.append(contentsOf: self.bytes(of: id)) }
        continue
      }
      let piece = self.bytes(of: id)
      // The space that encoding put in front is not part of the text.
      let drops = atStart && addsSpacePrefix && piece.first == 0x20
      bytes.append(contentsOf: drops ? piece.dropFirst() : piece[...])
      atStart = false
    }
    return String(decoding: bytes, as: UTF8.self)
  }

  func encode(_ text: String, addSpecial: Bool, parseSpecial: Bool) -> [Int32] {
    var output: [Int32] = []
    if addSpecial, special.addsBOS, let bos = special.bos { output.append(bos) }
    var text = text
    text.withUTF8 { bytes in
      var followsSpecial = true
      for fragment in scanner.fragments(of: bytes, parseSpecial: parseSpecial) {
        switch fragment {
        case .token(let id):
          output.append(id)
          followsSpecial = true
        case .text(let range):
          encode(bytes[range], prefixed: addsSpacePrefix && followsSpecial, into: &output)
          followsSpecial = false
        }
      }
    }
    if addSpecial, special.addsEOS, let eos = special.eos { output.append(eos) }
    return output
  }

  private func encode(_ text: Slice<UnsafeBufferPointer<UInt8>>, prefixed: Bool, into output: inout [Int32]) {
    var escaped: [UInt8] = []
    escaped.reserveCapacity(text.count + text.count / 2 + 3)
    if prefixed { escaped.append(contentsOf: Self.space) }
    for byte in text {
      if byte == 0x20 { escaped.append(contentsOf: Self.space) } else { escaped.append(byte) }
    }
    escaped.withUnsafeBufferPointer { bytes in
      guard splitsAtSpaces else { return encodeWord(bytes, 0..<bytes.count, into: &output) }
      caches.withCache { cache in
        var start = 0
        while start < bytes.count {
          let end = Self.wordEnd(bytes, start)
          if end - start <= WordCache.longestWord {
            let key = WordCache.Key(bytes, start..<end)
            if !cache.append(key, to: &output) {
              let count = output.count
              encodeWord(bytes, start..<end, into: &output)
              cache.insert(key, Array(output[count...]))
            }
          } else {
            encodeWord(bytes, start..<end, into: &output)
          }
          start = end
        }
      }
    }
  }

  /// End of the spaces at `start` and what follows them up to the next space.
  private static func wordEnd(_ bytes: UnsafeBufferPointer<UInt8>, _ start: Int) -> Int {
    var index = start
    while isSpace(bytes, index) { index += 3 }
    while index < bytes.count, !isSpace(bytes, index) { index += 1 }
    return index
  }

  private static func isSpace(_ bytes: UnsafeBufferPointer<UInt8>, _ index: Int) -> Bool {
    index + 3 <= bytes.count && bytes[index] == 0xE2 && bytes[index + 1] == 0x96 && bytes[index + 2] == 0x81
  }

  // MARK: Merging

  private struct Candidate: Comparable {
    let score: Float
    let left: Int
    /// Bytes of both sides when this was found.
    let length: Int

    static func < (lhs: Candidate, rhs: Candidate) -> Bool {
      lhs.score != rhs.score ? lhs.score > rhs.score : lhs.left < rhs.left
    }
  }

  /// - Complexity: O(*n* log *n*) in the characters of the word, as tokens have bounded length.
  private func encodeWord(_ bytes: UnsafeBufferPointer<UInt8>, _ range: Range<Int>, into output: inout [Int32]) {
    var starts: [Int] = []
    var lengths: [Int] = []
    var index = range.lowerBound
    while index < range.upperBound {
      let next = ScalarReader.scalar(in: bytes, at: index, range.upperBound).next
      starts.append(index)
      lengths.append(next - index)
      index = next
    }
    let count = starts.count
    guard count > 0 else { return }
    var next = Array(1...count)
    var previous = Array(-1..<count - 1)
    var heap = MinHeap<Candidate>()
    func push(_ left: Int) {
      guard left >= 0, next[left] < count else { return }
      let length = lengths[left] + lengths[next[left]]
      let text = UnsafeBufferPointer(rebasing: bytes[starts[left]..<starts[left] + length])
      guard let id = table.id(of: text) else { return }
      heap.push(Candidate(score: scores[Int(id)], left: left, length: length))
    }
    for left in 0..<count - 1 { push(left) }
    while let candidate = heap.pop() {
      let left = candidate.left
      let right = next[left]
      guard lengths[left] > 0, right < count, lengths[left] + lengths[right] == candidate.length else { continue }
      lengths[left] = candidate.length
      lengths[right] = 0
      next[left] = next[right]
      if next[left] < count { previous[next[left]] = left }
      push(previous[left])
      push(left)
    }
    index = 0
    while index < count {
      emit(UnsafeBufferPointer(rebasing: bytes[starts[index]..<starts[index] + lengths[index]]), into: &output)
      index = next[index]
    }
  }

  private func emit(_ text: UnsafeBufferPointer<UInt8>, into output: inout [Int32]) {
    if let id = table.id(of: text) {
      output.append(id)
      return
    }
    for byte in text {
      if byteIDs[Int(byte)] >= 0 {
        output.append(byteIDs[Int(byte)])
      } else if let unknown = special.unknown {
        output.append(unknown)
      }
    }
  }

  // MARK: Bytes of tokens

  /// The byte that `<0xAB>` names.
  private static func byte(of text: [UInt8]) -> UInt8? {
    guard text.count == 6, text.starts(with: Array("<0x".utf8)), text[5] == UInt8(ascii: ">") else { return nil }
    return UInt8(String(decoding: text[3..<5], as: UTF8.self), radix: 16)
  }

  private static func unescaped(_ bytes: [UInt8]) -> [UInt8] {
    guard bytes.contains(0xE2) else { return bytes }
    var result: [UInt8] = []
    var index = 0
    while index < bytes.count {
      if index + 3 <= bytes.count, bytes[index] == 0xE2, bytes[index + 1] == 0x96, bytes[index + 2] == 0x81 {
        result.append(0x20)
        index += 3
      } else {
        result.append(bytes[index])
        index += 1
      }
    }
    return result
  }

  private static func hasInnerSpace(_ bytes: [UInt8]) -> Bool {
    bytes.withUnsafeBufferPointer { wordEnd($0, 0) < bytes.count }
  }
}
