// Owns the postings the other way round: the distinct terms of each chunk.

/// What a chunk's removal takes out of term statistics, term numbers packed to as many bits as the largest needs.
struct ChunkTerms: Sendable {
  /// How many terms there are.
  let termCount: Int
  /// Where the terms of chunk i start; one more than there are chunks.
  let starts: Column<UInt64>
  /// Term numbers one after the other, and 8 bytes that may be read past the last.
  let packed: Column<UInt8>

  var width: Int { Self.width(termCount) }
  static func width(_ termCount: Int) -> Int {
    UInt64.bitWidth - UInt64(Swift.max(1, termCount - 1)).leadingZeroBitCount
  }

  init(termCount: Int, starts: Column<UInt64>, packed: Column<UInt8>) {
    self.termCount = termCount
    self.starts = starts
    self.packed = packed
  }

  /// Turns the chunks of each term into the terms of each chunk by counting.
  ///
  /// - Parameter chunks: those of term 0, then of term 1, and so on.
  /// - Parameter frequencies: how many chunks each term has.
  init(chunkCount: Int, chunks: [UInt32], frequencies: Column<UInt32>) {
    var starts = [UInt64](repeating: 0, count: chunkCount + 1)
    for chunk in chunks { starts[Int(chunk) + 1] += 1 }
    for chunk in 0..<chunkCount { starts[chunk + 1] += starts[chunk] }
    var next = starts
    let width = Self.width(frequencies.count)
    packed = Column(count: (chunks.count * width + 7) / 8 + 8) { bytes in
      bytes.initialize(repeating: 0)
      let raw = UnsafeMutableRawBufferPointer(bytes)
      var index = 0
      for term in frequencies.indices {
        for chunk in chunks[index..<(index + Int(frequencies[term]))] {
          let bit = Int(next[Int(chunk)]) * width
          next[Int(chunk)] += 1
          let word = raw.loadUnaligned(fromByteOffset: bit >> 3, as: UInt64.self) | UInt64(term) << UInt64(bit & 7)
          raw.storeBytes(of: word, toByteOffset: bit >> 3, as: UInt64.self)
        }
        index += Int(frequencies[term])
      }
    }
    termCount = frequencies.count
    self.starts = Column(starts)
  }

  /// Calls `body` with each distinct term of a chunk, rising.
  func forEachTerm(of chunk: Int, _ body: (Int) -> Void) {
    let width = width
    let mask = (UInt64(1) << UInt64(width)) - 1
    let bytes = UnsafeRawBufferPointer(packed.buffer)
    for index in Int(starts[chunk])..<Int(starts[chunk + 1]) {
      let bit = index * width
      let word = bytes.loadUnaligned(fromByteOffset: bit >> 3, as: UInt64.self)
      let term = Int(word >> UInt64(bit & 7) & mask)
      // A file could hold any number.
      if term < termCount { body(term) }
    }
  }
}
