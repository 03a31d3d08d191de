// SPDX-License-Identifier: Apache-2.0

/// All that a trial has learned: enough to go on anywhere, bit for bit.
package struct TrainingState: Sendable, Hashable {
    /// V: vectors of the pseudo-word, 1 to 75.
    package var count: Int
    /// D, 1 to 8192: the text encoder's width; for two encoders the sum of both, clip_l first.
    package var width: Int
    /// Updates done.
    package var step: Int
    /// [V, D].
    package var embedding: [Float]
    /// The optimizer's moments, [V, D] each.
    package var expAvg: [Float]
    package var expAvgSq: [Float]
    /// The vectors before the first update, [V, D].
    package var initial: [Float]
    /// The vectors at the lowest evaluation loss; nil before the first evaluation.
    package var best: BestVectors?

    package struct BestVectors: Sendable, Hashable {
        /// [V, D].
        package var vectors: [Float]
        package var step: Int
        package var loss: Double

        package init(vectors: [Float], step: Int, loss: Double) {
            self.vectors = vectors
            self.step = step
            self.loss = loss
        }
    }

    package init(
        count: Int, width: Int, step: Int, embedding: [Float], expAvg: [Float], expAvgSq: [Float], initial: [Float],
        best: BestVectors? = nil
    ) {
        self.count = count
        self.width = width
        self.step = step
        self.embedding = embedding
        self.expAvg = expAvg
        self.expAvgSq = expAvgSq
        self.initial = initial
        self.best = best
    }
}

/// One step of a trial's history.
package struct HistoryRow: Sendable, Hashable {
    package var step: Int
    package var loss: Double
    package var learningRate: Double
    package var gradientNorm: Double
    package var embeddingNorm: Double
    /// Wall time; the only number here that is not part of the result's digest.
    package var seconds: Double

    package init(step: Int, loss: Double, learningRate: Double, gradientNorm: Double, embeddingNorm: Double, seconds: Double) {
        self.step = step
        self.loss = loss
        self.learningRate = learningRate
        self.gradientNorm = gradientNorm
        self.embeddingNorm = embeddingNorm
        self.seconds = seconds
    }
}

/// One evaluation of a trial.
package struct EvaluationRow: Sendable, Hashable {
    package var step: Int
    package var loss: Double
    package var standardError: Double

    package init(step: Int, loss: Double, standardError: Double) {
        self.step = step
        self.loss = loss
        self.standardError = standardError
    }
}

/// What a segment brought.
package struct SegmentOutcome: Sendable, Hashable {
    /// `state.step` is the segment's last step; before the requested one only if `finished`.
    package var state: TrainingState
    /// One row for each step of the segment, in order.
    package var history: [HistoryRow]
    package var evaluations: [EvaluationRow]
    /// SHA-256 of the model files and of the data set, 32 bytes each.
    package var modelDigest: [UInt8]
    package var dataDigest: [UInt8]
    /// The kind of CPU and the settings that the bits depend on.
    package var cpu: String
    /// The trial ends here.
    package var finished: Bool

    package init(
        state: TrainingState, history: [HistoryRow], evaluations: [EvaluationRow], modelDigest: [UInt8], dataDigest: [UInt8], cpu: String,
        finished: Bool = false
    ) {
        self.state = state
        self.history = history
        self.evaluations = evaluations
        self.modelDigest = modelDigest
        self.dataDigest = dataDigest
        self.cpu = cpu
        self.finished = finished
    }
}

/// Why a segment could not be trained.
package struct SegmentFailure: Error, Sendable, Hashable, CustomStringConvertible {
    package enum Kind: Sendable, Hashable {
        /// The study, the pictures or the model are wrong: no other worker will do better.
        case input
        /// A loss, gradient or vector is no finite number any more.
        case numeric
        /// The program's trouble: another attempt may do better.
        case `internal`
        /// This machine's trouble, such as a full disk: another machine will do better.
        case unable
    }

    package let kind: Kind
    /// One line: what is wrong, where, what was expected, what to do.
    package let message: String

    package init(_ kind: Kind, _ message: String) {
        self.kind = kind
        self.message = message.oneLine
    }

    package var description: String { message }
}
