// Owns making a tokenizer from what model files hold: GGUF metadata or a `vocab.txt`.

import Foundation
import StrataCore

extension ModelError {
  public static let unsupportedTokenizer = ErrorCode("unsupported_tokenizer", .invalidInput)
}

extension GGUFFile {
  /// The tokenizer that this file describes in `tokenizer.ggml.*`.
  /// - Throws: ``ModelError``: `metadata_missing`, `metadata_invalid`, or `unsupported_tokenizer` with the names that
  ///   are supported.
  /// - Complexity: O(bytes of the vocabulary and merges), some 100 ms for 150,000 tokens.
  public func makeTokenizer() throws(ModelError) -> any Tokenizer { try TokenizerLoader(file: self).load() }
}

/// Makes tokenizers.
public enum Tokenizers {
  /// An uncased BERT tokenizer from its `vocab.txt`: a token per line, `##` before those that continue a word.
  /// - Throws: ``ModelError``: `model_file_unreadable` or `metadata_invalid`.
  public static func wordPiece(
    vocabularyPath path: String, lowercases: Bool = true
  ) throws(ModelError) -> any Tokenizer {
    let data: Data
    do {
      data = try Data(contentsOf: URL(filePath: path))
    } catch {
      throw ModelError(ModelError.fileUnreadable, "The vocabulary cannot be read.", location: path, cause: error)
    }
    var lines = data.split(separator: 0x0A, omittingEmptySubsequences: false)
    if lines.last?.isEmpty == true { lines.removeLast() }
    var table = TokenTable()
    var special = SpecialTokens()
    for (index, line) in lines.enumerated() {
      let bytes = Array(line.last == 0x0D ? line.dropLast() : line)
      let id = Int32(clamping: index)
      let name = String(decoding: bytes, as: UTF8.self)
      switch name {
      case "[PAD]": special.padding = id
      case "[UNK]": special.unknown = id
      case "[CLS]": special.cls = id
      case "[SEP]": special.separator = id
      case "[MASK]": special.mask = id
      default:
        let continues = bytes.starts(with: [0x23, 0x23]) && bytes.count > 2
        let isName = bytes.count > 2 && bytes.first == UInt8(ascii: "[") && bytes.last == UInt8(ascii: "]")
        table.append(
          continues ? Array(bytes.dropFirst(2)) : isName ? bytes : WordPieceTokenizer.wordMark + bytes, kind: .normal)
        continue
      }
      table.append(bytes, kind: .control)
    }
    guard special.unknown != nil, special.cls != nil, special.separator != nil else {
      throw ModelError(
        ModelError.metadataInvalid, "The vocabulary has no [UNK], [CLS] or [SEP].", location: path)
    }
    table.finish()
    special.addsBOS = true
    special.addsEOS = true
    return WordPieceTokenizer(table: table, special: special, folds: lowercases)
  }
}

private struct TokenizerLoader {
  let file: GGUFFile

  func load() throws(ModelError) -> any Tokenizer {
    guard let model = file.string("tokenizer.ggml.model") else { throw missing("tokenizer.ggml.model") }
    switch model {
    case "gpt2": return try loadBytePair()
    case "llama": return try loadSentencePiece()
    case "bert": return try loadWordPiece()
    default:
      throw ModelError(
        ModelError.unsupportedTokenizer, "The tokenizer model `\(model)` is not supported.",
        remedy: "Use a file whose tokenizer is gpt2, llama or bert.", location: "tokenizer.ggml.model")
    }
  }

  private func missing(_ key: String) -> ModelError {
    ModelError(ModelError.metadataMissing, "The file lacks `\(key)`.", location: key)
  }

  private func invalid(_ key: String, _ message: String) -> ModelError {
    ModelError(ModelError.metadataInvalid, message, location: key)
  }

  /// The tokens, each as `transform` writes it from its bytes in the file, or as it is where that gives false.
  private func loadTable(
    _ transform: (UnsafeBufferPointer<UInt8>, TokenKind, inout [UInt8]) -> Bool
  ) throws(ModelError) -> TokenTable {
    let key = "tokenizer.ggml.tokens"
    guard let tokens = file.metadata[key]?.arrayValue, tokens.elementType == .string else { throw missing(key) }
    guard tokens.count > 0, tokens.count <= 1 << 24 else { throw invalid(key, "There are \(tokens.count) tokens.") }
    var kinds: [Int] = []
    if file.metadata["tokenizer.ggml.token_type"] != nil {
      kinds = file.integers("tokenizer.ggml.token_type") ?? []
      guard kinds.count == tokens.count else {
        throw invalid("tokenizer.ggml.token_type", "There are \(kinds.count) types for \(tokens.count) tokens.")
      }
    }
    var table = TokenTable()
    var scratch: [UInt8] = []
    tokens.forEachString { index, utf8 in
      let bytes = utf8.bindMemory(to: UInt8.self)
      let kind = kinds.isEmpty ? .normal : TokenKind(rawValue: UInt8(clamping: kinds[index])) ?? .normal
      scratch.removeAll(keepingCapacity: true)
      if transform(bytes, kind, &scratch) {
        table.append(scratch, kind: kind)
      } else {
        table.append(bytes, kind: kind)
      }
    }
    table.finish()
    return table
  }

  // MARK: Byte pairs

