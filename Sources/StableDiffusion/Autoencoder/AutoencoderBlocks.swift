// SPDX-License-Identifier: Apache-2.0
import Tensors

/// Self-attention over all pixels with one head: the `Attention` of diffusers' `UNetMidBlock2D`.
struct PixelAttention: Sendable {
    private let norm: GroupNorm
    private let query: Linear, key: Linear, value: Linear, output: Linear

    init(_ parameters: Parameters, channels: Int, groups: Int) throws {
        // Files older than diffusers 0.18 use the second names.
        func linear(_ name: String, _ old: String) throws -> Linear {
            let place = (parameters / name).holds("weight") || !(parameters / old).holds("weight") ? parameters / name : parameters / old
            return try place.linear(inputs: channels, outputs: channels)
        }
        norm = try (parameters / "group_norm").groupNorm(channels: channels, groups: groups, epsilon: 1e-6)
        query = try linear("to_q", "query")
        key = try linear("to_k", "key")
        value = try linear("to_v", "value")
        output = try linear("to_out.0", "proj_attn")
    }

    func forward(_ input: Tensor) -> Tensor {
        let tokens = norm.forward(input).reshaped([input.shape[0], input.shape[1] * input.shape[2], input.width])
        let seen = Attention(heads: 1).forward(query: query.forward(tokens), key: key.forward(tokens), value: value.forward(tokens))
        return output.forward(seen.reshaped(input.shape), adding: input)
    }
}

/// Residual block, attention, residual block: the middle of encoder and decoder.
struct AutoencoderMiddle: Sendable {
    private let first: ResidualBlock, second: ResidualBlock
    private let attention: PixelAttention

    init(_ parameters: Parameters, channels: Int, groups: Int) throws {
        func block(_ index: Int) throws -> ResidualBlock {
            try ResidualBlock(
                parameters / "resnets" / index, inputs: channels, outputs: channels, timeWidth: nil, groups: groups, epsilon: 1e-6)
        }
        first = try block(0)
        attention = try PixelAttention(parameters / "attentions" / 0, channels: channels, groups: groups)
        second = try block(1)
    }

    func forward(_ input: Tensor) -> Tensor { second.forward(attention.forward(first.forward(input))) }
}
