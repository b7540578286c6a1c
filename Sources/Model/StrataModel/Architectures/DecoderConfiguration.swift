// Owns the vocabulary for the shape of a decoder. Knows nothing about files, weights or computing.
import StrataCore

/// How positions beyond the trained context are squeezed into it.
public enum RopeScaling: Sendable, Hashable {
  case none
  /// Positions are divided by `factor` (Chen et al. 2023, Position Interpolation).
  case linear(factor: Double)
  /// Low frequencies are interpolated, high ones kept (Peng et al. 2023, YaRN, section 3).
  case yarn(factor: Double, originalContextLength: Int, betaFast: Double, betaSlow: Double)
  /// Each frequency has a divisor of its own, from one list for contexts up to the original length and another for
  /// longer ones (Ding et al. 2024, LongRoPE). The file's tensors hold the lists.
  case long(originalContextLength: Int)
}

/// Which values of a head rotate together.
public enum RopeStyle: Sendable, Hashable {
  /// (0, 1), (2, 3), …: files of the llama family are permuted for this.
  case interleaved
  /// (0, d/2), (1, d/2 + 1), …
  case halves
}

/// Rotary position embedding (Su et al. 2021, RoFormer).
public struct RopeConfiguration: Sendable, Hashable {
  /// The first values of a head that rotate; even.
  public var dimension: Int
  public var style: RopeStyle
  public var base: Double
  public var scaling: RopeScaling
  /// What cosines and sines are multiplied by.
  public var magnitude: Double
}

/// What a layer's attention sees of positions.
public struct LayerAttention: Sendable, Hashable {
  public enum Rotation: Sendable, Hashable {
    /// Order is known from the causal mask alone (Kazemnejad et al. 2023, NoPE).
    case none
    /// By ``DecoderConfiguration/rope``.
    case global
    /// By ``DecoderConfiguration/localRope``.
    case local
  }

  /// The latest positions that a token sees, its own among them; nil: all.
  public var window: Int?
  public var rotation: Rotation
}

/// What the gate of a feed-forward network goes through (Shazeer 2020, GLU variants).
public enum GateActivation: Sendable, Hashable {
  case silu
  /// In the tanh form.
  case gelu
}

/// The shape of a decoder-only transformer.
public struct DecoderConfiguration: Sendable, Hashable {
  public var architecture: String
  /// `general.name`, or empty.
  public var name: String
  public var embeddingLength: Int
  public var feedForwardLength: Int
  public var headCount: Int
  /// Query heads share key-value heads in groups (Ainslie et al. 2023, GQA); divides `headCount`.
  public var keyValueHeadCount: Int
  public var headDimension: Int
  /// One per layer, the first layer's first.
  public var layers: [LayerAttention]
  public var rope: RopeConfiguration
  /// Of the layers that say so.
  public var localRope: RopeConfiguration
  public var rmsEpsilon: Float
  public var activation: GateActivation
  /// Queries and keys are normalized head by head before they rotate (Henry et al. 2020, QK-norm).
  public var normalizesHeads: Bool
  /// What attention and feed-forward give is normalized before it joins the residual stream.
  public var normalizesOutputs: Bool
  /// What embeddings are multiplied by.
  public var embeddingScale: Float
  /// What products of queries and keys are multiplied by.
  public var attentionScale: Float
  /// Scores of attention are squeezed into ±this by tanh.
  public var attentionSoftcap: Float?
  /// Logits are squeezed into ±this by tanh.
  public var logitSoftcap: Float?
  /// Most positions of one sequence.
  public var contextLength: Int
  public var vocabularySize: Int
  /// The output layer is the embedding table.
  public var hasTiedEmbeddings: Bool
  public var parameterCount: Int

  public var layerCount: Int { layers.count }
  /// Values of all query heads together.
  public var queryLength: Int { headCount * headDimension }
  /// Values of all key heads together; those of all value heads are as many.
  public var keyLength: Int { keyValueHeadCount * headDimension }
}