  private func loadBytePair() throws(ModelError) -> any Tokenizer {
    let name = file.string("tokenizer.ggml.pre") ?? "default"
    guard let preTokenizer = PreTokenizer(named: name) else {
      throw ModelError(
        ModelError.unsupportedTokenizer, "The pre-tokenizer `\(name)` is not supported.",
        remedy: "Use a file with one of: \(PreTokenizer.supported.joined(separator: ", ")).",
        location: "tokenizer.ggml.pre")
    }
    let alphabet = ByteAlphabet()
    let table = try loadTable { bytes, kind, output in
      kind != .control && kind != .userDefined && alphabet.decode(bytes, into: &output)
    }
    var isLlama = false
    if case .llama3 = preTokenizer { isLlama = true }
    return BytePairTokenizer(
      table: table, merges: try loadMerges(table), special: try loadSpecial(table, addsBOS: isLlama),
      preTokenizer: preTokenizer, prefersWholeWords: isLlama, composes: name == "qwen2" || name == "deepseek-r1-qwen")
  }

  private func loadMerges(_ table: TokenTable) throws(ModelError) -> PairMerges {
    let key = "tokenizer.ggml.merges"
    guard let rules = file.metadata[key]?.arrayValue, rules.elementType == .string else { throw missing(key) }
    var merges = PairMerges(count: rules.count)
    let alphabet = ByteAlphabet()
    var scratch: [UInt8] = []
    rules.forEachString { rank, utf8 in
      let bytes = utf8.bindMemory(to: UInt8.self)
      scratch.removeAll(keepingCapacity: true)
      guard let gap = bytes.dropFirst().firstIndex(of: 0x20),
        alphabet.decode(UnsafeBufferPointer(rebasing: bytes[..<gap]), into: &scratch)
      else { return }
      let middle = scratch.count
      guard alphabet.decode(UnsafeBufferPointer(rebasing: bytes[(gap + 1)...]), into: &scratch) else { return }
      scratch.withUnsafeBufferPointer { text in
        guard let left = table.id(of: UnsafeBufferPointer(rebasing: text[..<middle])),
          let right = table.id(of: UnsafeBufferPointer(rebasing: text[middle...])), let id = table.id(of: text)
        else { return }
        merges.add(left, right, rank: Int32(truncatingIfNeeded: rank), id: id)
      }
    }
    return merges
  }

  // MARK: Other models

  private func loadSentencePiece() throws(ModelError) -> any Tokenizer {
    let table = try loadTable { _, _, _ in false }
    guard let scores = file.floats("tokenizer.ggml.scores") else { throw missing("tokenizer.ggml.scores") }
    guard scores.count == table.count else {
      throw invalid("tokenizer.ggml.scores", "There are \(scores.count) scores for \(table.count) tokens.")
    }
    return SentencePieceTokenizer(
      table: table, scores: scores, special: try loadSpecial(table, addsBOS: true),
      addsSpacePrefix: file.bool("tokenizer.ggml.add_space_prefix") ?? true)
  }

  private func loadWordPiece() throws(ModelError) -> any Tokenizer {
    let table = try loadTable { _, _, _ in false }
    var special = try loadSpecial(table, addsBOS: true)
    special.cls = special.cls ?? special.bos
    special.addsEOS = file.bool("tokenizer.ggml.add_eos_token") ?? true
    return WordPieceTokenizer(
      table: table, special: special, folds: file.bool("tokenizer.ggml.normalizer.lowercase") ?? true)
  }

  // MARK: Special tokens

  /// Tokens that end a generation under whatever id; the list is llama.cpp's.
  private static let endings = [
    "<|eot_id|>", "<|im_end|>", "<|end|>", "<|return|>", "<|call|>", "<|flush|>", "<|calls|>", "<end_of_turn>",
    "<|endoftext|>", "</s>", "<|eom_id|>", "<EOT>", "_<EOT>", "[EOT]", "[EOS]", "<|end_of_text|>",
    "<end_of_utterance>", "<eos>", "<turn|>", "<｜end▁of▁sentence｜>", "[e~[", "<|fim_pad|>", "<|repo_name|>",
    "<|file_sep|>",
  ]

  private func loadSpecial(_ table: TokenTable, addsBOS: Bool) throws(ModelError) -> SpecialTokens {
    func id(_ name: String) throws(ModelError) -> Int32? {
      let key = "tokenizer.ggml.\(name)"
      guard let value = file.metadata[key] else { return nil }
      guard let id = value.intValue, id >= 0 else { throw invalid(key, "`\(key)` is no token id.") }
      // Writers use 0xFFFFFFFF for "none".
      if id == Int(UInt32.max) { return nil }
      guard id < table.count else { throw invalid(key, "`\(key)` is \(id), but there are \(table.count) tokens.") }
      return Int32(clamping: id)
    }
    var special = SpecialTokens()
    special.bos = try id("bos_token_id")
    special.eos = try id("eos_token_id")
    special.eot = try id("eot_token_id")
    special.unknown = try id("unknown_token_id")
    // The first spelling is what GGUF writers really use.
    special.separator = try id("seperator_token_id")
    if special.separator == nil { special.separator = try id("separator_token_id") }
    special.padding = try id("padding_token_id")
    special.cls = try id("cls_token_id")
    special.mask = try id("mask_token_id")
    special.addsBOS = file.bool("tokenizer.ggml.add_bos_token") ?? addsBOS
    special.addsEOS = file.bool("tokenizer.ggml.add_eos_token") ?? false
    var endings = [special.eos, special.eot, try id("eom_token_id")].compactMap { $0 }
    for text in Self.endings {
      // Only real control tokens: a base vocabulary may hold "</s>" as ordinary text.
      if let id = table.id(of: Array(text.utf8)), table.kind(of: id) == .control { endings.append(id) }
    }
    special.endOfGeneration = Set(endings)
    return special
  }
}
