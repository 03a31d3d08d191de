// SPDX-License-Identifier: Apache-2.0
private import Foundation
private import StableDiffusion
private import Studies
private import Tensors

/// What training from one checkpoint to the next gave.
package struct TrainedSegment: Sendable {
    package var state: TrainingState
    package var history: [HistoryRow] = []
    package var evaluations: [EvaluationRow] = []
    /// The trial has no further steps: the last one was done, or the learning-rate schedule ended.
    package var isFinished = false
}

extension InversionSession {
    /// Trains a trial from its state until `end` completed steps.
    ///
    /// The result is a pure function of study, trial and state, but for `HistoryRow.seconds`.
    /// - Parameter report: called after each step with its row and the last evaluation.
    /// - Throws: `InversionError`: cancelled, or numbers that are of no use.
    package func train(
        _ state: TrainingState, trial: Int, until end: Int, report: (HistoryRow, EvaluationRow?) -> Void = { _, _ in },
        isCancelled: () -> Bool = { false }
    ) throws -> TrainedSegment {
        var segment = TrainedSegment(state: state)
        let last = min(end, schedule.finish, study.training.steps)
        if state.step == 0 { try evaluate(&segment, isCancelled: isCancelled) }
        while segment.state.step < last {
            let started = ContinuousClock.now
            let (losses, gradient) = try gradient(segment.state, trial: trial, isCancelled: isCancelled)
            let row = try apply(gradient, losses: losses, to: &segment.state, started: started)
            segment.history.append(row)
            let step = segment.state.step
            if step % study.evaluation.every == 0 || step == min(schedule.finish, study.training.steps) {
                try evaluate(&segment, isCancelled: isCancelled)
            }
            report(row, segment.evaluations.last)
        }
        segment.isFinished = segment.state.step >= min(schedule.finish, study.training.steps)
        return segment
    }

    /// The losses and the gradient of a whole step: microbatches one after the other, their gradients added in sample order.
    private func gradient(_ state: TrainingState, trial: Int, isCancelled: () -> Bool) throws -> (losses: [Double], gradient: [Float]) {
        let training = study.training, shape = [1] + dataSet.latentSize + [4]
        let draws = SampleDraws(seed: training.seed, trial: trial, batch: training.batch, flip: study.data.flip)
        let samples = draws.samples(
            step: state.step, pictures: dataSet.items.count, templates: prompts[0].count, timesteps: model.schedule.timestepCount)
        let vectors = Tensor(state.vectors, shape: [state.rows, state.width])
        var losses: [Double] = []
        var sum = [Float](repeating: 0, count: state.vectors.count)
        for first in stride(from: 0, to: training.batch, by: training.microbatch) {
            if isCancelled() { throw InversionError(.cancelled, "stopped at step \(state.step)") }
            let range = first..<min(training.batch, first + training.microbatch)
            let latents = range.map { index in
                let sample = samples[index], item = dataSet.items[sample.picture]
                let noise = draws.posteriorNoise(study.data.latents, step: state.step, sample: index, picture: sample.picture, shape: shape)
                let moments = sample.isFlipped ? item.flipped ?? item.moments : item.moments
                return moments.latents(noise: noise, scalingFactor: dataSet.scalingFactor)
            }
            let batch = NoisedBatch(
                schedule: model.schedule, tokens: range.map { prompts[samples[$0].picture][samples[$0].template] },
                latents: Tensor(stacking: latents),
                noise: Tensor(stacking: range.map { draws.noise(step: state.step, sample: $0, shape: shape) }),
                timesteps: range.map { samples[$0].timestep })
            let part = model.gradient(batch, vectors: vectors, factor: 1 / Float(training.batch))
            losses += part.losses
            part.gradient.withValues { values in for i in sum.indices { sum[i] += values[i] } }
        }
        return (losses, sum)
    }

    private func apply(
        _ gradient: [Float], losses: [Double], to state: inout TrainingState, started: ContinuousClock.Instant
    ) throws -> HistoryRow {
        let loss = losses.reduce(0, +) / Double(losses.count), norm = GradientClipping.norm(gradient), step = state.step
        guard loss.isFinite, norm.isFinite else {
            throw InversionError(
                .numeric, "step \(step + 1): the loss is \(loss) and the gradient norm \(norm); lower the learning rate or check the model")
        }
        guard norm > 0 else {
            throw InversionError(.numeric, "step \(step + 1): the gradient is zero, so nothing is learned; does the model use its prompt?")
        }
        guard let rate = schedule.rate(at: step) else {
            throw InversionError(.input, "the learning-rate schedule ends before step \(step + 1)")
        }
        var clipped = gradient
        switch (study.training.clipGradient, clipSchedule?.held(at: step)) {
        case (.norm, let limit?): GradientClipping.clip(&clipped, norm: limit)
        case (.value, let limit?): GradientClipping.clip(&clipped, value: limit)
        default: break
        }
        let settings = study.training.optimizer
        AdamW(beta1: settings.beta1, beta2: settings.beta2, weightDecay: settings.weightDecay, epsilon: settings.epsilon).update(
            &state.vectors, gradient: clipped, average: &state.exponentialAverage, squares: &state.exponentialAverageOfSquares,
            step: step + 1, learningRate: rate)
        guard state.vectors.allSatisfy(\.isFinite) else {
            throw InversionError(.numeric, "step \(step + 1): the vectors are not finite any more; lower the learning rate")
        }
        state.step += 1
        let norms = (0..<state.rows).map { GradientClipping.norm(Array(state.vectors[$0 * state.width..<($0 + 1) * state.width])) }
        let elapsed = (ContinuousClock.now - started) / .seconds(1)
        return HistoryRow(
            step: state.step, loss: loss, learningRate: rate, gradientNorm: Float(norm),
            embeddingNorm: Float(norms.reduce(0, +) / Double(norms.count)), seconds: elapsed)
    }

    private func evaluate(_ segment: inout TrainedSegment, isCancelled: () -> Bool) throws {
        let state = segment.state
        let vectors = Tensor(state.vectors, shape: [state.rows, state.width])
        guard let result = evaluationSet.evaluate(model, vectors: vectors, isCancelled: isCancelled) else {
            throw InversionError(.cancelled, "stopped at step \(state.step)")
        }
        guard result.loss.isFinite else { throw InversionError(.numeric, "step \(state.step): the evaluation loss is \(result.loss)") }
        segment.evaluations.append(EvaluationRow(step: state.step, loss: result.loss, standardError: result.standardError))
        if result.loss < state.bestLoss ?? .infinity {
            segment.state.best = state.vectors
            segment.state.bestStep = state.step
            segment.state.bestLoss = result.loss
        }
    }
}
