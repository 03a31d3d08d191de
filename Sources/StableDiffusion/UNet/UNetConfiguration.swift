// SPDX-License-Identifier: Apache-2.0

/// What a UNet's `config.json` says.
///
/// Nothing is assumed about sizes.
package struct UNetConfiguration: Sendable {
    package struct Level: Sendable {
        package let channels: Int, layers: Int
        package let heads: Int, transformerDepth: Int
        package let hasCrossAttention: Bool
    }

    package let inputChannels: Int, outputChannels: Int
    /// The side of the latents that the model was made for.
    package let sampleSize: Int
    package let levels: [Level]
    /// Levels of the way up, from the lowest resolution.
    package let upHasCrossAttention: [Bool]
    package let contextWidth: Int
    package let groups: Int
    package let epsilon: Float
    package let linearProjection: Bool
    package let flipSinToCos: Bool
    package let frequencyShift: Float

    package init(path: String) throws {
        let file = try Configuration(path: path)
        for (key, value) in [
            ("act_fn", "silu"), ("addition_embed_type", "null"), ("class_embed_type", "null"), ("encoder_hid_dim_type", "null"),
            ("center_input_sample", "false"), ("resnet_time_scale_shift", "default"), ("conv_in_kernel", "3"), ("conv_out_kernel", "3"),
            ("dual_cross_attention", "false"), ("only_cross_attention", "false"), ("time_embedding_type", "positional"),
            ("attention_type", "default"), ("mid_block_type", "UNetMidBlock2DCrossAttn"), ("downsample_padding", "1"),
            ("time_embedding_dim", "null"), ("time_embedding_act_fn", "null"), ("timestep_post_act", "null"), ("num_class_embeds", "null"),
        ] { try file.require(key, is: value) }
        let channels = try file.integers("block_out_channels")
        let count = channels.count
        let down = try file.texts("down_block_types", count: count...count), up = try file.texts("up_block_types", count: count...count)
        // In diffusers' files `attention_head_dim` means the number of heads unless `num_attention_heads` is there.
        let headKey = (try? file.integers("num_attention_heads", repeating: count)) == nil ? "attention_head_dim" : "num_attention_heads"
        let heads = try file.integers(headKey, repeating: count, default: 8)
        let depth = try file.integers("transformer_layers_per_block", repeating: count, default: 1)
        let layers = try file.integers("layers_per_block", repeating: count, default: 2)
        levels = try (0..<count).map { index in
            guard ["CrossAttnDownBlock2D", "DownBlock2D"].contains(down[index]) else {
                throw file.failure("down_block_types holds \(down[index]); this version supports CrossAttnDownBlock2D and DownBlock2D")
            }
            guard ["CrossAttnUpBlock2D", "UpBlock2D"].contains(up[index]) else {
                throw file.failure("up_block_types holds \(up[index]); this version supports CrossAttnUpBlock2D and UpBlock2D")
            }
            guard channels[index] % heads[index] == 0 else {
                throw file.failure("\(channels[index]) channels do not divide by \(heads[index]) heads (block_out_channels, \(headKey))")
            }
            return Level(
                channels: channels[index], layers: layers[index], heads: heads[index], transformerDepth: depth[index],
                hasCrossAttention: down[index] == "CrossAttnDownBlock2D")
        }
        upHasCrossAttention = up.map { $0 == "CrossAttnUpBlock2D" }
        inputChannels = try file.integer("in_channels", default: 4)
        outputChannels = try file.integer("out_channels", default: 4)
        guard inputChannels == 4 && outputChannels == 4 else {
            throw file.failure(
                "in_channels \(inputChannels), out_channels \(outputChannels); this version supports 4 and 4 (no inpainting models)")
        }
        sampleSize = try file.integer("sample_size", default: 64, in: 1...1024)
        contextWidth = try file.integers("cross_attention_dim", repeating: 1)[0]
        groups = try file.integer("norm_num_groups", default: 32)
        for level in levels where level.channels % groups != 0 {
            throw file.failure("\(level.channels) channels do not divide by norm_num_groups \(groups)")
        }
        epsilon = Float(try file.number("norm_eps", default: 1e-5))
        linearProjection = try file.flag("use_linear_projection", default: false)
        flipSinToCos = try file.flag("flip_sin_to_cos", default: true)
        frequencyShift = Float(try file.number("freq_shift", default: 0))
    }
}
