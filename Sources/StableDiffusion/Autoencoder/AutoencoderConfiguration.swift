// SPDX-License-Identifier: Apache-2.0

/// What an autoencoder's `config.json` says.
package struct AutoencoderConfiguration: Sendable {
    package let channels: [Int]
    package let layers: Int, groups: Int, latentChannels: Int
    package let scalingFactor: Float
    package let hasQuantConvolution: Bool, hasPostQuantConvolution: Bool

    package init(path: String) throws {
        let file = try Configuration(path: path)
        for (key, value) in [
            ("act_fn", "silu"), ("latents_mean", "null"), ("latents_std", "null"), ("shift_factor", "null"),
            ("mid_block_add_attention", "true"),
        ] { try file.require(key, is: value) }
        channels = try file.integers("block_out_channels")
        for (key, kind) in [("down_block_types", "DownEncoderBlock2D"), ("up_block_types", "UpDecoderBlock2D")] {
            for name in try file.texts(key, count: channels.count...channels.count) where name != kind {
                throw file.failure("\(key) holds \(name); this version supports \(kind)")
            }
        }
        layers = try file.integer("layers_per_block", default: 1, in: 1...64)
        groups = try file.integer("norm_num_groups", default: 32)
        latentChannels = try file.integer("latent_channels", default: 4)
        guard latentChannels == 4 else { throw file.failure("latent_channels is \(latentChannels); this version supports 4") }
        for count in channels where count % groups != 0 {
            throw file.failure("\(count) channels do not divide by norm_num_groups \(groups)")
        }
        scalingFactor = Float(try file.number("scaling_factor", default: 0.18215))
        hasQuantConvolution = try file.flag("use_quant_conv", default: true)
        hasPostQuantConvolution = try file.flag("use_post_quant_conv", default: true)
    }

    /// How many pixels one latent stands for along each side.
    package var reduction: Int { 1 << (channels.count - 1) }
}
