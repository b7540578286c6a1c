// Owns how the words of a segment are written to a file and opened again, without copying.
import CStrataKernels

extension LexicalSegment {
  func encode(into writer: inout SegmentWriter, prefix: String) {
    writer.add("\(prefix).titleWeight", [titleWeight])
    writer.add("\(prefix).lengths", lengths)
    writer.add("\(prefix).titleLengths", titleLengths)
    writer.add("\(prefix).bodyLengths", bodyLengths)
    writer.add("\(prefix).terms.bytes", terms.bytes)
    writer.add("\(prefix).terms.starts", terms.starts)
    writer.add("\(prefix).terms.slots", terms.slots)
    writer.add("\(prefix).postings", postings.data)
    writer.add("\(prefix).postings.blocks", postings.blocks)
    writer.add("\(prefix).postings.lasts", postings.lasts)
    writer.add("\(prefix).postings.impacts", postings.impacts)
    writer.add("\(prefix).postings.frequencies", postings.frequencies)
    writer.add("\(prefix).postings.firstBlocks", postings.firstBlocks)
    writer.add("\(prefix).postings.firstImpacts", postings.firstImpacts)
    writer.add("\(prefix).occurrences", postings.occurrences)
    writer.add("\(prefix).occurrences.starts", postings.occurrenceStarts)
    writer.add("\(prefix).chunkTerms.starts", chunkTerms.starts)
    writer.add("\(prefix).chunkTerms", chunkTerms.packed)
  }

  /// - Throws: when numbers lead out of their columns. What is inside packed blocks is not looked at: whatever it is,
  ///   reading it gives positions of chunks and occurrences that exist.
  convenience init(_ file: SegmentFile, prefix: String) throws(IndexError) {
    let titleWeights = try file.column("\(prefix).titleWeight", of: UInt32.self)
    let lengths = try file.column("\(prefix).lengths", of: UInt32.self)
    let titleLengths = try file.column("\(prefix).titleLengths", of: UInt32.self)
    let bodyLengths = try file.column("\(prefix).bodyLengths", of: UInt32.self)
    let terms = TermDictionary(
      bytes: try file.column("\(prefix).terms.bytes", of: UInt8.self),
      starts: try file.column("\(prefix).terms.starts", of: UInt32.self),
      slots: try file.column("\(prefix).terms.slots", of: UInt32.self))
    let postings = Postings(
      data: try file.column("\(prefix).postings", of: UInt8.self),
      blocks: try file.column("\(prefix).postings.blocks", of: UInt64.self),
      lasts: try file.column("\(prefix).postings.lasts", of: UInt32.self),
      impacts: try file.column("\(prefix).postings.impacts", of: UInt64.self),
      frequencies: try file.column("\(prefix).postings.frequencies", of: UInt32.self),
      firstBlocks: try file.column("\(prefix).postings.firstBlocks", of: UInt32.self),
      firstImpacts: try file.column("\(prefix).postings.firstImpacts", of: UInt32.self),
      occurrences: try file.column("\(prefix).occurrences", of: UInt8.self),
      occurrenceStarts: try file.column("\(prefix).occurrences.starts", of: UInt64.self))
    let count = lengths.count
    try file.check(
      "\(prefix).lengths",
      count < Int(Int32.max) && titleLengths.count == count && bodyLengths.count == count
        && titleWeights.count == 1 && titleWeights.allSatisfy { (1...1000).contains($0) }
        && [lengths, titleLengths, bodyLengths].allSatisfy { $0.buffer.allSatisfy { $0 <= UInt32(Int32.max) } })
    try file.check("\(prefix).terms", terms.isSound)
    try file.check(
      "\(prefix).postings", postings.frequencies.count == terms.count && postings.isSound(chunkCount: count))
    let chunkTerms = ChunkTerms(
      termCount: terms.count, starts: try file.column("\(prefix).chunkTerms.starts", of: UInt64.self),
      packed: try file.column("\(prefix).chunkTerms", of: UInt8.self))
    try file.check("\(prefix).chunkTerms", chunkTerms.isSound(chunkCount: count))
    self.init(
      terms: terms, postings: postings, lengths: lengths, titleLengths: titleLengths, bodyLengths: bodyLengths,
      titleWeight: titleWeights[0], chunkTerms: chunkTerms)
  }
}

extension TermDictionary {
  /// Whether all numbers lead to terms.
  fileprivate var isSound: Bool {
    guard isOffsets(starts, into: bytes.count), slots.count.nonzeroBitCount == 1 else { return false }
    let count = count
    return slots.buffer.allSatisfy { $0 <= count }
  }
}

extension ChunkTerms {
  fileprivate func isSound(chunkCount: Int) -> Bool {
    guard starts.count == chunkCount + 1, starts.first == 0, packed.count >= 8, var previous = starts.first else {
      return false
    }
    for start in starts.buffer {
      guard start >= previous else { return false }
      previous = start
    }
    let (bits, overflow) = previous.multipliedReportingOverflow(by: UInt64(width))
    return !overflow && bits / 8 + 9 <= UInt64(packed.count) + (bits.isMultiple(of: 8) ? 1 : 0)
  }
}

extension Postings {
  /// Whether blocks lie within the data, and lists within the blocks.
  fileprivate func isSound(chunkCount: Int) -> Bool {
    guard firstBlocks.count == frequencies.count, firstImpacts.count == frequencies.count,
      lasts.count == blocks.count, occurrenceStarts.count == blocks.count
    else { return false }
    let (impactBlocks, remainder) = impacts.count.quotientAndRemainder(dividingBy: Self.impactCount)
    guard remainder == 0, occurrenceStarts.buffer.allSatisfy({ $0 <= UInt64(occurrences.count) }) else { return false }
    var (block, impactBlock) = (0, 0)
    for term in frequencies.indices {
      let frequency = Int(frequencies.buffer[term])
      let blockCount = PostingList.blockCount(of: frequency)
      guard frequency >= 1, frequency <= chunkCount, Int(firstBlocks.buffer[term]) == block,
        block + blockCount <= blocks.count, Int(firstImpacts.buffer[term]) == impactBlock
      else { return false }
      for index in 0..<blockCount {
        let place = PostingBlock(blocks.buffer[block + index])
        let postings = min(Self.blockCount, frequency - index * Self.blockCount)
        // A width of occurrences above 24 would let weighted ones leave 31 bits.
        guard place.gapWidth <= 32, place.countWidth <= 24, place.titleWidth <= 20,
          place.start + place.byteCount(postings) + 16 <= data.count, lasts.buffer[block + index] < chunkCount
        else { return false }
      }
      block += blockCount
      if blockCount > 1 { impactBlock += blockCount }
    }
    return block == blocks.count && impactBlock == impactBlocks
  }
}
