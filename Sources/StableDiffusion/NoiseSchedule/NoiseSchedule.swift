// SPDX-License-Identifier: Apache-2.0
private import Foundation
package import Tensors

/// What the UNet predicts.
package enum PredictionType: String, Sendable {
    case epsilon
    case vPrediction = "v_prediction"
}

/// How much noise each timestep has: z_t = sqrt(a_t) z + sqrt(1 - a_t) noise, with a_t the cumulative product of 1 - beta.
///
/// Ho et al. 2020 (arXiv 2006.11239); v-prediction: Salimans & Ho 2022 (arXiv 2202.00512). Betas as `diffusers.DDPMScheduler`.
package struct NoiseSchedule: Sendable {
    package let predictionType: PredictionType
    /// One value for each timestep, in double.
    package let alphasCumulativeProduct: [Double]
    package let stepsOffset: Int
    package let setsLastAlphaToOne: Bool

    package var timestepCount: Int { alphasCumulativeProduct.count }

    package init(path: String) throws {
        let file = try Configuration(path: path)
        let count = try file.integer("num_train_timesteps", default: 1000, in: 2...100_000)
        let start = try file.number("beta_start", default: 0.00085), end = try file.number("beta_end", default: 0.012)
        guard start > 0, end >= start, end < 1 else {
            throw file.failure("beta_start \(start) and beta_end \(end) are not a noise schedule")
        }
        for (key, value) in [("trained_betas", "null"), ("rescale_betas_zero_snr", "false"), ("thresholding", "false")] {
            try file.require(key, is: value)
        }
        let name = try file.text("prediction_type", default: "epsilon")
        guard let type = PredictionType(rawValue: name) else {
            throw file.failure("prediction_type is \(name); this version supports epsilon and v_prediction")
        }
        predictionType = type
        stepsOffset = try file.integer("steps_offset", default: 0, in: 0...count)
        // Another scheduler's file does not have it; DDIMScheduler then takes its own default.
        setsLastAlphaToOne = try file.flag("set_alpha_to_one", default: true)
        let schedule = try file.text("beta_schedule", default: "scaled_linear")
        var product = 1.0
        alphasCumulativeProduct = try (0..<count).map { index in
            let part = Double(index) / Double(count - 1)
            switch schedule {
            case "scaled_linear":
                let root = start.squareRoot() + (end.squareRoot() - start.squareRoot()) * part
                product *= 1 - root * root
            case "linear": product *= 1 - (start + (end - start) * part)
            default: throw file.failure("beta_schedule is \(schedule); this version supports scaled_linear and linear")
            }
            return product
        }
    }

    /// noisyLatents from latents and noise [N, ...], each sample at its own timestep.
    package func noisyLatents(_ latents: Tensor, noise: Tensor, timesteps: [Int]) -> Tensor {
        mix(latents, noise, timesteps) { alpha in (alpha.squareRoot(), (1 - alpha).squareRoot()) }
    }

    /// What the UNet should predict: the noise, or v = sqrt(a) noise - sqrt(1 - a) latents.
    package func target(_ latents: Tensor, noise: Tensor, timesteps: [Int]) -> Tensor {
        switch predictionType {
        case .epsilon: noise
        case .vPrediction: mix(latents, noise, timesteps) { alpha in (-(1 - alpha).squareRoot(), alpha.squareRoot()) }
        }
    }

    private func mix(_ a: Tensor, _ b: Tensor, _ timesteps: [Int], _ factors: (Double) -> (Double, Double)) -> Tensor {
        precondition(a.shape == b.shape && a.shape.first == timesteps.count, "\(timesteps.count) timesteps for \(a.shape)")
        let size = a.count / max(1, timesteps.count)
        return Tensor(shape: a.shape) { out in
            a.withValues { a in
                b.withValues { b in
                    for (sample, timestep) in timesteps.enumerated() {
                        let (first, second) = factors(alphasCumulativeProduct[timestep])
                        let (x, y) = (Float(first), Float(second))
                        for i in sample * size..<(sample + 1) * size { out[i] = x * a[i] + y * b[i] }
                    }
                }
            }
        }
    }
}

/// e^x, so that files which need nothing else of Foundation stay without it.
func exponential(_ x: Float) -> Float { exp(x) }
