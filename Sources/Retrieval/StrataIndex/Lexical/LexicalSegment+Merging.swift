// Owns making one lexical segment of several, without text.

/// One of the segments to be merged, and which of its chunks stay.
struct LexicalPart {
  let segment: LexicalSegment
  let live: [UInt64]
  let statistics: LexicalStatistics
}

extension LexicalSegment {
  /// The live chunks of several segments, in order. Searching it gives what searching the parts gives.
  static func merge(_ parts: [LexicalPart]) -> LexicalSegment {
    var lengths: [UInt32] = []
    var titleLengths: [UInt32] = []
    var bodyLengths: [UInt32] = []
    /// New position of each old one, by part; `UInt32.max` for removed chunks.
    var places: [[UInt32]] = []
    for part in parts {
      var renumbered = [UInt32](repeating: .max, count: part.segment.count)
      for position in 0..<part.segment.count where part.live.testBit(position) {
        renumbered[position] = UInt32(lengths.count)
        lengths.append(part.segment.lengths[position])
        titleLengths.append(part.segment.titleLengths[position])
        bodyLengths.append(part.segment.bodyLengths[position])
      }
      places.append(renumbered)
    }
    let mergedLengths = Column(lengths)
    let (terms, sources) = mergeTerms(parts)
    let titleWeight = parts.first?.segment.titleWeight ?? 1
    var writer = PostingsWriter(lengths: mergedLengths, titleWeight: Int(titleWeight))
    var chunks: [UInt32] = []
    var reader = PostingReader()
    for term in 0..<terms.count {
      var mostPostings = 0
      for (part, numbers) in zip(parts, sources) where numbers[term] >= 0 {
        mostPostings += Int(part.segment.postings.frequencies[Int(numbers[term])])
      }
      writer.beginTerm(mostPostings: mostPostings)
      for (index, part) in parts.enumerated() where sources[index][term] >= 0 {
        let old = part.segment
        reader.forEachPosting(of: Int(sources[index][term]), in: old) { posting, occurrences in
          let position = places[index][Int(posting.position)]
          guard position != .max else { return }
          writer.addOccurrences(occurrences)
          writer.add(
            PostingsWriter.Posting(position: position, count: posting.count, titleCount: posting.titleCount))
          chunks.append(position)
        }
      }
      writer.endTerm()
    }
    let postings = writer.finish()
    return LexicalSegment(
      terms: terms, postings: postings, lengths: mergedLengths, titleLengths: Column(titleLengths),
      bodyLengths: Column(bodyLengths), titleWeight: titleWeight,
      chunkTerms: ChunkTerms(chunkCount: lengths.count, chunks: chunks, frequencies: postings.frequencies))
  }

  /// The terms that live chunks use, and for each part the number there of each of them, or -1.
  private static func mergeTerms(_ parts: [LexicalPart]) -> (terms: TermDictionary, sources: [[Int32]]) {
    var table = TermTable()
    var sources = parts.map { _ in [Int32]() }
    for (index, part) in parts.enumerated() {
      let terms = part.segment.terms
      for term in 0..<terms.count where part.statistics.documentFrequency(of: term, in: part.segment) > 0 {
        let (number, isNew) = table.insert(terms[term])
        if isNew { for other in sources.indices { sources[other].append(-1) } }
        sources[index][number] = Int32(term)
      }
    }
    return (table.dictionary(), sources)
  }
}

/// Reads whole postings of a term one after the other, with the bytes of their occurrences.
struct PostingReader {
  private var positions = [UInt32](repeating: 0, count: Postings.blockCount)
  private var counts = [UInt32](repeating: 0, count: Postings.blockCount)
  private var titleCounts = [UInt32](repeating: 0, count: Postings.blockCount)

  /// Calls `body` with each posting, position rising, and its places as gaps in LEB128.
  mutating func forEachPosting(
    of term: Int, in segment: LexicalSegment,
    _ body: (PostingsWriter.Posting, _ occurrences: UnsafeBufferPointer<UInt8>) -> Void
  ) {
    guard segment.count > 0 else { return }
    let list = segment.postings.list(term)
    let bytes = segment.postings.occurrences.buffer
    for block in list.blocks.indices {
      list.positions(of: block, limit: segment.count, into: &positions)
      list.counts(of: block, titleWeight: 1, into: &counts, titles: &titleCounts)
      list.titleCounts(of: block, into: &titleCounts)
      var next = Int(segment.postings.occurrenceStarts[list.firstBlock + block])
      for index in 0..<list.count(of: block) {
        let start = next
        var left = counts[index]
        while left > 0, next < bytes.count {
          if bytes[next] < 0x80 { left -= 1 }
          next += 1
        }
        body(
          PostingsWriter.Posting(position: positions[index], count: counts[index], titleCount: titleCounts[index]),
          UnsafeBufferPointer(rebasing: bytes[min(start, next)..<next]))
      }
    }
  }
}
