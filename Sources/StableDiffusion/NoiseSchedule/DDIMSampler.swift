// SPDX-License-Identifier: Apache-2.0
package import Tensors

/// Deterministic sampling.
///
/// Song et al. 2020 (arXiv 2010.02502) with eta 0, as `diffusers.DDIMScheduler` with leading timesteps.
package struct DDIMSampler: Sendable {
    package let schedule: NoiseSchedule
    /// Descending.
    package let timesteps: [Int]
    private let ratio: Int

    package init(_ schedule: NoiseSchedule, steps: Int) {
        precondition(steps >= 1 && steps <= schedule.timestepCount, "\(steps) sampling steps")
        self.schedule = schedule
        let ratio = schedule.timestepCount / steps
        self.ratio = ratio
        timesteps = (0..<steps).reversed().map { min(schedule.timestepCount - 1, $0 * ratio + schedule.stepsOffset) }
    }

    /// The latents one sampling step earlier.
    package func step(_ latents: Tensor, noisePrediction: Tensor, timestep: Int) -> Tensor {
        let alphas = schedule.alphasCumulativeProduct
        let alpha = alphas[timestep], previous = timestep - ratio
        let previousAlpha = previous >= 0 ? alphas[previous] : (schedule.setsLastAlphaToOne ? 1 : alphas[0])
        let (a, b) = (Float(alpha.squareRoot()), Float((1 - alpha).squareRoot()))
        let (p, q) = (Float(previousAlpha.squareRoot()), Float((1 - previousAlpha).squareRoot()))
        return Tensor(shape: latents.shape) { out in
            latents.withValues { z in
                noisePrediction.withValues { prediction in
                    for i in out.indices {
                        switch schedule.predictionType {
                        case .epsilon: out[i] = p * (z[i] - b * prediction[i]) / a + q * prediction[i]
                        case .vPrediction: out[i] = p * (a * z[i] - b * prediction[i]) + q * (a * prediction[i] + b * z[i])
                        }
                    }
                }
            }
        }
    }
}

/// Classifier-free guidance (Ho & Salimans 2022, arXiv 2207.12598).
package enum Guidance {
    /// unconditional + scale * (conditional - unconditional) from one batch that holds the unconditional half first.
    package static func combine(_ noisePrediction: Tensor, scale: Float) -> Tensor {
        let half = noisePrediction.count / 2
        return Tensor(shape: [noisePrediction.shape[0] / 2] + noisePrediction.shape.dropFirst()) { out in
            noisePrediction.withValues { both in
                for i in out.indices { out[i] = both[i] + scale * (both[half + i] - both[i]) }
            }
        }
    }
}
