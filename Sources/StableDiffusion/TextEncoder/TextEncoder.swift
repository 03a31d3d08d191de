// SPDX-License-Identifier: Apache-2.0
package import Tensors

/// What a CLIP text encoder's `config.json` says.
package struct TextEncoderConfiguration: Sendable {
    package let vocabularySize: Int, width: Int, intermediateWidth: Int, layers: Int, heads: Int, maximumLength: Int
    package let activation: Activation
    package let epsilon: Float

    package init(path: String) throws {
        let file = try Configuration(path: path)
        vocabularySize = try file.integer("vocab_size")
        width = try file.integer("hidden_size")
        intermediateWidth = try file.integer("intermediate_size")
        layers = try file.integer("num_hidden_layers", in: 1...200)
        heads = try file.integer("num_attention_heads")
        maximumLength = try file.integer("max_position_embeddings", default: 77)
        epsilon = Float(try file.number("layer_norm_eps", default: 1e-5))
        let name = try file.text("hidden_act", default: "quick_gelu")
        guard let activation = Activation(rawValue: name), activation != .none, activation != .silu else {
            throw file.failure("hidden_act is \(name); this version supports quick_gelu and gelu")
        }
        self.activation = activation
        guard width % heads == 0 else { throw file.failure("hidden_size \(width) does not divide by num_attention_heads \(heads)") }
    }
}

/// CLIP's text transformer as Stable Diffusion uses it: token ids to the last hidden state after the final layer norm.
///
/// Radford et al. 2021 (arXiv 2103.00020); `transformers.CLIPTextModel`. Token ids at or above `vocabularySize` stand for rows of the
/// pseudo-word, the only input that has a gradient.
package struct TextEncoder: Sendable {
    package struct Saved: Sendable {
        fileprivate let indices: [Int]
        fileprivate let layers: [EncoderLayer.Saved]
        fileprivate let finalNorm: LayerNorm.Saved
    }

    package let configuration: TextEncoderConfiguration
    package let embedding: Embedding
    private let positions: Weight
    private let layers: [EncoderLayer]
    private let finalNorm: LayerNorm

    package init(_ configuration: TextEncoderConfiguration, _ root: Parameters) throws {
        // Files written by transformers before version 5 have the prefix.
        let parameters = root.holds("text_model.final_layer_norm.weight") ? root / "text_model" : root
        let embeddings = parameters / "embeddings"
        self.configuration = configuration
        embedding = Embedding(
            table: try (embeddings / "token_embedding").weight("weight", [configuration.vocabularySize, configuration.width]))
        positions = try (embeddings / "position_embedding").weight("weight", [configuration.maximumLength, configuration.width])
        layers = try (0..<configuration.layers).map { try EncoderLayer(configuration, parameters / "encoder" / "layers" / $0) }
        finalNorm = try (parameters / "final_layer_norm").layerNorm(width: configuration.width, epsilon: configuration.epsilon)
    }

    package var width: Int { configuration.width }

    /// [N] prompts of T token ids -> encoderHiddenStates [N, T, C].
    ///
    /// - Parameter learned: the pseudo-word's vectors [V, C]; id `vocabularySize + j` stands for row j.
    package func forward(_ tokens: [[Int]], learned: Tensor? = nil) -> Tensor {
        var saved: Saved?
        return forward(tokens, learned: learned, saving: &saved)
    }

    package func forward(_ tokens: [[Int]], learned: Tensor?, saving saved: inout Saved?) -> Tensor {
        let length = tokens.first?.count ?? 0
        precondition(
            length <= configuration.maximumLength && tokens.allSatisfy { $0.count == length }, "prompts of \(tokens.map(\.count)) tokens")
        let indices = tokens.flatMap(\.self)
        let places = Embedding(table: positions).forward(tokens.flatMap { $0.indices }, learned: nil)
        var hidden = Addition.forward(embedding.forward(indices, learned: learned), places).reshaped([tokens.count, length, width])
        var kept: [EncoderLayer.Saved] = []
        for layer in layers { hidden = layer.forward(hidden, saving: &kept) }
        var norm: LayerNorm.Saved?
        let result = finalNorm.forward(hidden, saving: &norm)
        saved = norm.map { Saved(indices: indices, layers: kept, finalNorm: $0) }
        return result
    }

    /// dL/d learned [V, C] from dL/d encoderHiddenStates [N, T, C].
    package func learnedGradient(_ outputGradient: Tensor, _ saved: Saved, vectors: Int) -> Tensor {
        var gradient = finalNorm.inputGradient(outputGradient, saved.finalNorm)
        for (layer, kept) in zip(layers, saved.layers).reversed() { gradient = layer.inputGradient(gradient, kept) }
        return embedding.learnedGradient(gradient, indices: saved.indices, learnedRows: vectors)
    }
}

