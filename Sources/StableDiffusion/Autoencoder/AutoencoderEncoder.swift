// SPDX-License-Identifier: Apache-2.0
package import Tensors

/// The distribution of the latents of pictures: a normal distribution for each latent, before scaling.
package struct LatentMoments: Sendable {
    /// [N, h, w, 4].
    package let mean: Tensor, logVariance: Tensor

    package init(mean: Tensor, logVariance: Tensor) {
        self.mean = mean
        self.logVariance = logVariance
    }

    /// (mean + deviation * noise) * scalingFactor; without noise the mean.
    package func latents(noise: Tensor?, scalingFactor: Float) -> Tensor {
        Tensor(shape: mean.shape) { out in
            mean.withValues { mean in
                logVariance.withValues { logVariance in
                    for i in out.indices { out[i] = mean[i] * scalingFactor }
                    noise?.withValues { noise in
                        for i in out.indices { out[i] += deviation(logVariance[i]) * noise[i] * scalingFactor }
                    }
                }
            }
        }
    }

    private func deviation(_ logVariance: Float) -> Float { exponential(0.5 * min(max(logVariance, -30), 20)) }
}

/// The half of `diffusers.AutoencoderKL` that turns pictures into latents (Kingma & Welling 2013, arXiv 1312.6114).
package struct AutoencoderEncoder: Sendable {
    private let convolutionIn: Convolution, convolutionOut: Convolution
    private let levels: [(blocks: [ResidualBlock], downsample: Convolution?)]
    private let middle: AutoencoderMiddle
    private let normOut: GroupNorm
    private let quantConvolution: Linear?

    package init(_ configuration: AutoencoderConfiguration, _ root: Parameters) throws {
        let parameters = root / "encoder"
        let (channels, groups) = (configuration.channels, configuration.groups)
        convolutionIn = try (parameters / "conv_in").convolution(inputs: 3, outputs: channels[0], kernel: 3, padding: Padding(1))
        levels = try channels.indices.map { index in
            let place = parameters / "down_blocks" / index
            let blocks = try (0..<configuration.layers).map { layer in
                let inputs = layer == 0 ? channels[max(0, index - 1)] : channels[index]
                return try ResidualBlock(
                    place / "resnets" / layer, inputs: inputs, outputs: channels[index], timeWidth: nil, groups: groups, epsilon: 1e-6)
            }
            guard index + 1 < channels.count else { return (blocks, nil) }
            let downsample = try (place / "downsamplers" / 0 / "conv").convolution(
                inputs: channels[index], outputs: channels[index], kernel: 3, stride: 2,
                padding: Padding(top: 0, left: 0, bottom: 1, right: 1))
            return (blocks, downsample)
        }
        let last = channels[channels.count - 1], outputs = 2 * configuration.latentChannels
        middle = try AutoencoderMiddle(parameters / "mid_block", channels: last, groups: groups)
        normOut = try (parameters / "conv_norm_out").groupNorm(channels: last, groups: groups, epsilon: 1e-6, activation: .silu)
        convolutionOut = try (parameters / "conv_out").convolution(inputs: last, outputs: outputs, kernel: 3, padding: Padding(1))
        quantConvolution = configuration.hasQuantConvolution ? try (root / "quant_conv").pointwise(inputs: outputs, outputs: outputs) : nil
    }

    /// Pictures [N, H, W, 3] from -1 to 1 -> moments [N, H/8, W/8, 4].
    package func forward(_ pictures: Tensor) -> LatentMoments {
        var hidden = convolutionIn.forward(pictures)
        for level in levels {
            for block in level.blocks { hidden = block.forward(hidden) }
            if let downsample = level.downsample { hidden = downsample.forward(hidden) }
        }
        hidden = convolutionOut.forward(normOut.forward(middle.forward(hidden)))
        if let quantConvolution { hidden = quantConvolution.forward(hidden) }
        let parts = Concatenation.inputGradients(hidden, firstWidth: hidden.width / 2)
        return LatentMoments(mean: parts.first, logVariance: parts.second)
    }
}
