// SPDX-License-Identifier: Apache-2.0
private import StableDiffusion
private import Tensors

/// Runs training steps on random latents and times their phases.
package final class StepBenchmark {
    private let model: InversionModel
    private let side: Int, batch: Int
    private var state: TrainingState

    /// - Parameter side: of the latents.
    package init(_ model: InversionModel, side: Int, batch: Int) {
        self.model = model
        self.side = side
        self.batch = batch
        let width = model.textEncoder.width
        state = TrainingState(
            rows: 1, width: width, initial: RandomDraws(seed: 1, stream: .initialization).normals(width).map { $0 * 0.02 })
    }

    /// The work of a step as multiplications and additions of matrices (counted over one step, forward and backward).
    package var gigaFLOP: Double {
        Double(batch) * (state.step > 0 ? Double(Compute.countedOperations) / Double(state.step * batch) : 0) * 1e-9
    }

    /// One step: seconds of each `TrainingPhase` and the loss.
    package func step(_ number: Int) -> (phases: [Double], loss: Double) {
        func draws(_ stream: RandomStream) -> RandomDraws { RandomDraws(seed: 7, step: number, stream: stream) }
        let vocabulary = model.textEncoder.configuration.vocabularySize, length = model.textEncoder.configuration.maximumLength
        let shape = [batch, side, side, 4]
        let tokens = (0..<batch).map { _ in
            [vocabulary - 2, 0, 1, vocabulary] + Array(repeating: vocabulary - 1, count: length - 4)
        }
        let samples = NoisedBatch(
            schedule: model.schedule, tokens: tokens, latents: draws(.posterior).normalTensor(shape),
            noise: draws(.noise).normalTensor(shape),
            timesteps: (0..<batch).map { draws(.timestep).integer(below: model.schedule.timestepCount, $0) })
        var seconds = [Double](repeating: 0, count: TrainingPhase.allCases.count)
        var current: TrainingPhase?
        var since = ContinuousClock.now
        func enter(_ phase: TrainingPhase?) {
            let now = ContinuousClock.now
            if let current { seconds[current.rawValue] += (now - since) / .seconds(1) }
            (current, since) = (phase, now)
        }
        let vectors = Tensor(state.vectors, shape: [1, state.width])
        let (losses, gradient) = model.gradient(samples, vectors: vectors, factor: 1 / Float(batch), phase: enter)
        var state = state
        state.step += 1
        AdamW(beta1: 0.9, beta2: 0.999, weightDecay: 0, epsilon: 1e-8).update(
            &state.vectors, gradient: gradient.values, average: &state.exponentialAverage, squares: &state.exponentialAverageOfSquares,
            step: state.step, learningRate: 1e-3)
        self.state = state
        enter(nil)
        return (seconds, losses.reduce(0, +) / Double(batch))
    }
}
