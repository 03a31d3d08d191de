// SPDX-License-Identifier: Apache-2.0
private import StableDiffusion
package import Tensors

/// A loss that can be compared between steps, trials and prompts: pictures, noise and timesteps are fixed, and so are the prompts.
///
/// The training loss says little (it is mostly the timestep's); this one changes only when the vectors do ("Is This Loss Informative?",
/// arXiv 2302.04841). Timesteps are stratified over the whole schedule and dealt to the pictures in a fixed random order.
package struct EvaluationSet: Sendable {
    package struct Result: Equatable, Sendable {
        package let loss: Double
        /// Standard deviation of the samples' losses over the root of their number.
        ///
        /// It counts the samples as independent. Their timesteps are stratified, so the true error of the mean is smaller.
        package let standardError: Double
        package let samples: Int
    }

    private let batches: [NoisedBatch]

    /// - Parameters:
    ///   - tokens: the token ids of sample k's prompt, for picture p.
    ///   - seed: of the fixed draws; the same seed gives the same set for every trial.
    ///   - usesMean: latents are the posterior's mean instead of a fixed draw.
    package init(
        dataSet: LatentDataSet, model: InversionModel, samples: Int, microbatch: Int, seed: UInt64, usesMean: Bool = false,
        tokens: (_ sample: Int, _ picture: Int) throws -> [Int]
    ) rethrows {
        let steps = model.schedule.timestepCount, shape = [1] + dataSet.latentSize + [4]
        func draws(_ sample: Int, _ part: Int) -> RandomDraws { RandomDraws(seed: seed, step: part, sample: sample, stream: .evaluation) }
        let parts = draws(0, 3).permutation(samples)
        var batches: [NoisedBatch] = []
        for first in stride(from: 0, to: samples, by: microbatch) {
            let range = first..<min(samples, first + microbatch)
            let latents = range.map { sample in
                dataSet.items[sample % dataSet.items.count].moments.latents(
                    noise: usesMean ? nil : draws(sample, 0).normalTensor(shape), scalingFactor: dataSet.scalingFactor)
            }
            batches.append(
                NoisedBatch(
                    schedule: model.schedule, tokens: try range.map { try tokens($0, $0 % dataSet.items.count) },
                    latents: Tensor(stacking: latents), noise: Tensor(stacking: range.map { draws($0, 1).normalTensor(shape) }),
                    timesteps: range.map { sample in
                        min(steps - 1, Int((Double(parts[sample]) + draws(sample, 2).uniform()) / Double(samples) * Double(steps)))
                    }))
        }
        self.batches = batches
    }

    /// The mean loss with the given vectors.
    ///
    /// - Parameter isCancelled: asked before each batch; nil is returned when it says yes.
    package func evaluate(_ model: InversionModel, vectors: Tensor?, isCancelled: () -> Bool = { false }) -> Result? {
        var losses: [Double] = []
        for batch in batches.indices {
            if isCancelled() { return nil }
            losses += self.losses(model, vectors: vectors, batch: batch)
        }
        return Self.combine(losses)
    }

    /// The losses of one batch, for an evaluation that several machines share.
    func losses(_ model: InversionModel, vectors: Tensor?, batch: Int) -> [Double] { model.losses(batches[batch], vectors: vectors) }

    /// The result that the losses of all samples, in order, make.
    package static func combine(_ losses: [Double]) -> Result {
        let count = losses.count
        let mean = losses.reduce(0, +) / Double(count)
        let variance = losses.reduce(0.0) { $0 + ($1 - mean) * ($1 - mean) } / Double(max(1, count - 1))
        return Result(loss: mean, standardError: (variance / Double(count)).squareRoot(), samples: count)
    }
}
