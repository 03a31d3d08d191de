// SPDX-License-Identifier: Apache-2.0
package import Tensors

/// The half of `diffusers.AutoencoderKL` that turns latents into pictures.
package struct AutoencoderDecoder: Sendable {
    private let postQuantConvolution: Linear?
    private let convolutionIn: Convolution, convolutionOut: Convolution
    private let middle: AutoencoderMiddle
    private let levels: [(blocks: [ResidualBlock], upsample: Convolution?)]
    private let normOut: GroupNorm
    private let scalingFactor: Float

    package init(_ configuration: AutoencoderConfiguration, _ root: Parameters) throws {
        let parameters = root / "decoder"
        let channels = Array(configuration.channels.reversed()), groups = configuration.groups, latent = configuration.latentChannels
        scalingFactor = configuration.scalingFactor
        postQuantConvolution =
            configuration.hasPostQuantConvolution ? try (root / "post_quant_conv").pointwise(inputs: latent, outputs: latent) : nil
        convolutionIn = try (parameters / "conv_in").convolution(inputs: latent, outputs: channels[0], kernel: 3, padding: Padding(1))
        middle = try AutoencoderMiddle(parameters / "mid_block", channels: channels[0], groups: groups)
        levels = try channels.indices.map { index in
            let place = parameters / "up_blocks" / index
            let blocks = try (0...configuration.layers).map { layer in
                let inputs = layer == 0 ? channels[max(0, index - 1)] : channels[index]
                return try ResidualBlock(
                    place / "resnets" / layer, inputs: inputs, outputs: channels[index], timeWidth: nil, groups: groups, epsilon: 1e-6)
            }
            guard index + 1 < channels.count else { return (blocks, nil) }
            let upsample = try (place / "upsamplers" / 0 / "conv").convolution(
                inputs: channels[index], outputs: channels[index], kernel: 3, padding: Padding(1))
            return (blocks, upsample)
        }
        let last = channels[channels.count - 1]
        normOut = try (parameters / "conv_norm_out").groupNorm(channels: last, groups: groups, epsilon: 1e-6, activation: .silu)
        convolutionOut = try (parameters / "conv_out").convolution(inputs: last, outputs: 3, kernel: 3, padding: Padding(1))
    }

    /// Scaled latents [N, h, w, 4] -> pictures [N, 8 h, 8 w, 3], about from -1 to 1.
    package func forward(_ latents: Tensor) -> Tensor {
        let unscaled = Tensor(shape: latents.shape) { out in
            latents.withValues { values in for i in out.indices { out[i] = values[i] / scalingFactor } }
        }
        var hidden = middle.forward(convolutionIn.forward(postQuantConvolution?.forward(unscaled) ?? unscaled))
        for level in levels {
            for block in level.blocks { hidden = block.forward(hidden) }
            if let upsample = level.upsample {
                hidden = upsample.forward(NearestUpsampling.forward(hidden, height: hidden.shape[1] * 2, width: hidden.shape[2] * 2))
            }
        }
        return convolutionOut.forward(normOut.forward(hidden))
    }
}
