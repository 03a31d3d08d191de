// SPDX-License-Identifier: Apache-2.0
import Tensors

/// Two normalised convolutions around a skip connection: `diffusers.ResnetBlock2D`.
///
/// In the UNet the time embedding is added between them; the autoencoder has none.
struct ResidualBlock: Sendable {
    struct Saved: Sendable {
        let norm1: GroupNorm.Saved, norm2: GroupNorm.Saved
        let inputShape: [Int], middleShape: [Int]
    }

    private let norm1: GroupNorm, norm2: GroupNorm
    private let convolution1: Convolution, convolution2: Convolution
    private let timeProjection: Linear?
    private let shortcut: Linear?

    /// - Parameter timeWidth: the width of the time embedding, nil for none.
    init(_ parameters: Parameters, inputs: Int, outputs: Int, timeWidth: Int?, groups: Int, epsilon: Float) throws {
        norm1 = try (parameters / "norm1").groupNorm(channels: inputs, groups: groups, epsilon: epsilon, activation: .silu)
        convolution1 = try (parameters / "conv1").convolution(inputs: inputs, outputs: outputs, kernel: 3, padding: Padding(1))
        timeProjection = try timeWidth.map { try (parameters / "time_emb_proj").linear(inputs: $0, outputs: outputs) }
        norm2 = try (parameters / "norm2").groupNorm(channels: outputs, groups: groups, epsilon: epsilon, activation: .silu)
        convolution2 = try (parameters / "conv2").convolution(inputs: outputs, outputs: outputs, kernel: 3, padding: Padding(1))
        shortcut = inputs == outputs ? nil : try (parameters / "conv_shortcut").pointwise(inputs: inputs, outputs: outputs)
    }

    /// - Parameter timeEmbedding: [N, timeWidth] after its SiLU.
    func forward(_ input: Tensor, timeEmbedding: Tensor? = nil, saving saved: inout Saved?) -> Tensor {
        var (kept1, kept2): (GroupNorm.Saved?, GroupNorm.Saved?)
        let bias = timeEmbedding.flatMap { embedding in timeProjection?.forward(embedding) }
        let middle = convolution1.forward(norm1.forward(input, saving: &kept1), sampleBias: bias)
        let normal = norm2.forward(middle, saving: &kept2)
        if let kept1, let kept2 { saved = Saved(norm1: kept1, norm2: kept2, inputShape: input.shape, middleShape: middle.shape) }
        return convolution2.forward(normal, adding: shortcut?.forward(input) ?? input)
    }

    func forward(_ input: Tensor) -> Tensor {
        var saved: Saved?
        return forward(input, saving: &saved)
    }

    func inputGradient(_ outputGradient: Tensor, _ saved: Saved) -> Tensor {
        let middle = norm2.inputGradient(convolution2.inputGradient(outputGradient, inputShape: saved.middleShape), saved.norm2)
        let inner = norm1.inputGradient(convolution1.inputGradient(middle, inputShape: saved.inputShape), saved.norm1)
        if let shortcut { return shortcut.inputGradient(outputGradient, adding: inner) }
        return Addition.forward(outputGradient, inner)
    }
}
