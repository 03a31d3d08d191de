// SPDX-License-Identifier: Apache-2.0
package import Studies

/// How a trial goes from step to step: schedules, clipping, optimizer, evaluations.
///
/// A pure value made from the study alone, so that whoever has a step's gradient can take the step without having the model.
package struct TrainingCourse: Sendable {
    /// The step at which the trial ends: the last one, or where the learning-rate schedule does.
    package let finish: Int

    private let training: TrainingSettings
    private let evaluation: EvaluationSettings
    private let schedule: LearningRateSchedule
    private let clipSchedule: LearningRateSchedule?

    package init(_ study: Study) throws {
        training = study.training
        evaluation = study.evaluation
        schedule = try LearningRateSchedule(study.training.learningRate, maximumSteps: study.training.steps)
        clipSchedule = try study.training.clipGradient.schedule(maximumSteps: study.training.steps)
        finish = min(schedule.finish, study.training.steps)
    }

    /// The microbatches of a step, each of which one machine computes.
    package var sliceCount: Int { Self.parts(training.batch, training.microbatch) }

    /// The microbatches of an evaluation.
    package var evaluationSliceCount: Int { Self.parts(evaluation.samples, training.microbatch) }

    /// The samples of a slice of a step.
    package func samples(ofSlice slice: Int) -> Range<Int> { Self.range(slice, training.batch, training.microbatch) }

    /// The samples of a slice of an evaluation.
    package func samples(ofEvaluationSlice slice: Int) -> Range<Int> { Self.range(slice, evaluation.samples, training.microbatch) }

    private static func parts(_ count: Int, _ size: Int) -> Int { (count + max(1, size) - 1) / max(1, size) }

    private static func range(_ slice: Int, _ count: Int, _ size: Int) -> Range<Int> {
        slice * max(1, size)..<min(count, (slice + 1) * max(1, size))
    }

    /// Adds up the slices of a step, however they came together.
    ///
    /// - Parameters:
    ///   - slices: all of the step, in order.
    ///   - count: of the values of all vectors.
    /// - Throws: `InversionError` when one is missing or is no slice of this course.
    package func sum(_ slices: [GradientSlice], count: Int) throws -> GradientSum {
        try check(slices.map(\.losses.count), (0..<sliceCount).map { samples(ofSlice: $0).count }, "step")
        var sum = GradientSum(count: count)
        for slice in slices { try sum.add(slice) }
        return sum
    }

    /// The losses of an evaluation from those of its slices.
    ///
    /// - Parameter slices: all of the evaluation, in order.
    /// - Throws: `InversionError` when one is missing or is no slice of this course.
    package func losses(_ slices: [[Double]]) throws -> [Double] {
        try check(slices.map(\.count), (0..<evaluationSliceCount).map { samples(ofEvaluationSlice: $0).count }, "evaluation")
        return slices.flatMap(\.self)
    }

    private func check(_ found: [Int], _ expected: [Int], _ what: String) throws {
        guard found.count == expected.count else {
            throw InversionError(.input, "\(found.count) slices of the \(what), expected \(expected.count)")
        }
        guard let place = found.indices.first(where: { found[$0] != expected[$0] }) else { return }
        throw InversionError(.input, "slice \(place) of the \(what) has \(found[place]) losses, expected \(expected[place])")
    }

    /// Whether the fixed set is evaluated once `step` steps are done: before the first, after the last, and every so often.
    package func isEvaluationDue(at step: Int) -> Bool { step == 0 || step % evaluation.every == 0 || step == finish }

    /// Takes the step that comes next.
    ///
    /// - Parameters:
    ///   - sum: all slices of the step, computed with the state's vectors.
    ///   - seconds: how long the step took, for its row.
    /// - Throws: `InversionError` when the numbers are of no use; the state is then as it was.
    package func apply(_ sum: GradientSum, to state: inout TrainingState, seconds: Double = 0) throws -> HistoryRow {
        let (gradient, losses) = (sum.gradient, sum.losses)
        guard losses.count == training.batch, gradient.count == state.vectors.count else {
            throw InversionError(
                .input,
                "step \(state.step + 1): \(losses.count) losses and \(gradient.count) gradients, expected \(training.batch) and \(state.vectors.count)"
            )
        }
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
        switch (training.clipGradient, clipSchedule?.held(at: step)) {
        case (.norm, let limit?): GradientClipping.clip(&clipped, norm: limit)
        case (.value, let limit?): GradientClipping.clip(&clipped, value: limit)
        default: break
        }
        let settings = training.optimizer
        var next = state
        AdamW(beta1: settings.beta1, beta2: settings.beta2, weightDecay: settings.weightDecay, epsilon: settings.epsilon).update(
            &next.vectors, gradient: clipped, average: &next.exponentialAverage, squares: &next.exponentialAverageOfSquares,
            step: step + 1, learningRate: rate)
        guard next.vectors.allSatisfy({ $0.isFinite }) else {
            throw InversionError(.numeric, "step \(step + 1): the vectors are not finite any more; lower the learning rate")
        }
        next.step += 1
        state = next
        let norms = (0..<state.rows).map { GradientClipping.norm(Array(state.vectors[$0 * state.width..<($0 + 1) * state.width])) }
        return HistoryRow(
            step: state.step, loss: loss, learningRate: rate, gradientNorm: Float(norm),
            embeddingNorm: Float(norms.reduce(0, +) / Double(norms.count)), seconds: seconds)
    }

    /// Notes an evaluation of the state's vectors, and keeps them if they are the best so far.
    ///
    /// - Parameter losses: of all slices of the evaluation, in order.
    /// - Throws: `InversionError` when the loss is no number.
    package func recordEvaluation(_ losses: [Double], in state: inout TrainingState) throws -> EvaluationRow {
        guard losses.count == evaluation.samples else {
            throw InversionError(.input, "step \(state.step): \(losses.count) evaluation losses, expected \(evaluation.samples)")
        }
        let result = EvaluationSet.combine(losses)
        guard result.loss.isFinite else { throw InversionError(.numeric, "step \(state.step): the evaluation loss is \(result.loss)") }
        if result.loss < state.bestLoss ?? .infinity {
            state.best = state.vectors
            state.bestStep = state.step
            state.bestLoss = result.loss
        }
        return EvaluationRow(step: state.step, loss: result.loss, standardError: result.standardError)
    }
}
