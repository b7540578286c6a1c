// Owns how the words of a segment are written to a file and opened again.

extension LexicalSegment {
  func encode(into writer: inout SegmentWriter, prefix: String) {
    writer.add("\(prefix).lengths", lengths)
    writer.add("\(prefix).terms.bytes", terms.bytes)
    writer.add("\(prefix).terms.starts", terms.starts)
    writer.add("\(prefix).postings.starts", postingStarts)
    writer.add("\(prefix).postings.positions", postingPositions)
    writer.add("\(prefix).postings.counts", postingCounts)
    writer.add("\(prefix).mostOccurrences", mostOccurrences)
    writer.add("\(prefix).shortestLengths", shortestLengths)
    writer.add("\(prefix).chunkTerms.starts", chunkTermStarts)
    writer.add("\(prefix).chunkTerms", chunkTerms)
  }

  init(_ file: SegmentFile, prefix: String) throws(IndexError) {
    lengths = Array(try file.column("\(prefix).lengths", of: UInt32.self))
    terms = TermDictionary(
      bytes: Array(try file.column("\(prefix).terms.bytes", of: UInt8.self)),
      starts: Array(try file.column("\(prefix).terms.starts", of: UInt32.self)))
    postingStarts = Array(try file.column("\(prefix).postings.starts", of: Int.self))
    postingPositions = Array(try file.column("\(prefix).postings.positions", of: UInt32.self))
    postingCounts = Array(try file.column("\(prefix).postings.counts", of: UInt16.self))
    mostOccurrences = Array(try file.column("\(prefix).mostOccurrences", of: UInt16.self))
    shortestLengths = Array(try file.column("\(prefix).shortestLengths", of: UInt32.self))
    chunkTermStarts = Array(try file.column("\(prefix).chunkTerms.starts", of: Int.self))
    chunkTerms = Array(try file.column("\(prefix).chunkTerms", of: UInt32.self))
    let (count, termCount) = (lengths.count, terms.starts.count - 1)
    try file.check(
      prefix,
      isOffsets(terms.starts, into: terms.bytes.count) && postingStarts.count == termCount + 1
        && isOffsets(postingStarts, into: postingPositions.count) && postingCounts.count == postingPositions.count
        && postingPositions.allSatisfy { $0 < count } && mostOccurrences.count == termCount
        && shortestLengths.count == termCount && chunkTermStarts.count == count + 1
        && isOffsets(chunkTermStarts, into: chunkTerms.count) && chunkTerms.allSatisfy { $0 < termCount })
  }
}
