// SPDX-License-Identifier: Apache-2.0
import Tensors

/// Self-attention, cross-attention to the prompt, gated feed-forward: `diffusers.BasicTransformerBlock`.
struct TransformerBlock: Sendable {
    struct Saved: Sendable {
        let norm1: LayerNorm.Saved, selfAttention: Attention.Saved
        let norm2: LayerNorm.Saved, crossAttention: Attention.Saved
        let feedForward: FeedForward.Saved
    }

    private let norm1: LayerNorm, norm2: LayerNorm
    private let selfProjections: Projections, crossProjections: Projections
    private let attention: Attention
    private let feedForward: FeedForward

    private struct Projections: Sendable {
        let query: Linear, key: Linear, value: Linear, output: Linear

        init(_ parameters: Parameters, width: Int, context: Int) throws {
            query = try (parameters / "to_q").linear(inputs: width, outputs: width, bias: false)
            key = try (parameters / "to_k").linear(inputs: context, outputs: width, bias: false)
            value = try (parameters / "to_v").linear(inputs: context, outputs: width, bias: false)
            output = try (parameters / "to_out" / 0).linear(inputs: width, outputs: width)
        }
    }

    init(_ parameters: Parameters, width: Int, heads: Int, contextWidth: Int) throws {
        norm1 = try (parameters / "norm1").layerNorm(width: width, epsilon: 1e-5)
        selfProjections = try Projections(parameters / "attn1", width: width, context: width)
        norm2 = try (parameters / "norm2").layerNorm(width: width, epsilon: 1e-5)
        crossProjections = try Projections(parameters / "attn2", width: width, context: contextWidth)
        feedForward = try FeedForward(parameters, width: width)
        attention = Attention(heads: heads, precision: parameters.precision)
    }

    /// [N, T, width] with the prompt [N, 77, contextWidth] -> [N, T, width].
    func forward(_ input: Tensor, context: Tensor, saving saved: inout Saved?) -> Tensor {
        var (kept1, kept2): (LayerNorm.Saved?, LayerNorm.Saved?)
        var (keptSelf, keptCross): (Attention.Saved?, Attention.Saved?)
        var keptFeedForward: FeedForward.Saved?
        var normal = norm1.forward(input, saving: &kept1)
        var p = selfProjections
        let seen = attention.forward(
            query: p.query.forward(normal), key: p.key.forward(normal), value: p.value.forward(normal), saving: &keptSelf)
        let first = p.output.forward(seen, adding: input)
        normal = norm2.forward(first, saving: &kept2)
        p = crossProjections
        let read = attention.forward(
            query: p.query.forward(normal), key: p.key.forward(context), value: p.value.forward(context), saving: &keptCross)
        let second = p.output.forward(read, adding: first)
        let output = feedForward.forward(second, saving: &keptFeedForward)
        if let kept1, let kept2, let keptSelf, let keptCross, let keptFeedForward {
            saved = Saved(
                norm1: kept1, selfAttention: keptSelf, norm2: kept2, crossAttention: keptCross, feedForward: keptFeedForward)
        }
        return output
    }

    /// dL/d input (nil when not asked for); dL/d context is added to `contextGradient` [N, 77, contextWidth].
    func inputGradient(_ outputGradient: Tensor, _ saved: Saved, contextGradient: inout Tensor?, needsInput: Bool) -> Tensor? {
        let second = feedForward.inputGradient(outputGradient, saved.feedForward)
        var p = crossProjections
        let cross = attention.inputGradients(p.output.inputGradient(second), saved.crossAttention, needsQuery: needsInput)
        contextGradient = p.key.inputGradient(cross.key, adding: p.value.inputGradient(cross.value, adding: contextGradient))
        guard needsInput, let query = cross.query else { return nil }
        let first = Addition.forward(second, norm2.inputGradient(p.query.inputGradient(query), saved.norm2))
        p = selfProjections
        let own = attention.inputGradients(p.output.inputGradient(first), saved.selfAttention)
        var normal = p.key.inputGradient(own.key, adding: p.value.inputGradient(own.value))
        if let query = own.query { normal = p.query.inputGradient(query, adding: normal) }
        return Addition.forward(first, norm1.inputGradient(normal, saved.norm1))
    }
}

/// Transformer blocks over the pixels of a feature map, with a skip connection: `diffusers.Transformer2DModel`.
struct SpatialTransformer: Sendable {
    struct Saved: Sendable {
        let norm: GroupNorm.Saved
        let blocks: [TransformerBlock.Saved]
    }

    private let norm: GroupNorm
    private let projectIn: Linear, projectOut: Linear
    private let blocks: [TransformerBlock]

    /// - Parameter linearProjection: Stable Diffusion 2 stores the projections as linear layers, 1 as 1x1 convolutions.
    init(_ parameters: Parameters, channels: Int, heads: Int, depth: Int, contextWidth: Int, groups: Int, linearProjection: Bool) throws {
        func projection(_ name: String) throws -> Linear {
            let place = parameters / name
            return linearProjection
                ? try place.linear(inputs: channels, outputs: channels) : try place.pointwise(inputs: channels, outputs: channels)
        }
        norm = try (parameters / "norm").groupNorm(channels: channels, groups: groups, epsilon: 1e-6)
        projectIn = try projection("proj_in")
        blocks = try (0..<depth).map {
            try TransformerBlock(parameters / "transformer_blocks" / $0, width: channels, heads: heads, contextWidth: contextWidth)
        }
        projectOut = try projection("proj_out")
    }

    /// [N, H, W, C] -> [N, H, W, C].
    func forward(_ input: Tensor, context: Tensor, saving saved: inout Saved?) -> Tensor {
        var keptNorm: GroupNorm.Saved?
        let (samples, tokens) = (input.shape[0], input.shape[1] * input.shape[2])
        var hidden = projectIn.forward(norm.forward(input, saving: &keptNorm)).reshaped([samples, tokens, input.width])
        var keptBlocks: [TransformerBlock.Saved] = []
        for block in blocks {
            var kept: TransformerBlock.Saved?
            hidden = block.forward(hidden, context: context, saving: &kept)
            if let kept { keptBlocks.append(kept) }
        }
        saved = keptNorm.map { Saved(norm: $0, blocks: keptBlocks) }
        return projectOut.forward(hidden.reshaped(input.shape), adding: input)
    }

    /// dL/d input; nil when not asked for, and then the work stops at the first block's prompt.
    func inputGradient(_ outputGradient: Tensor, _ saved: Saved, contextGradient: inout Tensor?, needsInput: Bool) -> Tensor? {
        let shape = outputGradient.shape
        var gradient = projectOut.inputGradient(outputGradient).reshaped([shape[0], shape[1] * shape[2], shape[3]])
        for (index, block) in blocks.enumerated().reversed() {
            let needed = needsInput || index > 0
            guard let next = block.inputGradient(gradient, saved.blocks[index], contextGradient: &contextGradient, needsInput: needed)
            else {
                return nil
            }
            gradient = next
        }
        return Addition.forward(outputGradient, norm.inputGradient(projectIn.inputGradient(gradient.reshaped(shape)), saved.norm))
    }
}
