// Owns cutting text into the words within which byte pairs are merged. Each cutter is a hand-written scanner for one
// regular expression; the expressions are quoted at their functions.

/// The way of cutting that a GGUF file names in `tokenizer.ggml.pre`.
enum PreTokenizer: Sendable {
  case gpt2
  case smollm
  case llama3
  case qwen2

  init?(named name: String) {
    switch name {
    case "gpt-2", "phi-2", "jina-es", "jina-de", "jina-v2-es", "jina-v2-de", "gigachat", "a.x-4.0", "mellum",
      "modern-bert", "exaone4", "mpt", "olmo":
      self = .gpt2
    case "smollm", "starcoder", "refact", "command-r", "codeshell", "exaone", "minerva-7b": self = .smollm
    case "llama-bpe", "llama3", "llama-v3", "falcon3", "falcon-h1", "pixtral", "midm-2.0", "lfm2", "jina-v5-nano":
      self = .llama3
    case "qwen2", "deepseek-r1-qwen", "kormo", "f2llmv2", "megrez", "stablelm2": self = .qwen2
    default: return nil
    }
  }

  static let supported = ["gpt-2", "llama-bpe", "qwen2", "smollm"]

  /// Calls `body` with the byte range of each word in `range`, in order and without gaps.
  /// - Complexity: O(bytes).
  @inline(__always)
  func forEachWord(_ reader: ScalarReader, in range: Range<Int>, _ body: (Range<Int>) -> Void) {
    var index = range.lowerBound
    let end = range.upperBound
    switch self {
    case .gpt2: cut(&index, end, body) { Self.gpt2Word(reader, $0, end) }
    case .llama3: cut(&index, end, body) { Self.modernWord(reader, $0, end, digits: 3) }
    case .qwen2: cut(&index, end, body) { Self.modernWord(reader, $0, end, digits: 1) }
    case .smollm:
      // Every number scalar is a word; the text between two of them is cut as if it stood alone.
      while index < end {
        let first = reader.read(at: index, end)
        if first.class == .number {
          body(index..<first.next)
          index = first.next
          continue
        }
        var stop = first.next
        while stop < end {
          let scalar = reader.read(at: stop, end)
          if scalar.class == .number { break }
          stop = scalar.next
        }
        cut(&index, stop, body) { Self.gpt2Word(reader, $0, stop) }
      }
    }
  }

  @inline(__always)
  private func cut(_ index: inout Int, _ end: Int, _ body: (Range<Int>) -> Void, _ word: (Int) -> Int) {
    while index < end {
      let next = word(index)
      body(index..<next)
      index = next
    }
  }

  /// End of the run of scalars whose class passes, from `index`.
  @inline(__always)
  private static func run(
    _ reader: ScalarReader, _ index: Int, _ end: Int, most: Int = .max, _ passes: (ScalarClass) -> Bool
  ) -> Int {
    var index = index
    var count = 0
    while index < end, count < most {
      let scalar = reader.read(at: index, end)
      guard passes(scalar.class) else { break }
      index = scalar.next
      count += 1
    }
    return index
  }

  /// `'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+`
  private static func gpt2Word(_ reader: ScalarReader, _ start: Int, _ end: Int) -> Int {
    let byte = reader.bytes[start]
    if byte == UInt8(ascii: "'"), let stop = contraction(reader, start, end, foldsCase: false) { return stop }
    let body = byte == 0x20 && start + 1 < end ? start + 1 : start
    let first = reader.read(at: body, end)
    if !first.class.contains(.space) {
      return run(reader, first.next, end) { $0 == first.class }
    }
    return spaces(reader, start, end)
  }

  /// `(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,digits}| ?[^\s\p{L}\p{N}]+[\r\n]*|`
  /// `\s*[\r\n]+|\s+(?!\S)|\s+`
  private static func modernWord(_ reader: ScalarReader, _ start: Int, _ end: Int, digits: Int) -> Int {
    let byte = reader.bytes[start]
    if byte == UInt8(ascii: "'"), let stop = contraction(reader, start, end, foldsCase: true) { return stop }
    let first = reader.read(at: start, end)
    if first.class == .letter { return run(reader, first.next, end) { $0 == .letter } }
    if first.class == .number { return run(reader, start, end, most: digits) { $0 == .number } }
    let second = first.next < end ? reader.read(at: first.next, end) : nil
    if !first.class.contains(.lineEnd), let second, second.class == .letter {
      return run(reader, second.next, end) { $0 == .letter }
    }
    if first.class.isOther || (byte == 0x20 && second?.class.isOther == true) {
      let others = run(reader, first.next, end) { $0.isOther }
      return run(reader, others, end) { $0.contains(.lineEnd) }
    }
    return spaces(reader, start, end, keepsLineEnds: true)
  }

  /// `\s+(?!\S)|\s+`, before it `\s*[\r\n]+` if `keepsLineEnds`.
  private static func spaces(_ reader: ScalarReader, _ start: Int, _ end: Int, keepsLineEnds: Bool = false) -> Int {
    var index = start
    var last = start
    var lineEnd: Int?
    while index < end {
      let scalar = reader.read(at: index, end)
      guard scalar.class.contains(.space) else { break }
      last = index
      index = scalar.next
      if scalar.class.contains(.lineEnd) { lineEnd = index }
    }
    if keepsLineEnds, let lineEnd { return lineEnd }
    // The last space goes to the next word, unless it is the only one.
    return index < end && last > start ? last : index
  }

  private static func contraction(_ reader: ScalarReader, _ start: Int, _ end: Int, foldsCase: Bool) -> Int? {
    func letter(_ offset: Int) -> UInt8 {
      guard start + offset < end else { return 0 }
      let byte = reader.bytes[start + offset]
      return foldsCase && byte >= 65 && byte <= 90 ? byte | 32 : byte
    }
    switch letter(1) {
    case UInt8(ascii: "s"), UInt8(ascii: "t"), UInt8(ascii: "m"), UInt8(ascii: "d"): return start + 2
    case UInt8(ascii: "r"), UInt8(ascii: "v"): return letter(2) == UInt8(ascii: "e") ? start + 3 : nil
    case UInt8(ascii: "l"): return letter(2) == UInt8(ascii: "l") ? start + 3 : nil
    default: return nil
    }
  }
}
