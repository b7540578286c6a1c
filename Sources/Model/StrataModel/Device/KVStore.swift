// Owns the memory of keys and values: pages that the sequences of one model take, share and give back. Who has which
// page is not known here.
import StrataCore

/// How keys and values are kept. Attention computes in floats, except that processors with AVX-512 BF16 multiply pairs
/// of bfloat16 for ``bf16``. Perplexities below are of 508 tokens of wikitext-2 each, relative to ``f16``.
public enum KVType: String, Sendable, Hashable, CaseIterable {
  /// IEEE half: 2 bytes a value.
  case f16
  /// bfloat16: 2 bytes a value, of larger range and an eighth of the precision of half; the fastest to read a prompt
  /// with where the processor has AVX-512 BF16. Perplexity changes by at most 0.2 % (SmolLM2, Qwen2.5, Gemma 3).
  case bf16
  /// 8 bits a value and one scale per position, head, and keys or values: about half the memory of the others.
  /// Perplexity changes by −0.2 % (SmolLM2), 1.6 % (Gemma 3) and 3.4 % (Qwen2.5, whose keys have outliers).
  case q8
}

/// Keys and values of many sequences in all layers of a model, in pages of ``positionsPerPage`` positions (Kwon et al.,
/// "Efficient Memory Management for Large Language Model Serving with PagedAttention", 2023). Memory is reserved at
/// once and taken from the system as pages are written.
///
/// The store is memory and nothing else: whoever schedules decides which pages a ``KVCache`` has, and that nobody
/// writes a page that is shared.
public final class KVStore: @unchecked Sendable {
  // Unchecked: the handle never changes, and owners of different pages do not touch the same memory.
  let handle: OpaquePointer
  public let pageCount: Int
  public let type: KVType
  /// Bytes that one page takes in all layers.
  public let bytesPerPage: Int
  /// Layers, heads and head size, which caches of other models do not have in common.
  let shape: [Int]

  /// A device may lay a page out as it likes, but not change how many positions it holds.
  public static let positionsPerPage = 16
  private let device: any Device

  init(
    handle: OpaquePointer, shape: [Int], pageCount: Int, type: KVType, bytesPerPage: Int, device: any Device
  ) {
    self.handle = handle
    self.shape = shape
    self.pageCount = pageCount
    self.type = type
    self.bytesPerPage = bytesPerPage
    self.device = device
  }

  deinit { device.release(store: handle) }

  /// Pages that hold `positions` positions.
  public static func pages(for positions: Int) -> Int { (positions + positionsPerPage - 1) / positionsPerPage }

  /// Copies a page of all layers, as a sequence does before it writes to one that it shares.
  /// - Throws: ``ModelError`` `invalid_argument` when there is no such page, or `source` is a store of another shape
  ///   or type.
  package func copyPage(_ page: Int32, of source: KVStore? = nil, to target: Int32) throws(ModelError) {
    guard device.copyPage(page, of: source ?? self, to: target, of: self) else {
      throw ModelError(
        ModelError.invalidArgument, "Page \(page) cannot be copied to page \(target) of \(pageCount).",
        remedy: "Copy between stores of one model and type, and only pages that they have.")
    }
  }

  /// Gives the memory of pages that nobody reads any more back to the system; they may be written again.
  package func release(_ pages: Range<Int32>) {
    device.release(pages: pages, of: self)
  }
}
