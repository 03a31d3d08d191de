// SPDX-License-Identifier: Apache-2.0

/// Everything that a trial is at some step: enough to go on with the same bits anywhere.
package struct TrainingState: Equatable, Sendable {
    package let rows: Int, width: Int
    /// Completed optimizer steps.
    package var step: Int
    /// [rows * width].
    package var vectors: [Float]
    package var initial: [Float]
    package var exponentialAverage: [Float], exponentialAverageOfSquares: [Float]
    /// The vectors with the lowest evaluation loss so far.
    package var best: [Float]?
    package var bestStep: Int?
    package var bestLoss: Double?

    package init(rows: Int, width: Int, initial: [Float]) {
        precondition(initial.count == rows * width)
        self.rows = rows
        self.width = width
        step = 0
        vectors = initial
        self.initial = initial
        exponentialAverage = Array(repeating: 0, count: initial.count)
        exponentialAverageOfSquares = exponentialAverage
    }
}

/// What one optimizer step was like.
package struct HistoryRow: Equatable, Sendable {
    /// 1 for the first.
    package let step: Int
    package let loss: Double
    package let learningRate: Double
    /// Before clipping.
    package let gradientNorm: Float
    /// Mean Euclidean norm of the vectors after the step.
    package let embeddingNorm: Float
    /// Wall-clock time of the step; the only part that differs between two runs of a study.
    package let seconds: Double
}

/// A loss of the fixed evaluation set.
package struct EvaluationRow: Equatable, Sendable {
    package let step: Int
    package let loss: Double
    package let standardError: Double
}
