// SPDX-License-Identifier: Apache-2.0
package import Studies
package import Tensors

/// One training sample: which picture, prompt, timestep and noise.
package struct Sample: Sendable {
    package let picture: Int
    package let isFlipped: Bool
    package let template: Int
    package let timestep: Int
}

/// Every random choice of a trial's training, as a pure function of (seed, trial, step, sample).
///
/// Pictures come in epochs, each in a new random order. The timesteps of one step are stratified: sample k of B falls into one of B equal
/// parts of the schedule, the parts dealt out anew each step. Each sample's timestep is still uniform, and the gradient varies less.
package struct SampleDraws: Sendable {
    private let seed: UInt64
    private let trial: Int
    private let batch: Int
    private let flip: Double

    package init(seed: UInt64, trial: Int, batch: Int, flip: Double) {
        self.seed = seed
        self.trial = trial
        self.batch = batch
        self.flip = flip
    }

    private func draws(_ stream: RandomStream, step: Int, sample: Int = 0) -> RandomDraws {
        RandomDraws(seed: seed, trial: trial, step: step, sample: sample, stream: stream)
    }

    /// The samples of a step (0-based).
    package func samples(step: Int, pictures: Int, templates: Int, timesteps: Int) -> [Sample] {
        let parts = draws(.timestep, step: step, sample: batch).permutation(batch)
        return (0..<batch).map { sample in
            let position = step * batch + sample
            let order = draws(.picture, step: position / pictures).permutation(pictures)
            let place = (Double(parts[sample]) + draws(.timestep, step: step, sample: sample).uniform()) / Double(batch)
            return Sample(
                picture: order[position % pictures], isFlipped: draws(.flip, step: step, sample: sample).uniform() < flip,
                template: draws(.prompt, step: step, sample: sample).integer(below: templates),
                timestep: min(timesteps - 1, Int(place * Double(timesteps))))
        }
    }

    /// The noise that is added to a sample's latents, [1, h, w, 4].
    package func noise(step: Int, sample: Int, shape: [Int]) -> Tensor { draws(.noise, step: step, sample: sample).normalTensor(shape) }

    /// The noise that picks latents from a picture's moments; nil for the mean.
    package func posteriorNoise(_ mode: LatentDraw, step: Int, sample: Int, picture: Int, shape: [Int]) -> Tensor? {
        switch mode {
        case .sample: draws(.posterior, step: step, sample: sample).normalTensor(shape)
        case .once: RandomDraws(seed: seed, sample: picture, stream: .posteriorOnce).normalTensor(shape)
        case .mean: nil
        }
    }
}
