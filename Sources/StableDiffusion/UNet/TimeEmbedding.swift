// SPDX-License-Identifier: Apache-2.0
private import Glibc
import Tensors

/// Sinusoids of the timestep, then two linear layers with SiLU: what every residual block of the UNet gets.
///
/// `diffusers.get_timestep_embedding` and `TimestepEmbedding`. Frozen and without gradient: the timestep is not learned.
struct TimeEmbedding: Sendable {
    private let first: Linear, second: Linear
    private let channels: Int
    private let flipSinToCos: Bool
    private let frequencyShift: Float

    init(_ parameters: Parameters, channels: Int, flipSinToCos: Bool, frequencyShift: Float) throws {
        first = try (parameters / "linear_1").linear(inputs: channels, outputs: 4 * channels)
        second = try (parameters / "linear_2").linear(inputs: 4 * channels, outputs: 4 * channels)
        self.channels = channels
        self.flipSinToCos = flipSinToCos
        self.frequencyShift = frequencyShift
    }

    /// N timesteps -> [N, 4 channels], with the SiLU that every block applies first.
    func forward(_ timesteps: [Int]) -> Tensor {
        let half = channels / 2
        let waves = Tensor(shape: [timesteps.count, channels]) { out in
            for (row, timestep) in timesteps.enumerated() {
                for index in 0..<half {
                    let angle = Float(timestep) * expf(-logf(10000) * Float(index) / (Float(half) - frequencyShift))
                    out[row * channels + index + (flipSinToCos ? half : 0)] = sinf(angle)
                    out[row * channels + index + (flipSinToCos ? 0 : half)] = cosf(angle)
                }
                if channels % 2 == 1 { out[row * channels + channels - 1] = 0 }
            }
        }
        return Activation.silu.forward(second.forward(Activation.silu.forward(first.forward(waves))))
    }
}