/// One pre-norm transformer layer: causal self-attention, then a two-layer perceptron.
struct EncoderLayer: Sendable {
    struct Saved: Sendable {
        let norm1: LayerNorm.Saved, attention: Attention.Saved, norm2: LayerNorm.Saved
        let beforeActivation: Tensor
    }

    private let norm1: LayerNorm, norm2: LayerNorm
    private let query: Linear, key: Linear, value: Linear, output: Linear
    private let widen: Linear, narrow: Linear
    private let attention: Attention
    private let activation: Activation

    init(_ configuration: TextEncoderConfiguration, _ parameters: Parameters) throws {
        let (width, inner) = (configuration.width, configuration.intermediateWidth)
        let attentionParameters = parameters / "self_attn"
        norm1 = try (parameters / "layer_norm1").layerNorm(width: width, epsilon: configuration.epsilon)
        query = try (attentionParameters / "q_proj").linear(inputs: width, outputs: width)
        key = try (attentionParameters / "k_proj").linear(inputs: width, outputs: width)
        value = try (attentionParameters / "v_proj").linear(inputs: width, outputs: width)
        output = try (attentionParameters / "out_proj").linear(inputs: width, outputs: width)
        norm2 = try (parameters / "layer_norm2").layerNorm(width: width, epsilon: configuration.epsilon)
        widen = try (parameters / "mlp" / "fc1").linear(inputs: width, outputs: inner)
        narrow = try (parameters / "mlp" / "fc2").linear(inputs: inner, outputs: width)
        attention = Attention(heads: configuration.heads, isCausal: true)
        activation = configuration.activation
    }

    func forward(_ input: Tensor, saving saved: inout [Saved]) -> Tensor {
        var (kept1, kept2): (LayerNorm.Saved?, LayerNorm.Saved?)
        var keptAttention: Attention.Saved?
        let normal = norm1.forward(input, saving: &kept1)
        let attended = attention.forward(
            query: query.forward(normal), key: key.forward(normal), value: value.forward(normal), saving: &keptAttention)
        let middle = output.forward(attended, adding: input)
        let inner = widen.forward(norm2.forward(middle, saving: &kept2))
        if let kept1, let kept2, let keptAttention {
            saved.append(Saved(norm1: kept1, attention: keptAttention, norm2: kept2, beforeActivation: inner))
        }
        return narrow.forward(activation.forward(inner), adding: middle)
    }

    func inputGradient(_ outputGradient: Tensor, _ saved: Saved) -> Tensor {
        let inner = activation.inputGradient(narrow.inputGradient(outputGradient), input: saved.beforeActivation)
        let middle = Addition.forward(outputGradient, norm2.inputGradient(widen.inputGradient(inner), saved.norm2))
        let (q, k, v) = attention.inputGradients(output.inputGradient(middle), saved.attention)
        var normal = value.inputGradient(v)
        normal = key.inputGradient(k, adding: normal)
        if let q { normal = query.inputGradient(q, adding: normal) }
        return Addition.forward(middle, norm1.inputGradient(normal, saved.norm1))
    }
}
