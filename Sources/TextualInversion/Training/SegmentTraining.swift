// SPDX-License-Identifier: Apache-2.0

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
    /// The result is a pure function of study, trial and state, but for `HistoryRow.seconds`. It is what slices computed anywhere add up to.
    /// - Parameter report: called after each step with its row and the last evaluation.
    /// - Throws: `InversionError`: cancelled, or numbers that are of no use.
    package func train(
        _ state: TrainingState, trial: Int, until end: Int, report: (HistoryRow, EvaluationRow?) -> Void = { _, _ in },
        isCancelled: () -> Bool = { false }
    ) throws -> TrainedSegment {
        var segment = TrainedSegment(state: state)
        let last = min(end, course.finish)
        if state.step == 0 { try evaluate(&segment, isCancelled: isCancelled) }
        while segment.state.step < last {
            let started = ContinuousClock.now
            let sum = try gradient(segment.state, trial: trial, isCancelled: isCancelled)
            let row = try course.apply(sum, to: &segment.state, seconds: (ContinuousClock.now - started) / .seconds(1))
            segment.history.append(row)
            if course.isEvaluationDue(at: segment.state.step) { try evaluate(&segment, isCancelled: isCancelled) }
            report(row, segment.evaluations.last)
        }
        segment.isFinished = segment.state.step >= course.finish
        return segment
    }

    /// A whole step on this machine: slice after slice.
    private func gradient(_ state: TrainingState, trial: Int, isCancelled: () -> Bool) throws -> GradientSum {
        let draws = try stepDraws(step: state.step, trial: trial), vectors = try tensor(state.vectors)
        var sum = GradientSum(count: state.vectors.count)
        for slice in 0..<sliceCount {
            if isCancelled() { throw InversionError(.cancelled, "stopped at step \(state.step)") }
            try sum.add(gradient(vectors, draws, slice))
        }
        return sum
    }

    private func evaluate(_ segment: inout TrainedSegment, isCancelled: () -> Bool) throws {
        let vectors = try tensor(segment.state.vectors)
        var losses: [Double] = []
        for slice in 0..<evaluationSliceCount {
            if isCancelled() { throw InversionError(.cancelled, "stopped at step \(segment.state.step)") }
            losses += evaluationSet.losses(model, vectors: vectors, batch: slice)
        }
        segment.evaluations.append(try course.recordEvaluation(losses, in: &segment.state))
    }
}
